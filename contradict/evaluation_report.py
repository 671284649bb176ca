"""Evaluations of one or more models -> a page with plots, slices and worst errors, and flat rows for tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from contradict.dossier import render_page
from contradict.evaluation import Evaluation, Interval, Predictions, conflicts, precision_recall, reliability
from contradict.schema import NLI_LABELS, LabelledPair

__all__ = ["DIFFERENCES", "html_page", "rows"]

DIFFERENCES = (
    "accuracy",
    "macro_f1",
    "ap_conflict",
    "auc_conflict",
    "ece_conflict",
    "precision_conflict",
    "recall_conflict",
    "specificity_conflict",
    "swap_gap",
)
"""Figures that two models are compared by."""
_ERRORS = 15  # worst errors shown of each kind
_LEFT, _TOP, _WIDTH, _HEIGHT = 50, 20, 290, 260  # the field of a plot


def rows(evaluations: Mapping[str, Evaluation], differences: Mapping[tuple[str, str], Mapping[str, Interval]]) -> Iterator[dict[str, Any]]:
    """One flat row per figure: model, column and value of the slice, figure, value, low, high; what is undefined is None."""
    for model, evaluation in evaluations.items():
        for name, m in evaluation.metrics.items():
            yield _row(model, None, None, name, m)
        for column, values in evaluation.slices.items():
            for value, part in values.items():
                for name, m in part.metrics.items():
                    yield _row(model, column, value, name, m)
    for (first, second), figures in differences.items():
        for name, m in figures.items():
            yield _row(f"{second} minus {first}", None, None, name, m)


def _row(model: str, column: str | None, value: str | None, figure: str, m: Interval) -> dict[str, Any]:
    numbers = {k: None if math.isnan(v) else v for k, v in m._asdict().items()}
    return {"model": model, "slice": column, "slice_value": value, "figure": figure, **numbers}


def html_page(
    pairs: Sequence[LabelledPair],
    evaluations: Mapping[str, Evaluation],
    predictions: Mapping[str, Predictions],
    differences: Mapping[tuple[str, str], Mapping[str, Interval]],
    *,
    models: Mapping[str, Mapping[str, Any]],
    source: str,
    where: Sequence[str] = (),
) -> str:
    """The page of an evaluation: it runs no script and loads nothing.

    Args:
        pairs: The labelled pairs.
        evaluations: Evaluation by model.
        predictions: Predictions by model, in the order of the pairs.
        differences: (first, second) -> what `paired_difference` gave.
        models: "sha256" and "calibrated" by model.
        source: Name of the file that the pairs come from.
        where: Conditions that narrowed the pairs.
    """
    one = next(iter(evaluations.values()))
    names = [name for name in one.metrics if not name.startswith("support_")]
    return render_page(
        "evaluation",
        source=source,
        where=where,
        n=len(pairs),
        labels=one.labels,
        resamples=one.resamples,
        group=one.group,
        nli=NLI_LABELS,
        ticks=[{"x": _x(t), "y": _y(t), "label": f"{t:g}"} for t in (0, 0.25, 0.5, 0.75, 1)],
        figures=[(name, [_cell(e.metrics[name]) for e in evaluations.values()]) for name in names],
        differences=[
            {"first": first, "second": second, "cells": [(name, _cell(m, signed=True)) for name, m in figures.items()]}
            for (first, second), figures in differences.items()
        ],
        models=[_model(name, pairs, e, predictions[name]) | dict(models[name]) for name, e in evaluations.items()],
    )


def _model(name: str, pairs: Sequence[LabelledPair], evaluation: Evaluation, predicted: Predictions) -> dict[str, Any]:
    gold = conflicts(pairs)
    known = gold >= 0
    conflict, probability = gold[known] == 1, np.asarray(predicted.probability, dtype=np.float64)[known]
    recall, precision = precision_recall(conflict, probability)
    bins = reliability(conflict, probability, evaluation.bins)
    at = {figure: evaluation.metrics[f"{figure}_conflict"].value for figure in ("precision", "recall")}
    point = None if any(math.isnan(v) for v in at.values()) else {"x": _x(at["recall"]), "y": _y(at["precision"])}
    return {
        "name": name,
        "threshold": evaluation.threshold,
        "curve": _line(zip(recall, precision, strict=True)),
        "point": point,
        "reliability": _line((p, share) for p, share, _ in bins),
        "bins": [
            # The area of a dot grows with the number of pairs in it.
            {
                "x": _x(p),
                "y": _y(share),
                "r": round(2.5 + 8 * math.sqrt(n / len(conflict)), 1),
                "title": f"{n:,} pairs: {p:.2f}, {share:.2f}",
            }
            for p, share, n in bins
        ],
        "confusion": list(zip(NLI_LABELS, evaluation.confusion, strict=True)),
        "slices": [
            {
                "name": column,
                "figures": list(next(iter(values.values())).metrics),
                "rows": [{"value": v, "n": part.n, "cells": [_cell(m) for m in part.metrics.values()]} for v, part in values.items()],
            }
            for column, values in evaluation.slices.items()
        ],
        "errors": _errors([p for p, k in zip(pairs, known, strict=True) if k], conflict, probability, evaluation.threshold),
    }


def _errors(pairs: Sequence[LabelledPair], conflict: Any, probability: Any, threshold: float) -> list[dict[str, Any]]:
    parts = []
    false, missed = ~conflict & (probability >= threshold), conflict & (probability < threshold)
    for title, wrong, sign in (("Worst false alarms", false, -1), ("Worst misses", missed, 1)):
        found = np.flatnonzero(wrong)
        worst = found[np.argsort(sign * probability[found], kind="stable")][:_ERRORS]
        shown = [
            {
                "premise": pairs[i].premise,
                "hypothesis": pairs[i].hypothesis,
                "label": pairs[i].label,
                "id": pairs[i].id,
                "probability": f"{probability[i]:.2f}",
            }
            for i in worst.tolist()
        ]
        parts.append({"title": title, "says": f"{len(shown):,} of {len(found):,}", "pairs": shown})
    return parts


def _x(share: float) -> float:
    return round(_LEFT + _WIDTH * float(share), 1)


def _y(share: float) -> float:
    return round(_TOP + _HEIGHT * (1 - float(share)), 1)


def _line(points: Any) -> str:
    return "M" + "L".join(f"{_x(x)} {_y(y)}" for x, y in points)


def _cell(m: Interval, *, signed: bool = False) -> dict[str, str]:
    form = "{:+.3f}" if signed else "{:.3f}"
    return {
        "value": "-" if math.isnan(m.value) else form.format(m.value),
        "range": "" if math.isnan(m.low) else f"{form.format(m.low)} to {form.format(m.high)}",
    }
