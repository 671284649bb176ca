"""What each backend and dtype costs in accuracy and flags, and what sparing second directions costs and saves.

    python benchmarks/backends.py --data DIR            # every way that is installed, against torch in float32
    python benchmarks/backends.py --data DIR --publish  # also lets `auto` choose int8 with these weights, or not

DIR holds pairs/dev.parquet (MultiNLI dev matched is read), statements.parquet and privpub/privpub_open.jsonl. Results
go to benchmarks/results/backends.json, from which benchmarks/tables.py fills tables of the README; speed is measured
by `contradict bench`. --publish writes the costs beside the weights as backends.json; `auto` chooses int8 where they
are within `backends.LIMITS`. New weights need a new measurement: costs are kept with the hash of the weights.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from quality import SETS
from train import real_statements, same_actor_pairs

import contradict as ct
from contradict.backends import keeps_accuracy, locate
from contradict.detector import NEAR
from contradict.evaluation import conflicts
from contradict.schema import NLI_LABELS, Scores
from contradict.scoring import leaves_open
from contradict.throughput import ways

RESULTS = Path(__file__).parent / "results" / "backends.json"
_REFERENCE = "torch-float32"
_LABELLED = ("written_test", "privpub_open")
_STATEMENT_PAIRS = 5000
_COUNTED = "written_test"  # the labelled set that is large enough for recall to count

Pairs = list[tuple[str, str]]


def statement_pairs(data: Path, count: int) -> Pairs:
    """Pairs of real statements of one actor, on nearly all of which the two do not conflict, as a scan would score them."""
    drawn = same_actor_pairs(real_statements(data, "test"), 2 * count, random.Random(7))
    texts = list(dict.fromkeys(text for pair in drawn for text in pair))
    row = {text: i for i, text in enumerate(texts)}
    vectors = ct.load_embedder(device="cpu").encode(texts, 4096)
    similarity = np.einsum("ij,ij->i", *(vectors[[row[pair[side]] for pair in drawn]] for side in (0, 1)))
    return [pair for pair, s in zip(drawn, similarity, strict=True) if s >= ct.Config().min_similarity][:count]


def costs(
    scores: Mapping[str, Scores],
    reference: Mapping[str, Scores],
    accuracy: float,
    exact: float,
    *,
    level: float,
    conflict: np.ndarray[Any, Any],
) -> dict[str, float]:
    """The figures of `backends.LIMITS` for scores by set, against those of the reference; `conflict` are the gold conflicts."""
    flags, was = ({name: s.conflict() >= level for name, s in kept.items()} for kept in (scores, reference))
    return {
        "accuracy_lost": exact - accuracy,
        "recall_lost": float(was[_COUNTED][conflict].mean() - flags[_COUNTED][conflict].mean()),
        "flags_changed": max(float((flags[name] != was[name]).mean()) for name in (_COUNTED, "statements")),
        "false_alarms_added": float(flags["statements"].mean() - was["statements"].mean()),
    }


def directions(scores: Mapping[str, Scores], calibrator: ct.Calibrator) -> dict[str, dict[str, Any]]:
    """Per set, the share of second directions that `needed` scores in a scan, and the flags that are lost by it."""
    level = calibrator.level(calibrator.threshold)
    found: dict[str, dict[str, Any]] = {}
    for name, s in scores.items():
        flagged = s.conflict() >= level
        first = {
            "in_scan": leaves_open(s.relations[:, 0], calibrator.level(max(0.0, calibrator.threshold - NEAR))),
            "at_threshold": leaves_open(s.relations[:, 0], level),
        }
        found[name] = {"pairs": len(s), "flagged": int(flagged.sum()), "lost": int((flagged & ~first["in_scan"]).sum())}
        found[name] |= {f"scored_{where}": float(scored.mean()) for where, scored in first.items()}
    return found


def main() -> None:
    """Score MultiNLI dev matched, premise first, and the other sets both ways, with every way that is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with the third-party sets")
    parser.add_argument("--model", help="folder or name of shipped weights (default: the shipped model)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--scorer", action="append", metavar="BACKEND-DTYPE", help="repeatable (default: all that are installed)")
    parser.add_argument("--pairs", type=int, help="at most so many pairs of a set, for a first look (default: all; 5000 of statements)")
    parser.add_argument("--publish", action="store_true", help="write the costs beside the weights, where auto reads them")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.publish and (args.pairs or not Path(locate(args.model)).is_dir()):
        parser.error("--publish needs all pairs, and a model folder to write into")
    rows = pq.read_table(args.data / "pairs" / "dev.parquet", filters=[("source", "=", "mnli_dev_matched")]).to_pylist()[: args.pairs]
    standard = [(r["premise"], r["hypothesis"]) for r in rows]
    gold = np.array([NLI_LABELS.index(r["label"]) for r in rows])
    labelled = {s.name: s.load(args.data)[: args.pairs] for s in SETS if s.name in _LABELLED}
    sets: dict[str, Pairs] = {name: [(p.premise, p.hypothesis) for p in pairs] for name, pairs in labelled.items()}
    sets["statements"] = statement_pairs(args.data, args.pairs or _STATEMENT_PAIRS)
    conflict = conflicts(labelled[_COUNTED]) == 1
    found: dict[str, dict[str, Any]] = {}
    exact: Scores | None = None
    reference: dict[str, Scores] = {}
    spared: dict[str, dict[str, float]] = {}
    for way in sorted({_REFERENCE, *(args.scorer or ways(args.device))}, key=lambda name: name != _REFERENCE):
        backend, dtype = way.split("-")
        model = ct.load_model(args.model, device=args.device, backend=backend, dtype=dtype)
        calibrator = ct.Calibrator.load(model.folder)
        level = calibrator.level(calibrator.threshold)
        forward = ct.score_pairs(standard, model, direction="forward")
        scores = {name: ct.score_pairs(pairs, model) for name, pairs in sets.items()}
        if exact is None:
            exact, reference, spared = forward, scores, directions(scores, calibrator)
        said, was = (s.nli[:, 0].argmax(axis=1) for s in (forward, exact))
        change = np.abs(forward.conflict() - exact.conflict())
        accuracy = float((said == gold).mean())
        found[way] = {
            "accuracy": accuracy,
            "same_class": float((said == was).mean()),
            "largest_change": float(change.max()),
            "mean_change": float(change.mean()),
            "flags": {
                name: {
                    "flagged": int((s.conflict() >= level).sum()),
                    "lost": int(((reference[name].conflict() >= level) & (s.conflict() < level)).sum()),
                    "added": int(((reference[name].conflict() < level) & (s.conflict() >= level)).sum()),
                }
                for name, s in scores.items()
            },
            "recall": float((scores[_COUNTED].conflict() >= level)[conflict].mean()),
            "costs": costs(scores, reference, accuracy, float((was == gold).mean()), level=level, conflict=conflict),
        }
        print(way, json.dumps(found[way]), "within the limits" if keeps_accuracy(found[way]["costs"]) else "beyond the limits", flush=True)
    record = {
        "set": "MultiNLI dev matched",
        "pairs": len(standard),
        "sets": {name: len(pairs) for name, pairs in sets.items()},
        "model_sha256": model.fingerprint,
        "threshold": calibrator.threshold,
        "device": args.device,
        "ways": found,
        "directions": spared,
    }
    args.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if args.publish:
        published = {"against": _REFERENCE, "model_sha256": model.fingerprint, "ways": {way: f["costs"] for way, f in found.items()}}
        (Path(locate(args.model)) / "backends.json").write_text(json.dumps(published, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
