from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contradict.calibration import Calibrator, cross_fit, refit
from contradict.errors import ConfigError, InputError
from contradict.schema import RELATIONS, LabelledPair, Scores


def test_fit_recovers_a_known_curve():
    rng = np.random.default_rng(0)
    raw = rng.uniform(0.001, 0.999, 40_000)
    true = Calibrator(0.6, -1.2).probability(raw)
    fitted = Calibrator.fit(raw, rng.random(len(raw)) < true)
    assert fitted.slope == pytest.approx(0.6, abs=0.03)
    assert fitted.intercept == pytest.approx(-1.2, abs=0.05)


def test_confident_and_wrong_scores_do_not_make_the_fit_run_away():
    rng = np.random.default_rng(1)
    conflict = rng.random(900) < 0.4
    raw = np.where(rng.random(900) < 0.8, conflict, ~conflict) * 0.998 + 0.001
    fitted = Calibrator.fit(raw, conflict)
    assert 0 < fitted.slope < 1
    np.testing.assert_allclose(fitted.probability([0.001, 0.999]), [conflict[raw < 0.5].mean(), conflict[raw > 0.5].mean()], atol=0.01)


def test_weights_count_like_repeated_pairs():
    raw, gold = np.array([0.2, 0.7, 0.6, 0.9]), np.array([False, True, False, True])
    weighted = Calibrator.fit(raw, gold, weight=[1, 3, 2, 1])
    repeated = Calibrator.fit(np.repeat(raw, [1, 3, 2, 1]), np.repeat(gold, [1, 3, 2, 1]))
    assert weighted.slope == pytest.approx(repeated.slope, abs=1e-6)
    assert weighted.intercept == pytest.approx(repeated.intercept, abs=1e-6)


def test_probability_rises_with_the_score_and_stays_within_bounds():
    p = Calibrator(2.0, 1.0).probability([0.0, 0.1, 0.5, 0.9, 1.0])
    assert (np.diff(p) > 0).all()
    assert p.min() >= 0
    assert p.max() <= 1
    np.testing.assert_allclose(Calibrator().probability([0.25, 0.75]), [0.25, 0.75])


@given(st.floats(0.05, 5), st.floats(-3, 3), st.floats(0, 1), st.floats(0, 1))
def test_no_score_below_the_level_of_a_probability_reaches_it(slope, intercept, probability, raw):
    curve = Calibrator(slope, intercept)
    if raw < curve.level(probability) - 1e-9:
        assert curve.probability(raw) < probability
    assert Calibrator(-slope, intercept).level(probability) == 0


def test_one_class_cannot_be_calibrated():
    with pytest.raises(ValueError, match="both classes"):
        Calibrator.fit([0.1, 0.2], [False, False])


def test_round_trip_and_default(tmp_path):
    kept = Calibrator(1.5, -0.5, 0.8, {"on": "dev"})
    kept.save(tmp_path)
    assert Calibrator.load(tmp_path) == kept
    assert Calibrator.load(None) == Calibrator()


def test_cross_fit_judges_each_pair_by_the_others():
    rng = np.random.default_rng(3)
    raw = rng.uniform(0.01, 0.99, 400)
    conflict = rng.random(400) < raw
    fold = np.arange(400) % 4
    probability, flagged = cross_fit(raw, conflict, fold, limits=[(~conflict, 0.1)])
    for number in range(4):
        held, others = fold == number, fold != number
        fitted = Calibrator.fit(raw[others], conflict[others])
        np.testing.assert_array_equal(probability[held], fitted.probability(raw[held]))
        threshold = fitted.threshold_for(raw[others & ~conflict], 0.1)
        np.testing.assert_array_equal(flagged[held], probability[held] >= threshold)
    # A pair's own label does not reach its probability.
    changed = conflict.copy()
    changed[0] = not changed[0]
    assert cross_fit(raw, changed, fold)[0][0] == probability[0]


def test_refit_needs_pairs_of_both_kinds_in_several_groups():
    rng = np.random.default_rng(4)
    relations = rng.dirichlet(np.ones(5), (40, 2)).astype(np.float32)
    scores = Scores(relations, RELATIONS, np.zeros(40, dtype=bool))
    model = SimpleNamespace(folder=None, fingerprint="f")

    def pairs(labels, premise):
        return [LabelledPair(premise(i), "h", label, str(i), {"actor": premise(i)}) for i, label in enumerate(labels)]

    done = refit(pairs(["contradiction", "neutral"] * 19 + ["insufficient"] * 2, str), scores, model)
    assert done.left_out == 2
    assert done.calibrator.fitted["on"] == "38 pairs, 19 of them conflicts"
    assert done.before["recall"] == np.mean(scores.conflict()[:38:2] >= 0.5)
    assert done.table().startswith("38 pairs, 19 of them conflicts; 2 of unknown kind left out\n")
    four = pairs(["contradiction", "neutral", "compatible", "tension"] * 10, str)
    by_label = refit(four, scores, model, false_alarms={"compatible": 0.2})
    assert by_label.calibrator.fitted["flagged"]["compatible"] <= 0.2
    assert by_label.calibrator.fitted["rule"] == "at most 20% of the compatible pairs flagged"
    with pytest.raises(ConfigError, match="names 'unrelated'; no pair"):
        refit(pairs(["contradiction", "neutral"] * 20, str), scores, model, false_alarms={"unrelated": 0.1})
    few = ["contradiction"] * 9 + ["neutral"] * 31
    for labels, premise in ((few, str), (["neutral"] * 40, str), (["contradiction", "neutral"] * 20, lambda _: "one")):
        with pytest.raises(InputError, match="too few conflicts"):
            refit(pairs(labels, premise), scores, model)
    with pytest.raises(ConfigError, match="base_rate is 2"):
        refit(pairs(["contradiction", "neutral"] * 20, str), scores, model, base_rates=(2,))
