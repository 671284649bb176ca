from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contradict.schema import RELATIONS, VERDICTS, CandidatePairs, DateRange, Finding, Scores, Statement
from contradict.verdicts import REASONS, classify, flip_o_meter, gate, innocent_reading, judge, reasons
from tests.conftest import ROOT


def scores_of(*rows, truncated=()):
    relations = np.repeat(np.array(rows, dtype=np.float32)[:, None], 2, axis=1)
    cut = np.isin(np.arange(len(rows)), truncated)
    return Scores(relations, RELATIONS, cut)


ENTAILS, NEUTRAL, CONTRADICTS, TENSE, UNRELATED = np.eye(5) * 0.8 + 0.04


def names(codes):
    return [VERDICTS[c] for c in codes]


TEXTS = [("The dam will be built.", f"The dam will be built in {year}.") for year in range(2030, 2040)]


def test_relations_become_verdicts():
    scores = scores_of(ENTAILS, NEUTRAL, CONTRADICTS, TENSE, UNRELATED)
    probability = np.array([0.1, 0.1, 0.9, 0.9, 0.1])
    codes = classify(TEXTS[:5], scores, probability, threshold=0.5)
    assert names(codes) == ["compatible", "compatible", "contradiction", "tension", "unrelated"]


def test_threshold_is_inclusive_and_decides_alone():
    scores = scores_of(CONTRADICTS, CONTRADICTS)
    assert names(classify(TEXTS[:2], scores, np.array([0.5, 0.49]), threshold=0.5)) == ["contradiction", "compatible"]


def test_a_pair_that_was_cut_is_not_called_compatible():
    scores = scores_of(NEUTRAL, CONTRADICTS, truncated=(0, 1))
    assert names(classify(TEXTS[:2], scores, np.array([0.1, 0.9]), threshold=0.5)) == ["insufficient", "contradiction"]


def test_a_gate_holds_back_what_the_score_flags():
    texts = [("We don't pay for it.", "we dont pay for it"), ("No.", "We will pay for it."), ("We pay for it.", "We do not pay for it.")]
    found = classify(texts, scores_of(CONTRADICTS, TENSE, TENSE), np.array([0.9, 0.9, 0.9]), threshold=0.5)
    assert names(found) == ["compatible", "insufficient", "tension"]


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


PLAIN = say("The dam will be built next year.", "2020")
ROWS = [json.loads(line) for line in (ROOT / "benchmarks" / "behaviour" / "reasons.jsonl").read_text(encoding="utf-8").splitlines()]


def statement(id_, record):
    given = dict(record)
    date = given.pop("date", None)
    told = tuple(given.pop("attribution", ()))
    return Statement(id_, "Ada Orlan", date=DateRange.parse(date) if date else None, attribution=told, **given)


def found(row):
    """Both statements of a row and the reasons they are given, by name."""
    a, b = statement("a", row["a"]), statement("b", row["b"])
    shown = {"entailment": ENTAILS, "neutral": NEUTRAL, "contradiction": CONTRADICTS, "tension": TENSE, None: np.full(5, np.nan)}
    relations = np.stack([shown[name] for name in row.get("relations", ["contradiction"] * 2)]).astype(np.float32)
    given = {"verdict": "contradiction", "truncated": False, "calibrated": True, "sentences": False}
    told = reasons(a, b, relations, **{name: row.get(name, value) for name, value in given.items()})
    return a, b, {reason.name: reason for reason in told}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['reason']}-{row['holds']}")
def test_each_reason_holds_where_it_should_and_names_its_words(row):
    a, b, told = found(row)
    assert (row["reason"] in told) is row["holds"]
    for reason in told.values():
        assert reason.effect in ("note", REASONS[reason.name].effect)
        for side, spans in reason.spans.items():
            claim = {"a": a, "b": b}[side].claim
            assert all(0 <= start < end <= len(claim) for start, end in spans)
    if "words" in row:
        spans = told[row["reason"]].spans
        assert {side: [{"a": a, "b": b}[side].claim[slice(*span)] for span in offsets] for side, offsets in spans.items()} == row["words"]


def test_every_reason_has_positive_and_negative_rows_and_comes_in_the_order_of_the_table():
    for held in (True, False):
        assert {row["reason"] for row in ROWS if row["holds"] is held} == set(REASONS)
    for row in ROWS:
        names = list(found(row)[2])
        assert names == sorted(names, key=list(REASONS).index)


@pytest.mark.parametrize("name", ["condition", "hedge", "negation", "modality", "quantifier", "others_view", "numbers", "units", "times"])
def test_reasons_of_wording_hold_for_some_behaviour_pairs_and_not_for_others(name):
    lines = (ROOT / "benchmarks" / "behaviour" / "behaviour.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{"a": {"text": r["premise"]}, "b": {"text": r["hypothesis"]}} for r in map(json.loads, lines)]
    held = [name in found(row)[2] for row in rows]
    assert 0 < sum(held) < len(held)


def test_effects_are_what_changed_the_verdict():
    held = found({"a": {"text": "We don't pay for it."}, "b": {"text": "We dont pay for it"}})[2]
    assert held["equal_wording"].effect == "gate"
    dates = {"a": {"text": "We pay for it.", "date": "2019"}, "b": {"text": "We will not pay.", "date": "2021"}}
    assert found(dates | {"verdict": "change"})[2]["dates_apart"].effect == "relabel"
    assert found(dates)[2]["dates_apart"].effect == "note"


@pytest.mark.parametrize(
    ("verdict", "first", "second", "relation", "grade"),
    [
        ("change", "2020", "2022", "contradiction", "Full Flop"),
        ("change", "2020", "2022", "tension", "Half Flip"),
        ("contradiction", "2020-01", "2020-02", "contradiction", "Full Flop"),
        ("tension", "2020-01", "2020-02", "tension", "Half Flip"),
        ("contradiction", "2020", "2020-02", "contradiction", None),
        ("tension", None, "2020-02", "tension", None),
        ("compatible", "2020", "2020", "neutral", "No Flip"),
        ("insufficient", "2020", "2022", "neutral", None),
    ],
)
def test_the_flip_o_meter_grades_conflicts_between_two_times_only(verdict, first, second, relation, grade):
    scores = {direction: {relation: 0.9} for direction in ("forward", "reverse")}
    a, b = say("We will pay for it.", first), say("We will not pay for it.", second)
    assert flip_o_meter(Finding(verdict, 0.9, None, "r", scores, (), "", a, b)) == grade


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_gate_does_not_depend_on_the_order_of_the_pair(a, b):
    one, other = gate(a, b), gate(b, a)
    assert (one and one.name) == (other and other.name)
    assert gate(a, a) is not None


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
