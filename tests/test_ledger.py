from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contradict as ct
from contradict.errors import InputError
from contradict.ledger import Ledger
from contradict.readers import read_labelled_pairs, read_reviews
from contradict.schema import CONFLICTS, VERDICTS, Review, pair_key
from contradict.scoring import score_pairs
from tests.conftest import ROOT, SEEDS

TEXTS = st.text(min_size=1, max_size=20).filter(str.strip)
TIMES = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=dt.UTC))
REVIEWS = st.builds(Review, TEXTS, TEXTS, st.sampled_from(VERDICTS), TIMES, st.text(max_size=20))
CLASHING = st.builds(Review, st.sampled_from("ab"), st.sampled_from("ab"), st.sampled_from(VERDICTS), TIMES, st.sampled_from(["", "why"]))


@given(TEXTS, TEXTS, TEXTS)
def test_a_pair_has_one_key_in_both_orders_and_another_when_a_text_changes(a, b, other):
    assert pair_key(a, b) == pair_key(b, a)
    assert (pair_key(a, b) == pair_key(other, b)) == (sorted((a, b)) == sorted((other, b)))


@settings(max_examples=30, deadline=None)
@given(st.lists(REVIEWS, min_size=1, max_size=6))
def test_reviews_survive_the_ledger_and_the_file(reviews):
    with tempfile.TemporaryDirectory() as folder:
        with Ledger(Path(folder, "l.sqlite")) as ledger:
            ledger.add_reviews(reviews)
            kept = ledger.reviews()
            assert ledger.add_reviews(reviews) == 0  # twice is once
            assert ledger.reviews() == kept
        latest = {}
        for r in sorted(reviews, key=lambda r: r.reviewed):
            latest[pair_key(r.a, r.b)] = r.reviewed
        assert {key: r.reviewed for key, r in kept.items()} == latest
        path = Path(folder, "r.jsonl")
        path.write_text("".join(json.dumps(r.to_record()) + "\n" for r in kept.values()), encoding="utf-8")
        back = read_reviews(path)
        assert [(r.a, r.b, r.label, r.reviewed, r.note) for r in back] == [(r.a, r.b, r.label, r.reviewed, r.note) for r in kept.values()]
        assert [(p.premise, p.hypothesis, p.label) for p in read_labelled_pairs(path)] == [(r.a, r.b, r.label) for r in kept.values()]


def test_a_key_that_several_reviews_share_withdraws_none(tmp_path):
    when = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.add_reviews(Review(f"text {i}", "b", "compatible", when) for i in range(40))
        keys = list(ledger.reviews())
        shared = next(k[0] for k in keys if sum(other[0] == k[0] for other in keys) > 1)
        for given_ in ([keys[0], shared], [keys[0], "z"], [""]):
            with pytest.raises(InputError, match="contradict review list names them"):
                ledger.withdraw_reviews(given_)
        assert list(ledger.reviews()) == keys
        assert ledger.withdraw_reviews([keys[0], keys[0][:40], keys[1]]) == 2
        assert list(ledger.reviews()) == keys[2:]


@settings(max_examples=15, deadline=None)
@given(st.lists(CLASHING, min_size=2, max_size=4))
def test_the_order_of_imports_does_not_matter(reviews):
    kept = []
    for order in permutations(reviews):
        with Ledger(":memory:") as ledger:
            ledger.add_reviews(order)
            kept.append(ledger.reviews())
    assert all(one == kept[0] for one in kept)


def test_scores_from_the_ledger_are_those_of_the_model(model, tmp_path):
    pairs = [(p.premise, p.hypothesis) for p in ct.read_labelled_pairs(SEEDS / "labelled_pairs.jsonl")][:12]
    pairs.append(pairs[0])
    plain = score_pairs(pairs, model)
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        one, known = ledger.score_pairs(pairs[:6], model, direction="forward")
        assert known == 0
        np.testing.assert_allclose(one.relations[:, 0], plain.relations[:6, 0], atol=1e-5)
        assert np.isnan(one.relations[:, 1]).all()
    with Ledger(path) as ledger:
        both, known = ledger.score_pairs(pairs, model)
        assert known == 0  # of the first six, one direction was there
        np.testing.assert_allclose(both.relations, plain.relations, atol=1e-5)
        again, known = ledger.score_pairs(pairs, model)
        assert known == len(pairs)
        np.testing.assert_array_equal(again.relations, both.relations)
        np.testing.assert_array_equal(again.truncated, plain.truncated)
        swapped, known = ledger.score_pairs([(b, a) for a, b in pairs], model)
        assert known == len(pairs)
        np.testing.assert_array_equal(swapped.relations, both.relations[:, ::-1])
        none, known = ledger.score_pairs([], model)
        assert (len(none), known) == (0, 0)


def test_the_ledger_spares_the_directions_that_scoring_spares(model, tmp_path):
    pairs = [(p.premise, p.hypothesis) for p in ct.read_labelled_pairs(SEEDS / "labelled_pairs.jsonl")][:30]
    plain = score_pairs(pairs, model, direction="needed", level=0.7)
    with Ledger(tmp_path / "l.sqlite") as ledger:
        for before in (0, len(pairs)):
            kept, known = ledger.score_pairs(pairs, model, direction="needed", level=0.7)
            assert known == before
            np.testing.assert_allclose(kept.relations, plain.relations, atol=1e-5)
        _, known = ledger.score_pairs(pairs, model)
        assert known == int((~np.isnan(plain.relations[:, 1, 0])).sum())


def test_a_second_scan_scores_nothing_and_finds_the_same(seed_statements, tmp_path):
    path = str(tmp_path / "l.sqlite")
    plain = ct.scan(seed_statements, device="cpu")
    first = ct.scan(seed_statements, device="cpu", ledger=path)
    second = ct.scan(seed_statements, device="cpu", ledger=path)
    assert [f.to_record() for f in first.findings] == [f.to_record() for f in second.findings]
    assert [(f.a.id, f.b.id) for f in first.findings] == [(f.a.id, f.b.id) for f in plain.findings]
    assert first.counts["known_pairs"] == 0
    assert second.counts["known_pairs"] == second.counts["scored_pairs"] > 0
    assert f"Scores of {second.counts['scored_pairs']:,} pairs came from the ledger." in second.summary()


@pytest.mark.parametrize("label", VERDICTS)
def test_a_dismissed_finding_stays_away_until_a_text_changes(seed_statements, tmp_path, label):
    path = str(tmp_path / "l.sqlite")
    report = ct.scan(seed_statements, device="cpu")
    finding = report.findings[0]
    with Ledger(path) as ledger:
        ledger.add_reviews([Review(finding.b.text, finding.a.text, label, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))])
    pair = {finding.a.id, finding.b.id}
    later = ct.scan([finding.a, finding.b], device="cpu", ledger=path)
    dismissed = label not in CONFLICTS
    assert later.dismissed == int(dismissed)
    assert [{f.a.id, f.b.id} for f in later.findings] == ([] if dismissed else [pair])
    assert ("1 finding dismissed in the ledger." in later.summary()) == dismissed
    assert later.rethreshold(0.0).dismissed == int(dismissed)
    shown = ct.scan([finding.a, finding.b], device="cpu", ledger=path, show_dismissed=True)
    assert ([{f.a.id, f.b.id} for f in shown.findings], shown.dismissed) == ([pair], 0)


def test_what_is_no_ledger_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("a text, not a database" * 100)
    with pytest.raises(InputError, match="cannot be used as a ledger"):
        Ledger(path)
    assert path.read_text().startswith("a text")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE mine (x)")
    with pytest.raises(InputError, match="its format is 0"):
        Ledger(other)
    with pytest.raises(InputError, match="cannot be used as a ledger"):
        Ledger(tmp_path / "none" / "l.sqlite")


def test_problems_of_a_review_file_are_told_together(tmp_path):
    path = tmp_path / "r.jsonl"
    good = {"a": {"text": "x"}, "b": {"text": "y"}, "label": "tension", "reviewed": "2024-05-01T09:30:00+02:00"}
    bad = [good | {"a": "x"}, good | {"label": "wrong"}, good | {"reviewed": "soon"}, {}]
    path.write_text("".join(json.dumps(r) + "\n" for r in [good, *bad]))
    with pytest.raises(InputError) as error:
        read_reviews(path)
    assert [(p.line, p.field) for p in error.value.problems] == [
        (2, "a"), (3, "label"), (4, "reviewed"), (5, "a"), (5, "b"), (5, "label"), (5, "reviewed"),
    ]  # fmt: skip
    (kept,) = read_reviews(path, on_error="skip", problems=[])
    assert kept.reviewed == dt.datetime(2024, 5, 1, 7, 30, tzinfo=dt.UTC)


WRITER = """
import datetime as dt, sys
from contradict.ledger import Ledger
from contradict.schema import Review
name, count = sys.argv[2], int(sys.argv[3])
with Ledger(sys.argv[1]) as ledger:
    for i in range(count):
        ledger.add_reviews([Review(f"{name} {i}", side, "compatible", dt.datetime(2024, 1, 1, tzinfo=dt.UTC)) for side in "xy"])
        print(i, flush=True)
"""


def writer(path, name, count):
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_two_processes_write_one_ledger(tmp_path):
    path = tmp_path / "l.sqlite"
    processes = [writer(path, name, 40) for name in ("one", "two")]
    assert [(p.communicate(timeout=120), p.returncode)[1] for p in processes] == [0, 0]
    with Ledger(path) as ledger:
        assert {r.a for r in ledger.reviews().values()} == {f"{name} {i}" for name in ("one", "two") for i in range(40)}
        assert len(ledger.reviews()) == 160


def test_a_killed_process_loses_nothing_that_it_said_was_written(tmp_path):
    path = tmp_path / "l.sqlite"
    process = writer(path, "one", 1_000_000)
    lines = [process.stdout.readline() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    lines += process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == -signal.SIGKILL
    said = [int(line) for line in lines if line.strip()]
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Ledger(path) as ledger:
        kept = sorted(int(r.a.split()[1]) for r in ledger.reviews().values())
        assert kept[: 2 * len(said)] == sorted([*said, *said])
        assert len(kept) % 2 == 0  # the two of one call are there together or not at all
        assert ledger.add_reviews([Review("a", "b", "tension", dt.datetime(2024, 1, 1, tzinfo=dt.UTC))]) == 1
