from __future__ import annotations

import json
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contradict as ct
from contradict.explanation import explain, mask_words, words
from tests.conftest import ROOT


@given(st.text(max_size=200))
def test_words_and_masks_cover_what_they_name(text):
    found = words(text)
    assert all(text[start:end] and not text[start:end].isspace() for start, end in found)
    assert all(end <= start for (_, end), (start, _) in pairwise(found)), "in order, without overlap"
    assert mask_words(text, [], "#") == text
    masked = mask_words(text, found, "\0")
    assert masked.count("\0") == len(found) + text.count("\0")


def test_spans_slice_to_words_and_weigh_what_masking_does():
    pairs = [("The bridge is not safe and must close.", "The bridge is safe and will stay open."), ("", "Nothing was said.")]
    seen = []
    model = ct.load_model(device="cpu")
    told, empty = explain(pairs, model, progress=lambda *at: seen.append(at))
    assert told.a or told.b
    assert empty.a == ()
    for text, spans in zip(pairs[0], (told.a, told.b), strict=True):
        for span in spans:
            assert text[span.start : span.end].strip() == text[span.start : span.end] != ""
            assert span.weight > 0
    assert {at[0] for at in seen} == {"explain"}
    assert explain([], model) == []


def behaviour_conflicts():
    rows = [json.loads(line) for line in (ROOT / "benchmarks" / "behaviour" / "behaviour.jsonl").open(encoding="utf-8")]
    return [(r["premise"], r["hypothesis"]) for r in rows if r["label"] == "contradiction"]


@pytest.mark.parametrize("count", [60, pytest.param(240, marks=pytest.mark.slow)])
def test_masking_the_deciding_words_moves_the_score_more_than_masking_others(count):
    """Faithfulness: against as many random words of the same sides, and so for most pairs, not only in the mean."""
    rng = random.Random(4)
    pairs = rng.sample(behaviour_conflicts(), count)
    model = ct.load_model(device="cpu")
    variants = []
    for (a, b), told in zip(pairs, explain(pairs, model), strict=True):
        deciding, chance = [], []
        for text, spans in ((a, told.a), (b, told.b)):
            named = [w for w in words(text) if any(s.start <= w[0] and w[1] <= s.end for s in spans)]
            deciding.append(mask_words(text, named, model.mask))
            chance.append([mask_words(text, rng.sample(words(text), len(named)), model.mask) for _ in range(3)])
        variants += [(a, b), tuple(deciding), *zip(*chance, strict=True)]
    score = ct.score_pairs(variants, model).conflict().reshape(count, 5)
    odds = np.log(score) - np.log1p(-score)
    named, random_words = odds[:, 0] - odds[:, 1], odds[:, 0] - odds[:, 2:].mean(axis=1)
    assert named.mean() > random_words.mean() + 0.3
    assert (named > random_words).mean() >= 0.7
