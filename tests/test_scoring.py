from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contradict as ct
from contradict.backends import PACKAGES
from contradict.errors import ConfigError
from contradict.scoring import split_sentences
from tests.conftest import SEEDS

WORDS = ["the", "minister", "will", "not", "pay", "for", "a", "new", "dam", "before", "next", "year", "unless", "parliament", "agrees"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=25).map(" ".join)


TOLERANCE = {
    ("torch", "float32"): 2e-5,
    ("torch", "bfloat16"): 0.06,
    ("onnx", "float32"): 2e-5,
    ("openvino", "float32"): 2e-5,
    ("openvino", "bfloat16"): 0.06,
    ("openvino", "int8"): 0.06,
}
"""What a probability may change by with the batch a pair is in. ONNX Runtime's int8 has no bound: its scale is that of the batch."""


@settings(max_examples=4, deadline=None)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12), budget=st.sampled_from([1, 64, 4096]), data=st.data())
@pytest.mark.parametrize(("backend", "dtype"), TOLERANCE)
def test_scores_do_not_depend_on_batches_order_or_threads(backend, dtype, pairs, budget, data):
    pytest.importorskip(PACKAGES[backend])
    one, two = (ct.load_model(device="cpu", backend=backend, dtype=dtype, threads=threads) for threads in (1, 2))
    plain = ct.score_pairs(pairs, one)
    order = data.draw(st.permutations(range(len(pairs))))
    shuffled = ct.score_pairs([pairs[i] for i in order], two, batch_tokens=budget)
    np.testing.assert_allclose(shuffled.relations, plain.relations[order], atol=TOLERANCE[backend, dtype])
    np.testing.assert_allclose(plain.relations.sum(-1), 1, atol=1e-5)


def test_reverse_is_the_forward_of_the_swapped_pair(model):
    pairs = [("We will pay.", "Nobody will pay a cent."), ("The dam stands.", "It was built in 1970.")]
    both = ct.score_pairs(pairs, model)
    swapped = ct.score_pairs([(b, a) for a, b in pairs], model, direction="forward")
    np.testing.assert_allclose(both.relations[:, 1], swapped.relations[:, 0], atol=1e-6)
    assert np.isnan(swapped.relations[:, 1]).all()


@pytest.mark.parametrize("level", [0.0, 0.5, 0.6, 0.75, 1.0])
def test_sparing_a_direction_loses_no_pair_that_reaches_the_level(model, level):
    filler = [f"The council met on day {day} and spoke about the roads of the valley." for day in range(60)]
    long = " ".join([*filler, "The dam will be built."])
    pairs = [(p.premise, p.hypothesis) for p in ct.read_labelled_pairs(SEEDS / "labelled_pairs.jsonl")]
    pairs += [(long, "The dam will never be built."), *((b, a) for a, b in pairs[:20])]
    both, needed = ct.score_pairs(pairs, model), ct.score_pairs(pairs, model, direction="needed", level=level)
    np.testing.assert_allclose(needed.relations[:, 0], both.relations[:, 0], atol=2e-5)
    reached, spared = both.conflict() >= level, np.isnan(needed.relations[:, 1]).all(axis=1)
    assert spared.any() == (level > 0.5)
    np.testing.assert_allclose(needed.relations[~spared], both.relations[~spared], atol=2e-5)
    assert not (reached & spared).any()
    assert (needed.conflict()[spared] < max(level, 1e-9)).all()
    if level < 0.9:
        assert needed.evidence == both.evidence


def test_what_is_spared_depends_on_the_pair_alone(model):
    pairs = [("We will pay.", "The dam stands."), ("The dam stands.", "We will pay."), ("a b", "c d")]
    together = ct.score_pairs(pairs, model, direction="needed", level=0.8)
    alone = [ct.score_pairs([pair], model, direction="needed", level=0.8).relations[0] for pair in pairs]
    np.testing.assert_allclose(together.relations, alone, atol=2e-5)
    assert np.isnan(together.relations[:2, 1]).all()


def test_equal_pairs_are_scored_once(model, monkeypatch):
    seen = []
    real = type(model).logits
    monkeypatch.setattr(type(model), "logits", lambda self, encoded: seen.append(len(encoded["input_ids"])) or real(self, encoded))
    scores = ct.score_pairs([("a b", "c d"), ("a b", "c d"), ("c d", "a b")], model)
    assert sum(seen) == 2
    np.testing.assert_array_equal(scores.relations[0], scores.relations[1])
    np.testing.assert_array_equal(scores.relations[0], scores.relations[2, ::-1])


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("We will pay. Nobody else will.", ["We will pay.", "Nobody else will."]),
        ('He said: "We will pay." Then he left!', ['He said: "We will pay."', "Then he left!"]),
        ("Mr. Orlan met J. Smith at No. 5. It rained", ["Mr. Orlan met J. Smith at No. 5.", "It rained"]),
        ("It rose by 1.5 percent. a lower-case line\nAnother line", ["It rose by 1.5 percent. a lower-case line", "Another line"]),
        ("  ", ["  "]),
    ],
)
def test_sentences(text, sentences):
    assert split_sentences(text) == sentences


@given(st.text())
def test_sentences_lose_no_word(text):
    assert " ".join(split_sentences(text)).split() == text.split()


def test_the_sentences_that_conflict_most_decide_both_directions(model):
    filler = [f"The council met on day {day} and spoke about the roads of the valley." for day in range(60)]
    long = " ".join([*filler, "The dam will be built."])
    pairs = [("a b", "c d"), (long, "The dam will never be built."), ("e f", "g h")]
    scores = ct.score_pairs(pairs, model)
    assert scores.evidence == {1: ("The dam will be built.", "The dam will never be built.")}
    assert not scores.truncated.any()
    plain = ct.score_pairs([pairs[0], scores.evidence[1], pairs[2]], model)
    np.testing.assert_allclose(scores.relations, plain.relations, atol=2e-5)
    everything = ct.score_pairs([(a, pairs[1][1]) for a in [*filler, "The dam will be built."]], model)
    assert scores.conflict()[1] == pytest.approx(everything.conflict().max(), abs=2e-5)


def test_no_pairs(model):
    scores = ct.score_pairs([], model)
    assert scores.relations.shape == (0, 2, 5)


@pytest.mark.parametrize("direction", ["both", "needed"])
def test_progress_counts_both_directions_to_the_end(model, direction):
    calls = []
    options = {"direction": direction, "level": 0.9, "batch_tokens": 32}
    ct.score_pairs([("a b", f"c {i}") for i in range(30)], model, progress=lambda *call: calls.append(call), **options)
    assert calls[-1] == ("score", 60, 60)
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)


@pytest.mark.parametrize("options", [{"direction": "backward"}, {"batch_tokens": 0}, {"level": 1.1}])
def test_settings_out_of_range(model, options):
    with pytest.raises(ConfigError, match="expected"):
        ct.score_pairs([("a", "b")], model, **options)


@pytest.mark.gpu
def test_gpu_scores_are_those_of_the_cpu(model):
    pairs = [("We will pay.", "Nobody will pay a cent."), ("The dam stands.", "It was built in 1970.")]
    gpu = ct.score_pairs(pairs, ct.load_model(device="cuda"))
    np.testing.assert_allclose(gpu.relations, ct.score_pairs(pairs, model).relations, atol=1e-2)
