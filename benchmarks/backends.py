"""What each backend and dtype costs in accuracy: `python benchmarks/backends.py --data DIR`.

DIR holds pairs/dev.parquet (MultiNLI dev matched is read). Results go to benchmarks/results/backends.json, from
which benchmarks/tables.py fills the table of the README; speed is measured by `contradict bench`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import contradict as ct
from contradict.schema import NLI_LABELS
from contradict.throughput import ways

RESULTS = Path(__file__).parent / "results" / "backends.json"
_REFERENCE = "torch-float32"


def main() -> None:
    """Score MultiNLI dev matched, premise first, with every way that is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with pairs/dev.parquet")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--scorer", action="append", metavar="BACKEND-DTYPE", help="repeatable (default: all that are installed)")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    rows = pq.read_table(args.data / "pairs" / "dev.parquet", filters=[("source", "=", "mnli_dev_matched")]).to_pylist()
    pairs = [(r["premise"], r["hypothesis"]) for r in rows]
    gold = np.array([NLI_LABELS.index(r["label"]) for r in rows])
    found: dict[str, dict[str, Any]] = {}
    reference = None
    for way in sorted({_REFERENCE, *(args.scorer or ways(args.device))}, key=lambda name: name != _REFERENCE):
        backend, dtype = way.split("-")
        model = ct.load_model(device=args.device, backend=backend, dtype=dtype)
        scores = ct.score_pairs(pairs, model, direction="forward")
        said = scores.nli[:, 0].argmax(axis=1)
        reference = scores if reference is None else reference
        change = np.abs(scores.conflict() - reference.conflict())
        found[way] = {
            "accuracy": float((said == gold).mean()),
            "same_class": float((said == reference.nli[:, 0].argmax(axis=1)).mean()),
            "largest_change": float(change.max()),
            "mean_change": float(change.mean()),
        }
        print(way, {k: round(v, 4) for k, v in found[way].items()}, flush=True)
    record = {"set": "MultiNLI dev matched", "pairs": len(pairs), "model_sha256": model.fingerprint, "device": args.device, "ways": found}
    args.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
