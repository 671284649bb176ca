from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from contradict.training import ALLOWED
from tests.conftest import ROOT

FOLDER = ROOT / "models" / "data" / "written"
GROUPS = sorted(FOLDER.glob("groups*.jsonl"))
MINIMAL = sorted(FOLDER.glob("minimal_pairs*.jsonl"))
NEGATION = re.compile(r"\b(?:no|not|never|none|nobody|nothing|nor|neither|without|cannot)\b|n['’]t\b", re.IGNORECASE)
CONFLICT = ("contradiction", "tension")


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", GROUPS, ids=lambda p: p.stem)
def test_groups_are_whole_and_negation_tells_no_label(path):
    shapes, negated, seen = Counter(), Counter(), Counter()
    for group in read(path):
        labels = Counter(p["label"] for p in group["partners"])
        shapes[tuple(sorted(labels.items()))] += 1
        for text in (group["anchor"], *group["partners"]):
            assert text["text"].strip() == text["text"] != ""
            assert text["channel"] in ("public", "private")
        for p in group["partners"]:
            assert p["label"] in ALLOWED
            seen[p["label"]] += 1
            negated[p["label"]] += bool(NEGATION.search(p["text"]))
    assert len(shapes) == 1, "every group of a file has the same eight labels"
    shares = [negated[label] / count for label, count in seen.items()]
    assert max(shares) - min(shares) < 0.2


def test_no_id_twice_and_no_statement_in_two_groups():
    groups = [g for path in GROUPS for g in read(path)]
    assert max(Counter(g["id"] for g in groups).values()) == 1
    homes: dict[str, set[str]] = {}
    for g in groups:
        for text in (g["anchor"], *g["partners"]):
            homes.setdefault(text["text"].lower(), set()).add(g["id"])
    assert not [ids for ids in homes.values() if len(ids) > 1], "a text in two groups could be in train and in test"


@pytest.mark.parametrize("path", MINIMAL, ids=lambda p: p.stem)
def test_siblings_share_a_text_and_differ_in_conflict(path):
    rows = {r["id"]: r for r in read(path)}
    pairs = {i[:-1] for i in rows}
    assert len(rows) == 2 * len(pairs)
    first = 0
    for name in pairs:
        a, b = rows[name + "a"], rows[name + "b"]
        assert a["premise"] == b["premise"] or a["hypothesis"] == b["hypothesis"]
        assert a["phenomenon"] == b["phenomenon"]
        assert (a["label"] in CONFLICT) != (b["label"] in CONFLICT)
        first += a["label"] in CONFLICT
    assert 0.4 < first / len(pairs) < 0.6, "half a is the conflict as often as half b"


def test_the_behaviour_suite_shares_no_statement_with_what_is_trained_on():
    suite = {r[side] for r in read(ROOT / "benchmarks" / "behaviour" / "behaviour.jsonl") for side in ("premise", "hypothesis")}
    written = {t["text"] for path in GROUPS for g in read(path) for t in (g["anchor"], *g["partners"])}
    written |= {r[side] for path in MINIMAL for r in read(path) for side in ("premise", "hypothesis")}
    assert not suite & written


def test_labels_of_real_statements_name_no_text():
    rows = read(FOLDER.parent / "statements.jsonl")
    assert {key for r in rows for key in r} == {"a", "b", "label"}
    assert all(re.fullmatch(r"[0-9a-f]{16}", r[side]) for r in rows for side in ("a", "b"))
    assert {r["label"] for r in rows} <= ALLOWED.keys()
    assert max(Counter(frozenset((r["a"], r["b"])) for r in rows).values()) == 1
