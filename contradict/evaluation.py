"""How good scores are on pairs that people labelled: figures, their uncertainty, slices.

Two questions are asked of the same pairs: which NLI class a pair has, and whether it is a conflict.
`LABELS` says what each gold label counts as for either; pairs whose label answers a question with
"unknown" are left out of its figures and counted.

A bootstrap resample is no new list of pairs here, only how often each pair counts in it. Every
figure is a function of such counts, so many resamples pass at once through matrix products and
cumulative sums over an order that is sorted once. This module imports numpy only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from contradict.errors import InputError, Problem
from contradict.schema import NLI_LABELS, LabelledPair, Scores

__all__ = [
    "BASE_RATES",
    "LABELS",
    "Evaluation",
    "Gold",
    "Interval",
    "Predictions",
    "Slice",
    "conflicts",
    "evaluate",
    "groups",
    "operating_point",
    "paired_difference",
    "precision_recall",
    "reliability",
]

_Key = TypeVar("_Key")
_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_Statistic = Callable[[_Floats], dict[str, _Floats]]
"""From weights f64[r, n], how often each of n pairs counts in each of r resamples, to figures f64[r] by name."""

BASE_RATES = (0.005, 0.01, 0.05)
"""Shares of conflicts among scored pairs for which an expected precision is given."""
_NO_VALUE = "(none)"  # the slice of pairs that lack the column
_CELLS = 2_000_000  # weights held at once: 16 MB, which stays near the processor
_QUANTILES = (2.5, 97.5)
_ROUNDING = 1e-6  # a sum of f32 probabilities may exceed 1 by less


class Gold(NamedTuple):
    """What a gold label counts as; None is unknown.

    Attributes:
        nli: One of `NLI_LABELS`.
        conflict: Whether an editor should see the pair.
        entailment: Whether the premise entails the hypothesis.
    """

    nli: str | None
    conflict: bool | None
    entailment: bool | None


LABELS: Mapping[str, Gold] = MappingProxyType(
    {
        "entailment": Gold("entailment", False, True),
        "neutral": Gold("neutral", False, False),
        "contradiction": Gold("contradiction", True, False),
        "tension": Gold(None, True, None),
        "change": Gold(None, True, None),
        "compatible": Gold("neutral", False, False),
        "unrelated": Gold("neutral", False, False),
        "not_entailment": Gold(None, None, False),
        "insufficient": Gold(None, None, None),
    }
)
"""Every known gold label and the class it counts as."""


class Interval(NamedTuple):
    """A figure with its 95 % percentile bootstrap interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


class Predictions(NamedTuple):
    """What one model says of n pairs.

    Attributes:
        scores: Scores of the cross-encoder, n rows.
        probability: f[n], calibrated probability of conflict.
        threshold: Probability from which on a pair is flagged.
    """

    scores: Scores
    probability: npt.NDArray[Any]
    threshold: float


@dataclass(frozen=True, slots=True)
class Slice:
    """The main figures of the pairs that share one value of a column.

    Attributes:
        n: Number of pairs.
        metrics: accuracy, ap_conflict, auc_conflict and flag_rate.
    """

    n: int
    metrics: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one model on one set of pairs.

    Attributes:
        n: Number of pairs.
        labels: Pairs per gold label, in the order of `LABELS`.
        left_out: Figures ("nli", "conflict", "entailment", "swap_gap") -> gold label -> pairs that they leave out.
        metrics: Name -> (value, low, high), see `evaluate`.
        confusion: Pairs by gold class (rows) and predicted class (columns), both in the order of `NLI_LABELS`.
        slices: Column -> value -> main figures.
        threshold: Probability from which on a pair was flagged.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resamples.
        bins: Bins of the calibration errors.
        group: Column whose groups were resampled whole; None when pairs were.
    """

    n: int
    labels: Mapping[str, int]
    left_out: Mapping[str, Mapping[str, int]]
    metrics: Mapping[str, Interval]
    confusion: tuple[tuple[int, ...], ...]
    slices: Mapping[str, Mapping[str, Slice]]
    threshold: float
    resamples: int
    seed: int
    bins: int
    group: str | None

    def to_record(self) -> dict[str, Any]:
        """A JSON-ready record; what is undefined is None."""
        return {
            "n": self.n,
            "labels": dict(self.labels),
            "left_out": {figures: dict(counts) for figures, counts in self.left_out.items()},
            "metrics": _records(self.metrics),
            "confusion": {gold: dict(zip(NLI_LABELS, row, strict=True)) for gold, row in zip(NLI_LABELS, self.confusion, strict=True)},
            "slices": {
                column: {value: {"n": part.n} | _records(part.metrics) for value, part in values.items()}
                for column, values in self.slices.items()
            },
            "settings": {
                "threshold": self.threshold,
                "resamples": self.resamples,
                "seed": self.seed,
                "bins": self.bins,
                "group": self.group,
            },
        }

    def table(self) -> str:
        """Everything as plain text for people; "-" is undefined."""
        unit = "pairs" if self.group is None else f"whole groups of {self.group}"
        head = [
            f"{self.n:,} pairs: {_listed(self.labels)}",
            *(f"left out of {figures}: {_listed(counts)}" for figures, counts in self.left_out.items() if counts),
            f"flagged from {self.threshold:g} on; 95 % intervals from {self.resamples:,} resamples of {unit}",
        ]
        per_class = {f"{figure}_{label}" for figure in ("precision", "recall", "f1", "support") for label in NLI_LABELS}
        figures = [["figure", "value", "95 % interval"]]
        figures += [[name, _number(m.value), _range(m)] for name, m in self.metrics.items() if name not in per_class]
        classes = [["class", "precision", "", "recall", "", "f1", "", "support"]]
        for label in NLI_LABELS:
            shown = [self.metrics[f"{figure}_{label}"] for figure in ("precision", "recall", "f1")]
            support = self.metrics[f"support_{label}"].value
            classes.append([label, *(text for m in shown for text in (_number(m.value), _range(m))), f"{support:,.0f}"])
        confusion = [["gold \\ predicted", *NLI_LABELS]]
        confusion += [[gold, *(f"{count:,}" for count in row)] for gold, row in zip(NLI_LABELS, self.confusion, strict=True)]
        blocks = [head, _aligned(figures), _aligned(classes), _aligned(confusion)]
        for column, values in self.slices.items():
            rows = [[column, "n"]]
            for value, part in values.items():
                rows[0] = [column, "n", *(text for name in part.metrics for text in (name, ""))]
                rows.append([value, f"{part.n:,}", *(text for m in part.metrics.values() for text in (_number(m.value), _range(m)))])
            blocks.append(_aligned(rows))
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def evaluate(
    pairs: Sequence[LabelledPair],
    scores: Scores,
    probability: npt.NDArray[Any],
    *,
    threshold: float,
    slices: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
    bins: int = 15,
    group: str | None = None,
) -> Evaluation:
    """Measure scores and calibrated probabilities against gold labels.

    Figures over pairs with an NLI class:
        accuracy, macro_f1, and {precision, recall, f1, support}_{class}: the predicted class is the largest of
            the mean of `Scores.nli` over the directions scored.
        forward_accuracy: from direction 0 alone, the protocol of the NLI test sets.
        ap_contradiction, auc_contradiction: average precision and area under the ROC curve of P(contradiction)
            in direction 0 against gold contradiction.
        ece_nli: calibration error of the probability of the predicted class.
    Figure over pairs of which it is known whether the premise entails the hypothesis:
        entailment_accuracy: from direction 0, "entailment" against the rest.
    Figures over pairs known to be a conflict or none, from `probability`:
        ap_conflict, auc_conflict, brier_conflict, ece_conflict; precision_conflict, recall_conflict, f1_conflict
            and specificity_conflict at the threshold; expected_precision_{rate} for each of `BASE_RATES`, by
            Bayes' rule from recall and specificity.
    Figures over all pairs:
        flag_rate: share of pairs whose probability reaches the threshold.
        swap_gap: median absolute difference of P(contradiction or tension) between the two directions, where both
            were scored.

    Average precision is the sum over distinct scores of precision times gain in recall, without interpolation;
    ROC AUC counts ties half. ECE has bins of equal width over [0, 1] (Naeini et al. 2015; Guo et al. 2017). Each
    resample adds noise within bins, so the interval of a small ECE can lie above its value.

    What is undefined is NaN and never taken for 0 or left out of a mean: all figures of a class without gold pairs,
    with it macro_f1; the precision of what is never predicted or flagged; AUC without both kinds of pairs. A
    resample in which a figure is undefined does not enter that figure's interval. The values do not depend on the
    order of the pairs; nor do the intervals if ids are unique.

    Args:
        pairs: n labelled pairs.
        scores: Their scores, in the same order.
        probability: f[n], calibrated probability of conflict in [0, 1].
        threshold: Probability from which on a pair is flagged, in [0, 1].
        slices: Names of columns in `extra`; the main figures are given per value of each.
        resamples: Number of bootstrap resamples; with 0 every interval is NaN.
        seed: Seed of the resamples.
        bins: Number of bins of the calibration errors.
        group: Column in `extra` whose groups are resampled whole, for pairs that are not independent (one actor,
            one premise). A pair without the column is a group of its own.

    Returns:
        The figures with 95 % percentile bootstrap intervals.

    Raises:
        InputError: There are no pairs, labels are unknown, or no pair has a column that is named.
        ValueError: Lengths differ, a score or probability is missing or out of range, or a setting is.
    """
    _check_pairs(pairs, (*slices, *(() if group is None else (group,))))
    _check_settings(resamples, bins)
    columns = _read(pairs, Predictions(scores, probability, threshold))
    everything = np.arange(len(pairs))
    parts: dict[tuple[str, ...], _Ints] = {(column, value): rows for column in slices for value, rows in _values(pairs, column).items()}
    statistics = {(): _all_figures(columns, everything, bins)} | {key: _main_figures(columns, rows) for key, rows in parts.items()}
    figures = _bootstrap(statistics, _units(pairs, group), resamples, seed)
    return Evaluation(
        n=len(pairs),
        labels=_counted(pairs, everything),
        left_out={
            "nli": _counted(pairs, np.flatnonzero(columns.nli < 0)),
            "conflict": _counted(pairs, np.flatnonzero(columns.conflict < 0)),
            "entailment": _counted(pairs, np.flatnonzero(columns.entailment < 0)),
            "swap_gap": _counted(pairs, np.flatnonzero(np.isnan(columns.gap))),
        },
        metrics=figures[()],
        confusion=_confusion(columns),
        slices={column: {key[1]: Slice(len(rows), figures[key]) for key, rows in parts.items() if key[0] == column} for column in slices},
        threshold=threshold,
        resamples=resamples,
        seed=seed,
        bins=bins,
        group=group,
    )


def paired_difference(
    pairs: Sequence[LabelledPair],
    first: Predictions,
    second: Predictions,
    *,
    metrics: Sequence[str] = ("accuracy", "ap_conflict", "auc_conflict"),
    resamples: int = 1000,
    seed: int = 0,
    bins: int = 15,
    group: str | None = None,
) -> dict[str, Interval]:
    """Tell how much a second model differs from a first on the same pairs.

    Both models are measured on each resample, so what makes a resample easy or hard for both cancels out; the
    intervals are narrower than those of two separate evaluations. An interval without 0 is a difference.

    Args:
        pairs: n labelled pairs.
        first: Predictions of the model compared with.
        second: Predictions of the other model, in the same order.
        metrics: Names of figures, see `evaluate`.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resamples.
        bins: Number of bins of the calibration errors.
        group: Column in `extra` whose groups are resampled whole.

    Returns:
        Name -> second minus first, with its 95 % percentile bootstrap interval.

    Raises:
        InputError: As for `evaluate`.
        ValueError: As for `evaluate`, or a figure is unknown.
    """
    _check_pairs(pairs, () if group is None else (group,))
    _check_settings(resamples, bins)
    everything = np.arange(len(pairs))
    before, after = (_all_figures(_read(pairs, model), everything, bins) for model in (first, second))
    known = _figures(before, np.ones((1, len(pairs))))
    if unknown := [name for name in metrics if name not in known]:
        raise ValueError(f"unknown figures: {', '.join(unknown)}; known: {', '.join(known)}")

    def difference(weights: _Floats) -> dict[str, _Floats]:
        old, new = _figures(before, weights), _figures(after, weights)
        return {name: new[name] - old[name] for name in metrics}

    return _bootstrap({(): [difference]}, _units(pairs, group), resamples, seed)[()]


def conflicts(pairs: Sequence[LabelledPair]) -> npt.NDArray[np.int64]:
    """i64[n]: 1 for a conflict, 0 for none, -1 where the gold label leaves it open.

    Raises:
        InputError: There are no pairs, or labels are unknown.
    """
    _check_pairs(pairs, ())
    gold = [LABELS[pair.label].conflict for pair in pairs]
    return np.array([-1 if g is None else int(g) for g in gold], dtype=np.int64)


def groups(pairs: Sequence[LabelledPair], column: str | None) -> npt.NDArray[np.int64]:
    """i64[n]: which group each pair belongs to, numbered in an order that does not depend on the pairs' own.

    Args:
        pairs: n labelled pairs.
        column: Column of `extra` that names the group; None puts pairs with one premise together.

    Raises:
        InputError: No pair has the column.
    """
    _check_pairs(pairs, () if column is None else (column,))
    return _units(pairs, column) if column is not None else np.unique([pair.premise for pair in pairs], return_inverse=True)[1]


def operating_point(
    conflict: npt.NDArray[np.bool_], flagged: npt.NDArray[np.bool_], rates: Sequence[float] = BASE_RATES
) -> dict[str, float]:
    """Precision, recall and false alarms of flags, and what is to be expected of them at other base rates.

    Args:
        conflict: bool[n], whether each pair is a conflict.
        flagged: bool[n], whether it was flagged.
        rates: Shares of conflicts among scored pairs.

    Returns:
        precision, recall, false_alarms_per_1000 (flagged among 1,000 pairs without conflict), and per rate the expected
        precision and the expected numbers of conflicts found and of false alarms among 1,000 scored pairs (Bayes' rule).
    """
    with np.errstate(invalid="ignore"):
        recall = float(np.divide((conflict & flagged).sum(), conflict.sum()))
        false = float(np.divide((~conflict & flagged).sum(), (~conflict).sum()))
        figures = {
            "precision": float(np.divide((conflict & flagged).sum(), flagged.sum())),
            "recall": recall,
            "false_alarms_per_1000": 1000 * false,
        }
        for rate in rates:
            found, wrong = recall * rate, false * (1 - rate)
            figures[f"expected_precision_{rate:g}"] = float(np.divide(found, found + wrong))
            figures |= {f"found_per_1000_{rate:g}": 1000 * found, f"false_alarms_per_1000_{rate:g}": 1000 * wrong}
    return figures


def precision_recall(conflict: npt.NDArray[np.bool_], probability: npt.NDArray[np.float64]) -> tuple[_Floats, _Floats]:
    """Recall and precision at every distinct probability, from the highest down.

    Args:
        conflict: bool[n], whether each pair is a conflict.
        probability: f[n], its probability of conflict.

    Returns:
        f64[m] recall, rising, and f64[m] precision; both are empty without a conflict.
    """
    if not conflict.any():
        return np.empty(0), np.empty(0)
    order = np.argsort(-probability, kind="stable")
    steps = np.flatnonzero(np.diff(probability[order], append=np.nan) != 0)
    found = np.cumsum(conflict[order])[steps]
    return found / conflict.sum(), found / (steps + 1)


def reliability(conflict: npt.NDArray[np.bool_], probability: npt.NDArray[np.float64], bins: int = 15) -> list[tuple[float, float, int]]:
    """Mean probability, share of conflicts and number of pairs of every bin of equal width that holds any.

    These are the bins of the calibration error of `evaluate`.
    """
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    held = [place == number for number in np.unique(place)]
    return [(float(probability[rows].mean()), float(conflict[rows].mean()), int(rows.sum())) for rows in held]


# Reading


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the figures read; -1 in a gold column is unknown.

    Attributes:
        nli: i64[n], gold index into `NLI_LABELS`.
        conflict: i64[n], gold 0 or 1.
        entailment: i64[n], gold 0 or 1.
        predicted: i64[n], index of the largest mean over the directions.
        confidence: f64[n], that mean.
        forward: i64[n], index of the largest in direction 0.
        contradiction: f64[n], P(contradiction) in direction 0.
        probability: f64[n], calibrated probability of conflict.
        flagged: bool[n], whether it reaches the threshold.
        gap: f64[n], difference between the directions; NaN where one was scored.
    """

    nli: _Ints
    conflict: _Ints
    entailment: _Ints
    predicted: _Ints
    confidence: _Floats
    forward: _Ints
    contradiction: _Floats
    probability: _Floats
    flagged: _Bools
    gap: _Floats


def _check_pairs(pairs: Sequence[LabelledPair], columns: Sequence[str]) -> None:
    """Refuse pairs that cannot be measured, with all reasons together."""
    if not pairs:
        raise InputError([Problem("labelled pairs", None, None, "there are none; at least one is needed")])
    problems = []
    counts = Counter(pair.label for pair in pairs)
    first_row = {pair.label: row for row, pair in reversed(list(enumerate(pairs, 1)))}
    for label in counts:
        if label not in LABELS:
            message = f"{label!r} ({counts[label]:,} pairs) is no known label; known: {', '.join(LABELS)}"
            problems.append(Problem("labelled pairs", first_row[label], "label", message))
    held = {column for pair in pairs for column in pair.extra}
    for column in columns:
        if column not in held:
            message = f"no pair has this column; columns: {', '.join(sorted(held)) or 'none'}"
            problems.append(Problem("labelled pairs", None, column, message))
    if problems:
        raise InputError(problems)


def _check_settings(resamples: int, bins: int) -> None:
    if resamples < 0:
        raise ValueError(f"resamples is {resamples}; it must be 0 or more")
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be 1 or more")


def _read(pairs: Sequence[LabelledPair], model: Predictions) -> _Columns:
    n = len(pairs)
    probability = np.asarray(model.probability, dtype=np.float64)
    if len(model.scores) != n:
        raise ValueError(f"number of scores ({len(model.scores)}) must match the number of pairs ({n})")
    if probability.shape != (n,):
        raise ValueError(f"shape of probability {probability.shape} must match the number of pairs ({n},)")
    if outside := int((~((probability >= -_ROUNDING) & (probability <= 1 + _ROUNDING))).sum()):
        raise ValueError(f"{outside} of {n} probabilities are NaN or outside [0, 1]")
    if not 0 <= model.threshold <= 1:
        raise ValueError(f"threshold is {model.threshold}; it must lie in [0, 1]")
    relations = model.scores.relations.astype(np.float64)
    if missing := int((~np.isfinite(relations[:, 0])).any(axis=1).sum()):
        raise ValueError(f"{missing} of {n} pairs have no score in direction 0")
    nli = model.scores.nli.astype(np.float64)
    mean = np.nanmean(nli, axis=1)
    conflict = relations[..., 2] + relations[..., 3]
    gold = [LABELS[pair.label] for pair in pairs]
    return _Columns(
        nli=np.array([-1 if g.nli is None else NLI_LABELS.index(g.nli) for g in gold]),
        conflict=np.array([-1 if g.conflict is None else int(g.conflict) for g in gold]),
        entailment=np.array([-1 if g.entailment is None else int(g.entailment) for g in gold]),
        predicted=mean.argmax(axis=1),
        confidence=mean.max(axis=1),
        forward=nli[:, 0].argmax(axis=1),
        contradiction=nli[:, 0, NLI_LABELS.index("contradiction")],
        probability=probability.clip(0, 1),
        flagged=probability >= model.threshold,
        gap=np.abs(conflict[:, 0] - conflict[:, 1]),
    )


def _values(pairs: Sequence[LabelledPair], column: str) -> dict[str, _Ints]:
    """Rows by value of a column, in the order of the values."""
    rows: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        value = pair.extra.get(column)
        rows.setdefault(_NO_VALUE if value is None else str(value), []).append(row)
    return {value: np.array(rows[value]) for value in sorted(rows)}


def _units(pairs: Sequence[LabelledPair], group: str | None) -> _Ints:
    """i64[n]: which unit of resampling each pair belongs to, numbered by name and so without regard to the order of the pairs."""
    if group is None:
        return np.argsort(np.argsort([pair.id for pair in pairs], kind="stable"))
    # Two sorts of name, so that no pair without the column falls into a group that is called like its id.
    names = [
        (0, str(pair.extra[group])) if pair.extra.get(group) is not None else (1, f"{pair.id} {row}") for row, pair in enumerate(pairs)
    ]
    number = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names])


def _counted(pairs: Sequence[LabelledPair], rows: _Ints) -> dict[str, int]:
    counts = Counter(pairs[row].label for row in rows.tolist())
    return {label: counts[label] for label in LABELS if label in counts}


def _confusion(columns: _Columns) -> tuple[tuple[int, ...], ...]:
    known = columns.nli >= 0
    cells = np.bincount(columns.nli[known] * 3 + columns.predicted[known], minlength=9)
    return tuple(tuple(row) for row in cells.reshape(3, 3).tolist())


# Figures: each function sorts and sums once what does not depend on the weights


def _main_figures(c: _Columns, rows: _Ints) -> list[_Statistic]:
    nli, conflict = rows[c.nli[rows] >= 0], rows[c.conflict[rows] >= 0]
    return [
        _mean("accuracy", nli, c.predicted == c.nli),
        _ranking("conflict", conflict, c.probability, c.conflict == 1),
        _mean("flag_rate", rows, c.flagged),
    ]


def _all_figures(c: _Columns, rows: _Ints, bins: int) -> list[_Statistic]:
    nli, conflict, entailment = (rows[gold[rows] >= 0] for gold in (c.nli, c.conflict, c.entailment))
    return [
        _mean("accuracy", nli, c.predicted == c.nli),
        _mean("forward_accuracy", nli, c.forward == c.nli),
        _mean("entailment_accuracy", entailment, (c.forward == NLI_LABELS.index("entailment")) == (c.entailment == 1)),
        _per_class(nli, c.nli, c.predicted),
        _ranking("contradiction", nli, c.contradiction, c.nli == NLI_LABELS.index("contradiction")),
        _calibration_error("nli", nli, c.confidence, c.predicted == c.nli, bins),
        _ranking("conflict", conflict, c.probability, c.conflict == 1),
        _calibration_error("conflict", conflict, c.probability, c.conflict == 1, bins),
        _mean("brier_conflict", conflict, (c.probability - c.conflict) ** 2),
        _operating_point(conflict, c.flagged, c.conflict == 1),
        _mean("flag_rate", rows, c.flagged),
        _swap_gap(rows[~np.isnan(c.gap[rows])], c.gap),
    ]


def _mean(name: str, rows: _Ints, values: npt.NDArray[Any]) -> _Statistic:
    chosen = values[rows].astype(np.float64)

    def mean(weights: _Floats) -> dict[str, _Floats]:
        w = weights[:, rows]
        return {name: _ratio(w @ chosen, w.sum(axis=1))}

    return mean


def _per_class(rows: _Ints, gold: _Ints, predicted: _Ints) -> _Statistic:
    cells = np.eye(9)[gold[rows] * 3 + predicted[rows]]

    def per_class(weights: _Floats) -> dict[str, _Floats]:
        table = (weights[:, rows] @ cells).reshape(-1, 3, 3)
        hits = np.diagonal(table, axis1=1, axis2=2)
        support, named = table.sum(axis=2), table.sum(axis=1)
        precision = np.where(support > 0, _ratio(hits, named), np.nan)
        recall = _ratio(hits, support)
        f1 = np.where(support > 0, _ratio(2 * hits, support + named), np.nan)
        figures = {"macro_f1": f1.mean(axis=1)}
        for i, label in enumerate(NLI_LABELS):
            figures |= {f"precision_{label}": precision[:, i], f"recall_{label}": recall[:, i]}
            figures |= {f"f1_{label}": f1[:, i], f"support_{label}": support[:, i]}
        return figures

    return per_class


def _ranking(name: str, rows: _Ints, score: _Floats, positive: _Bools) -> _Statistic:
    """Average precision and ROC AUC, with steps only where the score changes."""
    order = rows[np.argsort(-score[rows], kind="stable")]
    steps = np.flatnonzero(np.diff(score[order], append=np.nan) != 0)
    is_positive = positive[order].astype(np.float64)

    def ranking(weights: _Floats) -> dict[str, _Floats]:
        w = weights[:, order]
        above = np.cumsum(w, axis=1)[:, steps]
        w *= is_positive
        found = np.cumsum(w, axis=1)[:, steps]
        false = above - found
        gain, loss = (np.diff(column, axis=1, prepend=0.0) for column in (found, false))
        positives, negatives = gain.sum(axis=1), loss.sum(axis=1)
        # Steps that no pair of the resample reaches gain nothing, so any precision serves there.
        precision = found / np.maximum(above, 1.0)
        area = ((found - gain / 2) * loss).sum(axis=1)
        return {f"ap_{name}": _ratio((gain * precision).sum(axis=1), positives), f"auc_{name}": _ratio(area, positives * negatives)}

    return ranking


def _calibration_error(name: str, rows: _Ints, probability: _Floats, outcome: _Bools, bins: int) -> _Statistic:
    """ECE: a bin adds |sum of (probability - outcome)|, which equals its weight times the difference of its means."""
    excess = probability[rows] - outcome[rows]
    place = np.minimum((probability[rows] * bins).astype(np.int64), bins - 1)
    by_bin = np.eye(bins)[place] * excess[:, None]

    def calibration_error(weights: _Floats) -> dict[str, _Floats]:
        w = weights[:, rows]
        return {f"ece_{name}": _ratio(np.abs(w @ by_bin).sum(axis=1), w.sum(axis=1))}

    return calibration_error


def _operating_point(rows: _Ints, flagged: _Bools, positive: _Bools) -> _Statistic:
    cells = np.eye(4)[positive[rows] * 2 + flagged[rows]]

    def operating_point(weights: _Floats) -> dict[str, _Floats]:
        passed, false, missed, found = (weights[:, rows] @ cells).T
        recall = _ratio(found, found + missed)
        specificity = _ratio(passed, passed + false)
        figures = {
            "precision_conflict": _ratio(found, found + false),
            "recall_conflict": recall,
            "f1_conflict": np.where(found + missed > 0, _ratio(2 * found, 2 * found + false + missed), np.nan),
            "specificity_conflict": specificity,
        }
        for rate in BASE_RATES:
            right, wrong = recall * rate, (1 - specificity) * (1 - rate)
            figures[f"expected_precision_{rate:g}"] = _ratio(right, right + wrong)
        return figures

    return operating_point


def _swap_gap(rows: _Ints, gap: _Floats) -> _Statistic:
    order = rows[np.argsort(gap[rows], kind="stable")]
    ordered = gap[order]

    def swap_gap(weights: _Floats) -> dict[str, _Floats]:
        if not len(order):
            return {"swap_gap": np.full(len(weights), np.nan)}
        reached = np.cumsum(weights[:, order], axis=1)
        total = reached[:, -1]
        # The two middle values, which are one and the same when the total is odd.
        below, above = ((reached < middle[:, None]).sum(axis=1) for middle in ((total + 1) // 2, total // 2 + 1))
        median = (ordered[below] + ordered[np.minimum(above, len(order) - 1)]) / 2
        return {"swap_gap": np.where(total > 0, median, np.nan)}

    return swap_gap


def _ratio(part: _Floats, whole: _Floats) -> _Floats:
    """Quotient that is NaN where the whole is 0 or NaN."""
    ratio: _Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return ratio


# Resampling


def _figures(statistics: Sequence[_Statistic], weights: _Floats) -> dict[str, _Floats]:
    return {name: values for statistic in statistics for name, values in statistic(weights).items()}


def _bootstrap(statistics: Mapping[_Key, Sequence[_Statistic]], unit: _Ints, resamples: int, seed: int) -> dict[_Key, dict[str, Interval]]:
    """Figures of all pairs with the 2.5th and 97.5th percentile over resamples of whole units (Efron 1979)."""
    once = np.ones((1, len(unit)))
    values = {key: _figures(chosen, once) for key, chosen in statistics.items()}
    draws: dict[_Key, dict[str, list[_Floats]]] = {key: {name: [] for name in named} for key, named in values.items()}
    for weights in _resampled(unit, resamples, seed):
        for key, chosen in statistics.items():
            for name, drawn in _figures(chosen, weights).items():
                draws[key][name].append(drawn)
    return {key: {name: _interval(float(value[0]), draws[key][name]) for name, value in named.items()} for key, named in values.items()}


def _resampled(unit: _Ints, resamples: int, seed: int) -> Iterator[_Floats]:
    """Weights of the resamples, f64[r, n] for a few r at a time."""
    rng = np.random.default_rng(seed)
    units = int(unit.max()) + 1
    at_once = max(1, _CELLS // len(unit))
    for start in range(0, resamples, at_once):
        r = min(at_once, resamples - start)
        drawn = rng.integers(units, size=(r, units)) + units * np.arange(r)[:, None]
        times = np.bincount(drawn.ravel(), minlength=r * units).reshape(r, units)
        yield times[:, unit].astype(np.float64)


def _interval(value: float, draws: Sequence[_Floats]) -> Interval:
    drawn = np.concatenate(draws) if draws else np.empty(0)
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return Interval(value, np.nan, np.nan)
    low, high = np.percentile(drawn, _QUANTILES)
    return Interval(value, float(low), float(high))


# Text


def _records(metrics: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {name: {k: None if np.isnan(v) else v for k, v in m._asdict().items()} for name, m in metrics.items()}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {count:,}" for label, count in counts.items())


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _range(metric: Interval) -> str:
    return "" if np.isnan(metric.low) else f"{metric.low:.3f} .. {metric.high:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the first column flush left and the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.rjust(w) if i else text.ljust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
