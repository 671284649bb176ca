from __future__ import annotations

import numpy as np
import pytest

from contradict.schema import RELATIONS, VERDICTS, CandidatePairs, DateRange, Scores, Statement
from contradict.verdicts import classify, innocent_reading, judge, reasons


def scores_of(*rows, truncated=()):
    relations = np.repeat(np.array(rows, dtype=np.float32)[:, None], 2, axis=1)
    cut = np.isin(np.arange(len(rows)), truncated)
    return Scores(relations, RELATIONS, cut)


ENTAILS, NEUTRAL, CONTRADICTS, TENSE, UNRELATED = np.eye(5) * 0.8 + 0.04


def names(codes):
    return [VERDICTS[c] for c in codes]


def test_relations_become_verdicts():
    scores = scores_of(ENTAILS, NEUTRAL, CONTRADICTS, TENSE, UNRELATED)
    probability = np.array([0.1, 0.1, 0.9, 0.9, 0.1])
    assert names(classify(scores, probability, threshold=0.5)) == ["compatible", "compatible", "contradiction", "tension", "unrelated"]


def test_threshold_is_inclusive_and_decides_alone():
    scores = scores_of(CONTRADICTS, CONTRADICTS)
    assert names(classify(scores, np.array([0.5, 0.49]), threshold=0.5)) == ["contradiction", "compatible"]


def test_a_pair_that_was_cut_is_not_called_compatible():
    scores = scores_of(NEUTRAL, CONTRADICTS, truncated=(0, 1))
    assert names(classify(scores, np.array([0.1, 0.9]), threshold=0.5)) == ["insufficient", "contradiction"]


def pair_of(a, b):
    return [a, b], CandidatePairs(np.array([0]), np.array([1]), np.zeros(1, dtype=np.uint8), ("r",), np.array([0.5], dtype=np.float32))


def say(text, date=None, **fields):
    return Statement("x", "Ada Orlan", text, date=DateRange.parse(date) if date else None, **fields)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("2020-01", "2021-01", "change"),
        ("2020-01", "2020-03", "contradiction"),
        ("2020", "2020-03", "contradiction"),
        (None, "2021-01", "contradiction"),
        ("2020/..", "2031", "contradiction"),
    ],
)
def test_far_apart_conflicts_are_changes(first, second, verdict):
    statements, pairs = pair_of(say("We will pay for it.", first), say("We will not pay for it.", second))
    codes = judge(statements, pairs, scores_of(CONTRADICTS), np.array([0.9]), threshold=0.5, change_days=180)
    assert names(codes) == [verdict]


def test_scraps_are_insufficient():
    statements, pairs = pair_of(say("a cease-fire"), say("We will never stop."))
    codes = judge(statements, pairs, scores_of(CONTRADICTS), np.array([0.9]), threshold=0.5, change_days=180)
    assert names(codes) == ["insufficient"]


def why(a, b, relations=None, **options):
    given = {"verdict": "contradiction", "truncated": False, "calibrated": True} | options
    both = np.repeat(CONTRADICTS[None].astype(np.float32), 2, axis=0) if relations is None else relations
    return {r.partition(": ")[0]: r for r in reasons(a, b, both, **given)}


PLAIN = say("The dam will be built next year.", "2020")


@pytest.mark.parametrize(
    ("name", "other", "without"),
    [
        ("channels", say("It will be built.", "2020", channel="public"), say("It will be built.", "2020", channel="private")),
        ("condition", say("It will be built if parliament agrees."), say("It will be built as planned.")),
        ("hedge", say("It may be built one day."), say("It will be built in time.")),
        ("modality", say("It must be built."), say("It is being built.")),
        ("quantifier", say("Only half of it will be built."), say("It will be built.")),
        ("others_view", say("Critics say it will never be built."), say("We say it will never be built.")),
        ("negation", say("It will never be built."), say("It will always be wanted.")),
        ("reported", say("It will be built.", attribution=("The Courier", "two aides")), say("It will be built.")),
        ("date_unknown", say("It will be built."), say("It will be built.", "2020")),
        ("dates_apart", say("It will be built.", "2022"), say("It will be built.", "2020-05")),
        ("dates_overlap", say("It will be built.", "2020-05"), say("It will be built.", "2022")),
        ("channel_unknown", say("It will be built."), say("It will be built.", channel="private")),
    ],
)
def test_each_reason_is_named_where_it_holds_and_only_there(name, other, without):
    from dataclasses import replace

    first = replace(PLAIN, channel="private") if name.startswith("channel") else PLAIN
    assert name in why(first, other)
    assert name not in why(first, without)


def test_numbers_are_told_when_they_differ():
    assert why(say("It costs 40 million."), say("It costs 55 million."))["numbers"] == "numbers: 40 against 55"
    assert "numbers" not in why(say("It costs 40 million."), say("It costs 40 million euros."))
    assert "numbers" not in why(say("It costs 40 million."), say("It costs a lot."))


def test_directions_truncation_and_calibration_are_told():
    lopsided = np.stack([CONTRADICTS, NEUTRAL]).astype(np.float32)
    found = why(PLAIN, PLAIN, lopsided, truncated=True, calibrated=False)
    assert {"directions_disagree", "truncated", "uncalibrated"} <= set(found)
    assert not {"directions_disagree", "truncated", "uncalibrated"} & set(why(PLAIN, PLAIN))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (say("It will be built if parliament agrees.", "2020"), "bound to a condition (if"),
        (say("It may be built.", "2020"), "is hedged (may)"),
        (say("It must be built.", "2020"), "what ought to be (must)"),
        (say("Critics think it is a waste.", "2020"), "somebody else thinks"),
        (say("No, half of it.", "2020"), "a part or a bound (half)"),
        (say("It was never meant to be.", "2024"), "days apart"),
        (say("It was never meant to be."), "no date"),
        (say("It was never meant to be.", "2020", attribution=("The Courier",)), "through The Courier"),
        (say("It was never meant to be.", "2020"), "read both in their context"),
    ],
)
def test_the_innocent_reading_names_the_strongest_feature(other, words):
    assert words in innocent_reading(PLAIN, other, verdict="contradiction")


def test_numbers_of_one_measure_are_no_excuse():
    first = say("It costs 40 million euros.", "2020")
    assert "different things" in innocent_reading(first, say("It took 12 years.", "2020"), verdict="contradiction")
    assert "different things" not in innocent_reading(first, say("It costs 55 million euros.", "2020"), verdict="contradiction")
    assert "365 days" in innocent_reading(say("It will come.", "2020"), say("It has gone.", "2021-12-31"), verdict="change")
