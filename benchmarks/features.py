"""Measure what the features of a pair add to its score: `python benchmarks/features.py`.

Two questions, both on the written dev groups and minimal pairs, which no weights were trained on. Could a feature be a
gate: how often are pairs that have it conflicts, among all written pairs and among those flagged? And does a learned
combination (multinomial logistic regression, cross-validated over whole groups) judge better than the rule of
`verdicts.classify`? Needs scikit-learn. Results go to benchmarks/results/features.json, from which benchmarks/tables.py
writes a table; run it again when the weights change.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from resampling import intervals, write_section

import contradict as ct
from contradict import verdicts
from contradict.schema import RELATIONS

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "models"))
from train import minimal_pair_rows, written_groups  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "features.json"
CLASSES = ("contradiction", "tension", "compatible", "unrelated")
COMPATIBLE = ("compatible", "entailment", "neutral")
FLAGGED = 0.1  # share of compatible pairs that may be flagged
_FOLDS = 10
_STRENGTH = 0.3  # inverse of the penalty on the weights of standardised columns
_DRAWS = 300

Floats = npt.NDArray[np.float64]


def written(split: str) -> list[tuple[str, str, str, str]]:
    """(a, b, label, group) of the written groups of one split."""
    return [(g["anchor"]["text"], p["text"], p["label"], g["id"]) for g in written_groups(split) for p in g["partners"]]


def features_of(a: str, b: str) -> dict[str, float]:
    """The reasons that two texts alone give, as 0 or 1, and the share of words that they have in common."""
    first, second = (ct.Statement(side, "-", text) for side, text in (("a", a), ("b", b)))
    nothing = np.zeros((2, len(RELATIONS)), dtype=np.float32)
    told = {reason.name for reason in verdicts.reasons(first, second, nothing, verdict="-", truncated=False, calibrated=True)}
    words, others = (set(text.lower().split()) for text in (a, b))
    found = {name: float(name in told) for name in verdicts.REASONS if name not in ("date_unknown", "channel_unknown")}
    return found | {"overlap": len(words & others) / max(1, len(words | others))}


def gates(rows: Sequence[tuple[str, str, str, str]], flagged: npt.NDArray[np.bool_]) -> dict[str, dict[str, float | int | None]]:
    """How often pairs with a feature are conflicts.

    Args:
        rows: Dev pairs.
        flagged: bool[n], whether each reaches the default threshold.

    Returns:
        Feature -> number of written pairs outside the test split that have it and the share of conflicts among them; the
        same of flagged dev pairs. "all" is over all pairs.
    """

    def counted(pairs: Sequence[tuple[str, str, str, str]]) -> dict[str, tuple[int, float | None]]:
        conflict = np.array([label in CLASSES[:2] for _, _, label, _ in pairs])
        has = [{"all": 1.0} | features_of(a, b) for a, b, _, _ in pairs]
        held = {name: np.array([f[name] == 1 for f in has]) for name in has[0] if name != "overlap"}
        return {name: (int(m.sum()), round(float(conflict[m].mean()), 3) if m.any() else None) for name, m in held.items()}

    everything = counted([*written("train"), *rows])
    sure = counted([row for row, f in zip(rows, flagged.tolist(), strict=True) if f])
    names = [name for name, (count, _) in everything.items() if count]
    return {
        name: dict(zip(("pairs", "conflicts", "flagged", "flagged_conflicts"), (*everything[name], *sure[name]), strict=True))
        for name in names
    }


def cross_validated(columns: Floats, gold: npt.NDArray[np.int64], fold: npt.NDArray[np.int64]) -> Floats:
    """f64[n, 4]: probabilities over `CLASSES`, each fold judged by a fit on the others."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    out = np.zeros((len(gold), len(CLASSES)))
    for number in np.unique(fold):
        held = fold == number
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=2000))
        out[held] = model.fit(columns[~held], gold[~held]).predict_proba(columns[held])
    return out


def figures(p: Floats, label: npt.NDArray[np.str_], gold: npt.NDArray[np.int64]) -> dict[str, float]:
    """What probabilities over `CLASSES` reach: ranking of conflicts, verdicts, flags."""
    from sklearn.metrics import f1_score, roc_auc_score

    conflict = p[:, :2].sum(axis=1)
    threshold = np.quantile(conflict[label == "compatible"], 1 - FLAGGED)
    flagged = conflict >= threshold
    gated = np.where(flagged, p[:, :2].argmax(axis=1), 2 + p[:, 2:].argmax(axis=1))
    half = conflict >= np.median(conflict[label == "contradiction"])
    return {
        "auc_conflict": float(roc_auc_score(gold < 2, conflict)),
        "macro_f1": float(f1_score(gold, p.argmax(axis=1), average="macro")),
        "macro_f1_at_threshold": float(f1_score(gold, gated, average="macro")),
        "contradictions_flagged": float(flagged[label == "contradiction"].mean()),
        "others_flagged_at_half": float(half[gold >= 2].mean()),
        "entailments_flagged_at_half": float(half[label == "entailment"].mean()),
    }


def combinations(
    rows: Sequence[tuple[str, str, str, str]], relations: Floats, similarity: Floats, *, shown: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """The rule and learned combinations, each as `figures` with intervals over groups and its difference from the rule.

    Args:
        rows: n dev pairs; all are fitted on.
        relations: f64[n, 5], mean of both directions.
        similarity: f64[n], cosine of the shipped embedder.
        shown: bool[n], the pairs that the figures are of.
    """
    label = np.array([row[2] for row in rows])
    gold = np.array([CLASSES.index("compatible" if name in COMPATIBLE else name) for name in label])
    fold = np.array([zlib.crc32(f"fold {row[3]}".encode()) % _FOLDS for row in rows])
    logs = np.log(np.clip(relations, 1e-6, 1))
    words = np.array([list(features_of(a, b).values()) for a, b, _, _ in rows])
    rule = np.stack([relations[:, 2], relations[:, 3], relations[:, 0] + relations[:, 1], relations[:, 4]], axis=1)
    learned = {
        "vector scaling of the logits": logs,
        "logits and probabilities": np.hstack([logs, relations]),
        "with similarity": np.hstack([logs, relations, similarity[:, None]]),
        "with similarity and features": np.hstack([logs, relations, similarity[:, None], words]),
    }
    says = {"rule": rule} | {name: cross_validated(columns, gold, fold) for name, columns in learned.items()}
    groups = [np.flatnonzero(shown & (np.array([row[3] for row in rows]) == name)) for name in sorted({row[3] for row in rows})]
    groups = [group for group in groups if len(group)]

    def of(p: Floats) -> Callable[[Sequence[Any]], dict[str, float]]:
        def summary(drawn: Sequence[Any]) -> dict[str, float]:
            where = np.concatenate(drawn)
            got, base = (figures(q[where], label[where], gold[where]) for q in (p, rule))
            return got | {f"{name}_gain": got[name] - base[name] for name in got}

        return summary

    return {name: intervals(groups, of(p), draws=_DRAWS, seed=5) for name, p in says.items()}


def main() -> None:
    """Measure features and combinations with the shipped models."""
    model, embedder = ct.load_model(), ct.load_embedder()
    groups = written("dev")
    rows = [*groups, *((r["premise"], r["hypothesis"], r["label"], r["id"].rstrip("ab")) for r in minimal_pair_rows("dev"))]
    scores = ct.score_pairs([(a, b) for a, b, _, _ in rows], model)
    calibrator = ct.Calibrator.load(model.folder)
    flagged = calibrator.probability(scores.conflict()) >= calibrator.threshold
    a, b = (embedder.encode([row[side] for row in rows], 4096) for side in (0, 1))
    similarity = np.einsum("ij,ij->i", a, b).astype(np.float64)
    shown = np.arange(len(rows)) < len(groups)
    about = {"sha256": model.fingerprint, "threshold": calibrator.threshold, "pairs": len(groups)}
    write_section(RESULTS, "model", about)
    write_section(RESULTS, "gates", gates(groups, flagged[shown]))
    write_section(RESULTS, "combinations", combinations(rows, scores.mean().astype(np.float64), similarity, shown=shown))


if __name__ == "__main__":
    main()
