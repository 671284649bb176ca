"""Figures equal scikit-learn's, behave as figures should, and say when they are undefined."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from contradict import evaluation
from contradict.errors import InputError
from contradict.evaluation import LABELS, Evaluation, Interval, Predictions, evaluate, paired_difference
from contradict.schema import NLI_LABELS, RELATIONS, VERDICTS, LabelledPair, Scores

Floats = npt.NDArray[np.float64]
COLUMN = {
    "entailment": 0,
    "neutral": 1,
    "contradiction": 2,
    "tension": 3,
    "change": 3,
    "compatible": 1,
    "unrelated": 4,
    "not_entailment": 1,
    "insufficient": 1,
}
"""The relation that a perfect model would see for a gold label."""
PER_CLASS = ("precision", "recall", "f1", "support")


def make_pairs(labels: Sequence[str], **columns: Sequence[Any]) -> list[LabelledPair]:
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)] or [{} for _ in labels]
    return [LabelledPair("premise", "hypothesis", label, f"p{i:05}", rows[i]) for i, label in enumerate(labels)]


def make_scores(relations: npt.ArrayLike) -> Scores:
    array = np.asarray(relations, dtype=np.float32)
    return Scores(array, RELATIONS, np.zeros(len(array), dtype=bool))


def noisy(labels: Sequence[str], signal: float, seed: int = 0) -> Scores:
    """Scores of a model that sees the right relation with the given strength."""
    logits = np.random.default_rng(seed).normal(size=(len(labels), 2, 5))
    logits[np.arange(len(labels)), :, [COLUMN[label] for label in labels]] += signal
    return make_scores(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))


def measure(labels: Sequence[str], scores: Scores, probability: npt.NDArray[Any] | None = None, **settings: Any) -> Evaluation:
    settings = {"threshold": 0.5, "resamples": 0} | settings
    return evaluate(make_pairs(labels), scores, scores.conflict() if probability is None else probability, **settings)


def value(evaluation: Evaluation, name: str) -> float:
    return evaluation.metrics[name].value


def drawn_labels(n: int, names: Sequence[str] = tuple(LABELS), seed: int = 0) -> list[str]:
    return list(np.random.default_rng(seed).choice(names, n))


@st.composite
def tasks(draw: st.DrawFn, names: Sequence[str] = tuple(LABELS), size: int = 2) -> tuple[list[str], Scores, Floats]:
    """Labels, scores and probabilities on a coarse grid, so that ties are frequent."""
    labels = draw(st.lists(st.sampled_from(names), min_size=size, max_size=40))
    parts = st.lists(st.integers(0, 3), min_size=10, max_size=10)
    raw = np.array([draw(parts) for _ in labels], dtype=np.float64).reshape(-1, 2, 5) + 1e-3
    steps = draw(st.sampled_from([2, 4, 64]))
    probability = np.array([draw(st.integers(0, steps)) for _ in labels]) / steps
    return labels, make_scores(raw / raw.sum(axis=-1, keepdims=True)), probability


def close(mine: float, theirs: float) -> bool:
    return mine == pytest.approx(theirs, abs=1e-9, nan_ok=True)


# Against scikit-learn


@settings(max_examples=80, deadline=None)
@given(tasks(size=4))
def test_conflict_figures_equal_scikit_learn(task: tuple[list[str], Scores, Floats]) -> None:
    labels, scores, probability = task
    known = [i for i, label in enumerate(labels) if LABELS[label].conflict is not None]
    gold = np.array([bool(LABELS[labels[i]].conflict) for i in known])
    assume(0 < gold.sum() < len(gold))
    mine = measure(labels, scores, probability)
    p = probability[known]
    assert close(value(mine, "ap_conflict"), sk.average_precision_score(gold, p))
    assert close(value(mine, "auc_conflict"), sk.roc_auc_score(gold, p))
    assert close(value(mine, "brier_conflict"), sk.brier_score_loss(gold, p, pos_label=True))
    assert close(value(mine, "precision_conflict"), sk.precision_score(gold, p >= 0.5, zero_division=np.nan))
    assert close(value(mine, "recall_conflict"), sk.recall_score(gold, p >= 0.5))
    assert close(value(mine, "f1_conflict"), sk.f1_score(gold, p >= 0.5))
    assert close(value(mine, "specificity_conflict"), sk.recall_score(~gold, p < 0.5))


@settings(max_examples=80, deadline=None)
@given(tasks(names=("entailment", "neutral", "compatible", "contradiction", "tension"), size=6))
def test_three_way_figures_equal_scikit_learn(task: tuple[list[str], Scores, Floats]) -> None:
    labels, scores, probability = task
    known = [i for i, label in enumerate(labels) if LABELS[label].nli is not None]
    gold = np.array([NLI_LABELS.index(LABELS[labels[i]].nli or "") for i in known])
    assume(set(gold) == {0, 1, 2})
    mine = measure(labels, scores, probability)
    predicted = scores.nli[known].astype(np.float64).mean(axis=1).argmax(axis=1)
    assert mine.confusion == tuple(map(tuple, sk.confusion_matrix(gold, predicted, labels=[0, 1, 2]).tolist()))
    assert close(value(mine, "accuracy"), sk.accuracy_score(gold, predicted))
    assert close(value(mine, "forward_accuracy"), sk.accuracy_score(gold, scores.nli[known, 0].argmax(axis=1)))
    assert close(value(mine, "macro_f1"), sk.f1_score(gold, predicted, average="macro"))
    theirs = sk.precision_recall_fscore_support(gold, predicted, labels=[0, 1, 2], zero_division=np.nan)
    for figure, by_class in zip(PER_CLASS, theirs, strict=True):
        for label, number in zip(NLI_LABELS, by_class, strict=True):
            if figure != "f1":  # scikit-learn has no f1 where there is no precision; from counts it is 0
                assert close(value(mine, f"{figure}_{label}"), number)
    contradiction = scores.nli[known, 0, 2]
    assert close(value(mine, "ap_contradiction"), sk.average_precision_score(gold == 2, contradiction))
    assert close(value(mine, "auc_contradiction"), sk.roc_auc_score(gold == 2, contradiction))


@settings(max_examples=40, deadline=None)
@given(tasks(), st.randoms(use_true_random=False))
def test_a_weight_is_the_same_as_repeated_pairs(task: tuple[list[str], Scores, Floats], random: Any) -> None:
    """So that every resample is measured as a list of its pairs would be."""
    labels, scores, probability = task
    times = np.array([random.randrange(4) for _ in labels])
    assume(times.sum() > 0)
    columns = evaluation._read(make_pairs(labels), Predictions(scores, probability, 0.5))
    weighted = evaluation._figures(evaluation._all_figures(columns, np.arange(len(labels)), 15), times[None].astype(np.float64))
    rows = np.repeat(np.arange(len(labels)), times)
    repeated = measure([labels[i] for i in rows], make_scores(scores.relations[rows]), probability[rows])
    assert {name: number[0] for name, number in weighted.items()} == pytest.approx(
        {name: metric.value for name, metric in repeated.metrics.items()}, abs=1e-9, nan_ok=True
    )


def test_calibration_error_by_hand() -> None:
    # Two bins: (0.2, 0.4; outcomes 0, 1) is off by 0.2, (0.9; outcome 1) by 0.1.
    labels, probability = ["neutral", "contradiction", "tension"], np.array([0.2, 0.4, 0.9])
    mine = measure(labels, noisy(labels, 1), probability, bins=2)
    assert value(mine, "ece_conflict") == pytest.approx(2 / 3 * 0.2 + 1 / 3 * 0.1)


@settings(max_examples=25, deadline=None)
@given(tasks())
def test_calibration_error_equals_a_loop_over_bins(task: tuple[list[str], Scores, Floats]) -> None:
    labels, scores, probability = task
    rows = [(p, bool(LABELS[label].conflict)) for label, p in zip(labels, probability, strict=True) if LABELS[label].conflict is not None]
    bins = [[row for row in rows if min(int(row[0] * 15), 14) == b] for b in range(15)]
    gaps = [abs(np.mean([p for p, _ in held]) - np.mean([y for _, y in held])) * len(held) / len(rows) for held in bins if held]
    assert close(value(measure(labels, scores, probability), "ece_conflict"), sum(gaps) if rows else math.nan)


def test_expected_precision_follows_bayes() -> None:
    labels = ["contradiction"] * 10 + ["neutral"] * 100
    probability = np.array([0.9] * 8 + [0.1] * 2 + [0.9] * 5 + [0.1] * 95)
    mine = measure(labels, noisy(labels, 1), probability)
    assert value(mine, "expected_precision_0.01") == pytest.approx(0.8 * 0.01 / (0.8 * 0.01 + 0.05 * 0.99))
    assert value(mine, "flag_rate") == pytest.approx(13 / 110)


@settings(max_examples=40, deadline=None)
@given(tasks())
def test_swap_gap_is_the_median(task: tuple[list[str], Scores, Floats]) -> None:
    labels, scores, probability = task
    conflict = scores.relations.astype(np.float64)[..., 2:4].sum(axis=-1)
    assert close(value(measure(labels, scores, probability), "swap_gap"), float(np.median(np.abs(conflict[:, 0] - conflict[:, 1]))))


# How figures behave


def test_perfect_scorer() -> None:
    labels = list(LABELS) * 3
    relations = np.full((len(labels), 2, 5), 1e-6)
    relations[np.arange(len(labels)), :, [COLUMN[label] for label in labels]] = 1 - 4e-6
    mine = measure(labels, make_scores(relations), resamples=50)
    for name in ("accuracy", "forward_accuracy", "entailment_accuracy", "macro_f1", "ap_contradiction", "ap_conflict", "auc_conflict"):
        assert mine.metrics[name] == (1, 1, 1), name
    for name in ("precision_conflict", "recall_conflict", "specificity_conflict", "expected_precision_0.005"):
        assert mine.metrics[name] == (1, 1, 1), name
    for name in ("ece_nli", "ece_conflict", "brier_conflict", "swap_gap"):
        assert value(mine, name) == pytest.approx(0, abs=1e-4), name
    assert np.array(mine.confusion).trace() == np.sum(mine.confusion)


def test_random_scorer() -> None:
    labels = drawn_labels(6000)
    mine = measure(labels, noisy(labels, 0), np.random.default_rng(1).random(len(labels)))
    assert value(mine, "auc_conflict") == pytest.approx(0.5, abs=0.03)
    assert value(mine, "auc_contradiction") == pytest.approx(0.5, abs=0.03)
    positives = np.mean([label in ("contradiction", "tension", "change") for label in labels if LABELS[label].conflict is not None])
    assert value(mine, "ap_conflict") == pytest.approx(positives, abs=0.04)
    assert value(measure(labels, noisy(labels, 0), np.full(len(labels), 0.3)), "auc_conflict") == 0.5


@pytest.mark.parametrize("group", [None, "actor"])
def test_order_of_pairs_does_not_matter(group: str | None) -> None:
    labels = drawn_labels(300)
    pairs = make_pairs(labels, actor=[None if i % 7 == 0 else f"a{i % 40}" for i in range(300)], topic=[i % 3 for i in range(300)])
    scores = noisy(labels, 1)
    one = evaluate(pairs, scores, scores.conflict(), threshold=0.4, slices=["topic"], resamples=40, group=group)
    order = np.random.default_rng(3).permutation(300)
    shuffled = make_scores(scores.relations[order])
    two = evaluate(
        [pairs[i] for i in order], shuffled, shuffled.conflict(), threshold=0.4, slices=["topic"], resamples=40, group=group
    )  # fmt: skip
    assert (one.n, one.labels, one.left_out, one.confusion) == (two.n, two.labels, two.left_out, two.confusion)
    for mine, theirs in zip(
        [one.metrics, *(part.metrics for part in one.slices["topic"].values())],
        [two.metrics, *(part.metrics for part in two.slices["topic"].values())],
        strict=True,
    ):
        for name, metric in mine.items():
            assert metric == pytest.approx(theirs[name], abs=1e-9), name


def test_a_rising_transformation_keeps_ranking_figures() -> None:
    labels = drawn_labels(200)
    scores = noisy(labels, 1)
    plain, bent = (measure(labels, scores, p) for p in (scores.conflict().astype(np.float64), scores.conflict().astype(np.float64) ** 3))
    for name in ("ap_conflict", "auc_conflict"):
        assert value(plain, name) == pytest.approx(value(bent, name))


# What is left out, what is undefined


def test_labels_cover_relations_and_verdicts() -> None:
    assert set(RELATIONS) | set(VERDICTS) <= set(LABELS)
    for gold in LABELS.values():
        assert gold.nli is None or gold.nli in NLI_LABELS
        assert gold.nli is None or gold.conflict is (gold.nli == "contradiction")
        assert gold.nli is None or gold.entailment is (gold.nli == "entailment")


def test_left_out_pairs_are_counted() -> None:
    labels = ["entailment", "neutral", "contradiction", "tension", "tension", "change", "not_entailment", "insufficient"]
    scores = noisy(labels, 1)
    relations = scores.relations.copy()
    relations[0, 1] = np.nan
    mine = measure(labels, make_scores(relations))
    assert mine.left_out["nli"] == {"tension": 2, "change": 1, "not_entailment": 1, "insufficient": 1}
    assert mine.left_out["conflict"] == {"not_entailment": 1, "insufficient": 1}
    assert mine.left_out["entailment"] == {"tension": 2, "change": 1, "insufficient": 1}
    assert mine.left_out["swap_gap"] == {"entailment": 1}
    assert np.sum(mine.confusion) == 3
    assert sum(mine.labels.values()) == mine.n == len(labels)


def test_not_entailment_serves_the_two_way_figure_alone() -> None:
    labels = ["not_entailment"] * 4
    relations = np.zeros((4, 2, 5))
    relations[[0, 1, 2, 3], :, [1, 2, 0, 4]] = 1
    mine = measure(labels, make_scores(relations))
    assert value(mine, "entailment_accuracy") == 0.75
    assert {name for name, metric in mine.metrics.items() if not math.isnan(metric.value)} == {
        "entailment_accuracy", "flag_rate", "swap_gap", *(f"support_{label}" for label in NLI_LABELS)
    }  # fmt: skip


def test_class_without_pairs_is_undefined() -> None:
    labels = ["entailment", "contradiction"] * 10
    mine = measure(labels, noisy(labels, 0), resamples=20)
    for name in ("precision_neutral", "recall_neutral", "f1_neutral", "macro_f1"):
        assert all(math.isnan(number) for number in mine.metrics[name]), name
    assert tuple(mine.metrics["support_neutral"]) == (0, 0, 0)
    assert not math.isnan(value(mine, "f1_contradiction"))


def test_class_never_predicted_has_f1_zero_but_no_precision() -> None:
    relations = np.tile([[0.8, 0.1, 0.1, 0, 0]], (3, 2, 1))
    mine = measure(NLI_LABELS, make_scores(relations))
    assert math.isnan(value(mine, "precision_neutral"))
    assert value(mine, "f1_neutral") == value(mine, "recall_neutral") == 0
    assert value(mine, "macro_f1") == pytest.approx(0.5 / 3)


def test_nothing_flagged() -> None:
    labels = ["neutral", "contradiction"] * 5
    mine = measure(labels, noisy(labels, 1), np.full(10, 0.2))
    assert math.isnan(value(mine, "precision_conflict"))
    assert math.isnan(value(mine, "expected_precision_0.05"))
    assert value(mine, "recall_conflict") == value(mine, "f1_conflict") == value(mine, "flag_rate") == 0


def test_one_direction_only() -> None:
    labels = drawn_labels(40)
    relations = noisy(labels, 1).relations.copy()
    relations[:, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine = measure(labels, make_scores(relations), resamples=20)
    assert all(math.isnan(number) for number in mine.metrics["swap_gap"])
    assert value(mine, "accuracy") == value(mine, "forward_accuracy")
    assert sum(mine.left_out["swap_gap"].values()) == 40


# Intervals


def test_intervals_hold_the_value_and_narrow_with_n() -> None:
    widths = []
    for n in (200, 3200):
        labels = drawn_labels(n)
        mine = measure(labels, noisy(labels, 1), resamples=300)
        for name, metric in mine.metrics.items():
            assert metric.low <= metric.high, name
            if not name.startswith("ece"):  # noise within bins raises every resample's calibration error
                assert metric.low <= metric.value <= metric.high, name
        widths.append({name: metric.high - metric.low for name, metric in mine.metrics.items() if not name.startswith("support")})
    narrow, wide = widths[1], widths[0]
    assert {name: narrow[name] < wide[name] for name in wide} == dict.fromkeys(wide, True)
    assert narrow["accuracy"] == pytest.approx(wide["accuracy"] / 4, rel=0.3)


def test_interval_of_a_share_is_the_binomial_one() -> None:
    labels = ["neutral", "contradiction"] * 500
    mine = measure(labels, noisy(labels, 1), np.array([0.9, 0.1, 0.1, 0.1] * 250), resamples=2000)
    half = 1.96 * math.sqrt(0.25 * 0.75 / 1000)
    assert mine.metrics["flag_rate"] == pytest.approx((0.25, 0.25 - half, 0.25 + half), abs=0.004)


def test_groups_are_resampled_whole() -> None:
    # Ten copies of each pair tell no more than one: grouped, the interval is that of the single pairs.
    labels = drawn_labels(200)
    single = noisy(labels, 1)
    copies = make_scores(np.repeat(single.relations, 10, axis=0))
    pairs = make_pairs(list(np.repeat(labels, 10)), actor=list(np.repeat(np.arange(200), 10)))
    alone = measure(labels, single, resamples=2000)
    grouped, split = (evaluate(pairs, copies, copies.conflict(), threshold=0.5, resamples=2000, group=g) for g in ("actor", None))
    one, whole, apart = (e.metrics["accuracy"].high - e.metrics["accuracy"].low for e in (alone, grouped, split))
    assert whole == pytest.approx(one, rel=0.15)
    assert apart < 0.5 * whole


def test_a_pair_without_group_is_its_own_group() -> None:
    pairs = [replace(pair, extra={} if i else {"actor": "p00001 1"}) for i, pair in enumerate(make_pairs(["neutral"] * 5))]
    assert len(set(evaluation._units(pairs, "actor").tolist())) == 5


def test_seed_fixes_the_intervals() -> None:
    labels = drawn_labels(100)
    one, same, other = (measure(labels, noisy(labels, 1), resamples=50, seed=seed) for seed in (1, 1, 2))
    assert one.metrics == same.metrics != other.metrics


def test_ten_thousand_pairs_are_quick() -> None:
    labels = drawn_labels(10_000)
    start = time.perf_counter()
    measure(labels, noisy(labels, 1), resamples=250)
    assert time.perf_counter() - start < 5


# Slices, differences


def test_slices_add_up() -> None:
    labels = drawn_labels(240)
    pairs = make_pairs(labels, topic=["trade", "war", None] * 80, year=[2020 + i % 4 for i in range(240)])
    scores = noisy(labels, 1)
    mine = evaluate(pairs, scores, scores.conflict(), threshold=0.5, slices=["topic", "year"], resamples=30)
    assert list(mine.slices["topic"]) == ["(none)", "trade", "war"]
    assert list(mine.slices["year"]) == ["2020", "2021", "2022", "2023"]
    for parts in mine.slices.values():
        assert sum(part.n for part in parts.values()) == 240
        flagged = sum(part.n * part.metrics["flag_rate"].value for part in parts.values())
        assert flagged == pytest.approx(240 * value(mine, "flag_rate"))
    rows = [i for i, pair in enumerate(pairs) if pair.extra["topic"] == "war"]
    alone = measure([labels[i] for i in rows], make_scores(scores.relations[rows]))
    for name, metric in mine.slices["topic"]["war"].metrics.items():
        assert metric.value == pytest.approx(value(alone, name))
        assert metric.low <= metric.value <= metric.high


def test_paired_difference() -> None:
    labels = drawn_labels(600)
    pairs = make_pairs(labels)
    good, same, poor = noisy(labels, 2), noisy(labels, 2), noisy(labels, 1)
    first, second = Predictions(poor, poor.conflict(), 0.4), Predictions(good, good.conflict(), 0.5)
    both = paired_difference(pairs, first, second, metrics=["accuracy", "recall_conflict"], resamples=200)
    assert list(both) == ["accuracy", "recall_conflict"]
    apart = [measure(labels, s, threshold=t) for s, t in ((poor, 0.4), (good, 0.5))]
    for name, metric in both.items():
        assert metric.value == pytest.approx(value(apart[1], name) - value(apart[0], name))
        assert metric.low <= metric.value <= metric.high
    assert both["accuracy"].low > 0
    assert paired_difference(pairs, second, Predictions(same, same.conflict(), 0.5), resamples=20)["accuracy"] == (0, 0, 0)


def test_paired_difference_names_unknown_figures() -> None:
    model = Predictions(noisy(["neutral"], 1), np.array([0.5]), 0.5)
    with pytest.raises(ValueError, match="unknown figures: kappa; known: accuracy, "):
        paired_difference(make_pairs(["neutral"]), model, model, metrics=["kappa"])


# Output


def test_record_is_strict_json() -> None:
    labels = ["entailment", "contradiction", "tension"] * 4
    pairs = make_pairs(labels, topic=["a", "b", "c", "d"] * 3)
    scores = noisy(labels, 1)
    record = evaluate(pairs, scores, scores.conflict(), threshold=0.5, slices=["topic"], resamples=10).to_record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["metrics"]["macro_f1"] == {"value": None, "low": None, "high": None}
    assert record["labels"] == {"entailment": 4, "contradiction": 4, "tension": 4}
    assert sum(record["confusion"]["entailment"].values()) == 4
    assert record["slices"]["topic"]["a"]["n"] == 3


def test_table_shows_everything() -> None:
    labels = ["entailment", "contradiction", "tension"] * 4
    pairs = make_pairs(labels, topic=["a", "b", "c", "d"] * 3)
    scores = noisy(labels, 1)
    mine = evaluate(pairs, scores, scores.conflict(), threshold=0.5, slices=["topic"], resamples=10, group="topic")
    table = mine.table()
    for text in (
        "12 pairs: entailment 4, contradiction 4, tension 4",
        "left out of nli: tension 4",
        "whole groups of topic",
        "gold \\ pred",
    ):
        assert text in table
    for name in mine.metrics:
        assert name in table or name.split("_", 1)[1] in NLI_LABELS, name
    assert all(line == line.rstrip() for line in table.splitlines())
    neutral = next(line for line in table.splitlines() if line.startswith("neutral"))
    assert neutral.split() == ["neutral", "-", "-", "-", "0"]
    assert "nan" not in table


def test_without_resamples_there_are_no_intervals() -> None:
    mine = measure(["neutral", "contradiction"], noisy(["neutral", "contradiction"], 1))
    assert isinstance(mine.metrics["accuracy"], Interval)
    assert all(math.isnan(bound) for metric in mine.metrics.values() for bound in metric[1:])


# Errors


def test_no_pairs() -> None:
    with pytest.raises(InputError, match="at least one is needed"):
        measure([], make_scores(np.empty((0, 2, 5))))


def test_unknown_labels_are_listed_together() -> None:
    labels = ["neutral", "Contradiction", "maybe", "maybe"]
    with pytest.raises(InputError) as caught:
        measure(labels, noisy(["neutral"] * 4, 1))
    assert [(p.line, p.field) for p in caught.value.problems] == [(2, "label"), (3, "label")]
    assert "'maybe' (2 pairs) is no known label; known: entailment, neutral, contradiction" in str(caught.value)
    assert "premise" not in str(caught.value)


@pytest.mark.parametrize("columns", [{"slices": ["actor"]}, {"group": "actor"}])
def test_unknown_column(columns: dict[str, Any]) -> None:
    pairs = make_pairs(["neutral"], topic=["war"])
    scores = noisy(["neutral"], 1)
    with pytest.raises(InputError, match="actor: no pair has this column; columns: topic"):
        evaluate(pairs, scores, scores.conflict(), threshold=0.5, **columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": noisy(["neutral"] * 2, 1)}, r"number of scores \(2\) must match the number of pairs \(3\)"),
        ({"probability": np.zeros(4)}, r"shape of probability \(4,\) must match the number of pairs \(3,\)"),
        ({"probability": np.array([0.1, math.nan, 1.5])}, r"2 of 3 probabilities are NaN or outside \[0, 1\]"),
        ({"scores": make_scores(np.full((3, 2, 5), np.nan))}, "3 of 3 pairs have no score in direction 0"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"resamples": -1}, "resamples is -1"),
        ({"bins": 0}, "bins is 0"),
    ],
)
def test_wrong_arguments(change: dict[str, Any], message: str) -> None:
    labels = ["neutral"] * 3
    arguments: dict[str, Any] = {"scores": noisy(labels, 1), "probability": np.zeros(3), "threshold": 0.5} | change
    with pytest.raises(ValueError, match=message):
        evaluate(make_pairs(labels), **arguments)


def test_import_needs_numpy_alone() -> None:
    code = "import sys, contradict.evaluation; print(*{'sklearn', 'torch', 'pandas', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_curves_are_those_of_scikit_learn():
    rng = np.random.default_rng(5)
    probability = np.round(rng.random(300), 2)  # with ties
    conflict = rng.random(300) < probability
    recall, precision = evaluation.precision_recall(conflict, probability)
    theirs_precision, theirs_recall, _ = sk.precision_recall_curve(conflict, probability)
    np.testing.assert_allclose(recall, theirs_recall[:-1][::-1])
    np.testing.assert_allclose(precision, theirs_precision[:-1][::-1])
    assert [len(part) for part in evaluation.precision_recall(np.zeros(3, dtype=bool), np.ones(3))] == [0, 0]
    # scikit-learn puts a value on the edge of two bins into the lower one.
    inside = np.round(probability * 10) != probability * 10
    bins = evaluation.reliability(conflict[inside], probability[inside], 10)
    share, mean = calibration_curve(conflict[inside], probability[inside], n_bins=10)
    np.testing.assert_allclose([b[:2] for b in bins], np.stack([mean, share], axis=1))
    assert sum(b[2] for b in bins) == inside.sum()


def test_operating_point_agrees_with_evaluate():
    conflict = np.array([True, True, True, False, False, False, False, False])
    flagged = np.array([True, True, False, True, False, False, False, False])
    figures = evaluation.operating_point(conflict, flagged, (0.01,))
    assert figures["precision"] == pytest.approx(2 / 3)
    assert figures["recall"] == pytest.approx(2 / 3)
    assert figures["false_alarms_per_1000"] == pytest.approx(200)
    # Of 1,000 pairs 10 are conflicts: two thirds of them are found, a fifth of the 990 others is flagged too.
    assert figures["found_per_1000_0.01"] == pytest.approx(20 / 3)
    assert figures["false_alarms_per_1000_0.01"] == pytest.approx(198)
    assert figures["expected_precision_0.01"] == pytest.approx((20 / 3) / (20 / 3 + 198))
    assert np.isnan(evaluation.operating_point(conflict, np.zeros(8, dtype=bool))["precision"])


def test_groups_hold_pairs_of_one_premise_or_column_together():
    pairs = [LabelledPair(p, "h", "neutral", str(i), {"actor": a}) for i, (p, a) in enumerate([("x", "1"), ("y", "1"), ("x", "2")])]
    by_premise, by_actor = evaluation.groups(pairs, None), evaluation.groups(pairs, "actor")
    assert (by_premise[0] == by_premise[2]) != (by_premise[0] == by_premise[1])
    assert (by_actor[0] == by_actor[1]) != (by_actor[0] == by_actor[2])
    with pytest.raises(InputError, match="no pair has this column"):
        evaluation.groups(pairs, "place")
