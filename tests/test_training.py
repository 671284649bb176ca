from __future__ import annotations

import json
import random
import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contradict import augmentation
from contradict.backends import load_model
from contradict.calibration import Calibrator
from contradict.errors import ConfigError, InputError, ModelError
from contradict.schema import RELATIONS, LabelledPair
from contradict.training import Example, _augment, _BiEncoderTask, _CrossEncoderTask, _draw, _share_dropout, fine_tune, publish, train
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "models"))
from attitudes import attitude_pairs
from rewrites import exchange, negate, recount, rewritten_pairs
from train import split_of_actor, statement_pairs

RECIPE = {
    "name": "tiny",
    "base": str(ROOT / "models" / "claims-minilm"),
    "kind": "cross-encoder",
    "seed": 1,
    "max_length": 48,
    "batch_tokens": 256,
    "freeze": ["embeddings.word_embeddings"],
    "optimiser": {"weight_decay": 0.01, "warmup": 0.1, "clip_norm": 1.0},
}


def test_third_person_keeps_everything_but_the_person():
    assert augmentation.to_third_person("I am ready to talk, and we will pay.") == "he is ready to talk, and they will pay."
    assert augmentation.to_third_person("The dam stands.") == "The dam stands."
    assert augmentation.to_third_person("I juggle.") is None
    assert augmentation.to_third_person("The US I know wants our help.") == "The US he knows wants their help."


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip), st.integers(0, 999))
def test_a_wrapper_keeps_the_words_it_wraps(text, seed):
    wrapped = augmentation.wrap(text, "{S}, {who} said.", "the mayor")
    assert text.strip().removesuffix(".")[1:] in wrapped
    assert augmentation.report(text, random.Random(seed))


def test_wrapping_lowers_function_words_and_keeps_names():
    frame = "{who} said that {s}"
    assert augmentation.wrap("The dam stands.", frame, "the mayor") == "The mayor said that the dam stands."
    assert augmentation.wrap("Lisbon will pay.", frame, "she") == "She said that Lisbon will pay."
    assert augmentation.wrap("I never met him.", frame, "he") == "He said that I never met him."


PAIR = Example("We will pay.", "Nobody will pay.", ("contradiction",), symmetric=True)
IMPLIED = Example("We will pay in May.", "We will pay.", ("entailment",))


def test_swapping_keeps_labels_only_where_they_are_symmetric():
    rng = random.Random(0)
    assert _augment(PAIR, {"swap": 1.0}, rng).allowed == ("contradiction",)
    swapped = _augment(IMPLIED, {"swap": 1.0}, rng)
    assert (swapped.premise, swapped.allowed) == ("We will pay.", ("entailment", "neutral"))
    assert _augment(IMPLIED, {}, rng) == IMPLIED


def test_dropout_is_one_mask_for_all_tokens_of_a_text_and_none_at_zero():
    model = _CrossEncoderTask.load(str(ROOT / "models" / "nli-minilm")).train()
    shared = _share_dropout(model)
    states = torch.ones(3, 5, 384)
    assert all(torch.equal(module(states), states) for module in shared)
    for module in shared:
        module.p = 0.5
        dropped = module(states)
        assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
        assert set(dropped.unique().tolist()) == {0.0, 2.0}
    ids = torch.tensor([[101, 2057, 2097, 102]])
    assert not torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
    model.eval()
    assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_labels_without_their_statements_are_named_before_training(tmp_path):
    actor = next(name for name in map(str, range(100)) if split_of_actor(name) == "train")
    said = [{"text": f"We will build the bridge number {n} before the winter.", "actor": actor, "date": f"2020-01-0{n}"} for n in (1, 2)]
    pq.write_table(pa.Table.from_pylist(said), tmp_path / "statements.parquet")
    with pytest.raises(ValueError, match=r"statements\.jsonl: ([\d,]+) of \1 pairs name statements"):
        statement_pairs(tmp_path, random.Random(0))


def test_draw_follows_weights_and_visits_each_pair_once_per_epoch():
    sources = {"a": [Example(str(i), "x", ("neutral",)) for i in range(10)], "b": [Example("b", "x", ("neutral",))]}
    stream = _draw(sources, {"a": 3.0, "b": 1.0}, random.Random(0))
    drawn = [next(stream).premise for _ in range(4000)]
    assert drawn.count("b") == pytest.approx(1000, abs=120)
    first = [p for p in drawn if p != "b"][:10]
    assert sorted(first) == [str(i) for i in range(10)]
    with pytest.raises(ValueError, match="sources without any pair: c"):
        next(_draw(sources, {"c": 1.0}, random.Random(0)))


def test_batches_keep_their_budget_and_pair_each_row_with_its_labels():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "models" / "nli-minilm")
    rng = random.Random(0)
    rows = {"a": [Example("word " * rng.randint(1, 20), "x", (rng.choice(RELATIONS),)) for _ in range(300)]}
    stream = _CrossEncoderTask(RECIPE, tokenizer, "cpu").batches(_draw(rows, {"a": 1.0}, rng), rng)
    for _ in range(50):
        batch = next(stream)
        ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
        assert ids.numel() <= RECIPE["batch_tokens"] + 4 * batch.size
        assert ids.shape == mask.shape
        assert len(batch.target) == len(ids) == batch.size
        assert (batch.target.sum(1) == 1).all()


def test_statements_of_one_question_are_no_negatives_of_each_other():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "models" / "claims-minilm")
    rows = [
        Example("We will pay.", "Nobody will pay.", (), negative="The pool opens.", topic="pay"),
        Example("We pay.", "We shall pay.", (), topic="pay"),
        Example("Rain falls.", "It rains.", (), negative="It snowed.", topic="rain"),
    ]
    task = _BiEncoderTask(RECIPE | {"batch_pairs": 3}, tokenizer, "cpu")
    batch = next(task.batches(iter(rows), random.Random(0)))
    assert batch.target.tolist() == [
        [True, False, True, True, False, True],
        [False, True, True, False, False, True],
        [True, True, True, True, False, True],
    ]


@pytest.mark.slow
def test_a_bi_encoder_learns_questions(tmp_path):
    rows = [Example(f"Dam {i} will be built.", f"Dam {i} will not be built.", ("contradiction",), topic=str(i)) for i in range(60)]
    recipe = RECIPE | {
        "kind": "bi-encoder", "batch_pairs": 16, "scale": 20.0,
        "stages": [{"name": "one", "visits": 320, "start_rate": 1e-4, "end_rate": 1e-5, "sources": {"dams": 1.0}}],
    }  # fmt: skip
    train(recipe, tmp_path / "run", sources=lambda: {"dams": rows}, development={"dams": rows}, threads=2)
    publish(recipe, tmp_path / "run", tmp_path / "model")

    import contradict as ct

    def margin(name):
        """How much nearer the own partner is than the nearest other one."""
        embedder = ct.load_embedder(name, device="cpu")
        cosine = embedder.encode([r.premise for r in rows], 4096) @ embedder.encode([r.hypothesis for r in rows], 4096).T
        own = cosine.diagonal().copy()
        np.fill_diagonal(cosine, -1)
        return (own - cosine.max(1)).mean()

    assert margin(str(tmp_path / "model")) > margin(None) + 0.02


@pytest.mark.slow
def test_training_learns_resumes_and_publishes(tmp_path):
    """A short run on pairs whose label is plain to see lowers the loss; a stopped run goes on."""
    rows = [
        Example(f"The dam {i} will be built.", f"The dam {i} will not be built.", ("contradiction",), symmetric=True) for i in range(40)
    ]
    rows += [Example(f"The dam {i} will be built.", f"School {i} opened in May.", ("unrelated",), symmetric=True) for i in range(40)]
    recipe = RECIPE | {
        "stages": [{"name": "one", "visits": 800, "start_rate": 3e-4, "end_rate": 1e-5, "sources": {"plain": 1.0}}],
    }
    train(recipe, tmp_path / "run", sources=lambda: {"plain": rows}, development={"plain": rows}, threads=2)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["accuracy"] > 0.9
    longer = recipe | {"stages": [*recipe["stages"], recipe["stages"][0] | {"name": "two", "visits": 60, "average": 0.5}]}
    train(longer, tmp_path / "run", sources=lambda: {"plain": rows}, development={"plain": rows}, threads=2)
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert state["stage"] == 2
    publish(recipe, tmp_path / "run", tmp_path / "model")

    import contradict as ct

    scores = ct.score_pairs([(r.premise, r.hypothesis) for r in rows], ct.load_model(str(tmp_path / "model"), device="cpu"))
    assert (scores.mean().argmax(1)[:40] == RELATIONS.index("contradiction")).mean() > 0.9


LABELLED = [
    LabelledPair(f"The dam at Orlan {i} is ready for use.", text.format(i=i), label, f"{i}{label}")
    for i in range(60)
    for text, label in (
        ("Dam {i} is fit to serve now.", "entailment"),
        ("Dam {i} has not been built.", "contradiction"),
        ("School {i} opened in May.", "unrelated"),
        ("Nobody knows.", "insufficient"),
    )
]


def test_fine_tuning_learns_calibrates_and_keeps_groups_apart(tmp_path):
    folder = tmp_path / "mine"
    seen = []
    done = fine_tune(LABELLED, folder, epochs=1, threads=2, progress=lambda *at: seen.append(at))
    assert sum(done.trained.values()) + sum(done.held_out.values()) == 180, "what teaches nothing is left out"
    assert done.held_out["contradiction"] == done.held_out["unrelated"], "a premise stays on one side of the split"
    assert not done.calibrated
    assert Calibrator.load(folder) == Calibrator.load(ROOT / "models" / "nli-minilm")
    assert done.after.metrics["auc_conflict"].value >= done.before.metrics["auc_conflict"].value
    assert seen[-1][1] == seen[-1][2]
    record = json.loads((folder / "training.json").read_text())
    assert record["trained"] == done.trained
    assert not (tmp_path / "mine.checkpoint").exists()
    for other in (tmp_path / "two", tmp_path / "three"):
        other.with_name(other.name + ".checkpoint").mkdir()
        with pytest.raises(ConfigError, match="unfinished run on other pairs"):
            fine_tune(LABELLED, other)


def test_a_base_without_relations_gets_them_and_is_calibrated_on_enough_pairs(tmp_path):
    done = fine_tune(LABELLED * 8, tmp_path / "new", base="claims-minilm", epochs=0.2, rate=3e-4, threads=2, group="none")
    assert (done.before, done.calibrated) == (None, True)
    assert Calibrator.load(tmp_path / "new").fitted["rule"].startswith("at most 5%")
    assert load_model(str(tmp_path / "new")).labels == RELATIONS
    assert done.after.metrics["specificity_conflict"].value >= 0.95


def test_fine_tuning_says_what_it_cannot_do(tmp_path):
    with pytest.raises(InputError, match="0 usable pairs"):
        fine_tune([], tmp_path / "x")
    with pytest.raises(ConfigError, match="epochs is 0"):
        fine_tune(LABELLED, tmp_path / "x", epochs=0)
    with pytest.raises(ModelError, match="neither a folder, nor shipped weights"):
        fine_tune(LABELLED, tmp_path / "x", base="no-such-model")
    assert not list(tmp_path.iterdir())


def test_negating_a_hypothesis_moves_its_label():
    assert negate("The dam is safe.") == "The dam is not safe."
    assert negate("There are two schools in town.") == "There are no schools in town."
    assert negate("She can swim.") == "She cannot swim."
    for left_alone in ("The dam is not safe.", "Is the dam safe?", "A man who is tall sleeps.", "Rain falls."):
        assert negate(left_alone) is None
    labels = ("entailment", "contradiction", "neutral")
    made = rewritten_pairs([("The dam is old.", "The dam is safe.", label) for label in labels], [], 1)["negated"]
    assert [e.allowed for e in made] == [
        ("contradiction",),
        ("entailment", "neutral"),
        ("neutral", "unrelated"),
        ("neutral", "unrelated"),
    ]
    assert made[3].premise == "The dam is not old."


@given(st.integers(0, 10_000))
def test_rewritten_words_and_numbers_have_the_label_that_arithmetic_gives(seed):
    rng = random.Random(seed)
    new, label = exchange("A red car stands here.", rng)
    assert (label == "contradiction") == (new != "A red automobile stands here.")
    premise, hypothesis, label = recount("The fund paid 40 farmers.", rng)

    def interval(text):
        (number,) = re.findall(r"\d+", text)
        value = int(number)
        bounds = {"at least": (value, 999), "more than": (value + 1, 999), "fewer than": (0, value - 1), "at most": (0, value)}
        bounds["about"] = (value - 5, value + 5)
        return next((b for words, b in bounds.items() if words in text), (value, value))

    (low, high), (least, most) = interval(premise), interval(hypothesis)
    expected = "entailment" if least <= low and high <= most else "contradiction" if high < least or most < low else "neutral"
    assert label == expected
    assert recount("In 1995 the fund paid at least 40 farmers.", rng) is None


def test_generated_attitudes_agree_conflict_or_differ_as_they_are_labelled():
    pairs = attitude_pairs(2000, 5)
    assert pairs == attitude_pairs(2000, 5) != attitude_pairs(2000, 6)
    seen = {p.allowed for p in pairs}
    assert seen == {
        ("entailment", "neutral"),
        ("contradiction", "tension"),
        ("unrelated",),
        ("unrelated", "neutral"),
        ("neutral", "unrelated"),
    }
    negated = [any(w in f"{p.premise} {p.hypothesis}".split() for w in ("not", "no", "No", "never", "Nobody")) for p in pairs]
    for allowed in (("entailment", "neutral"), ("contradiction", "tension"), ("unrelated",)):
        share = sum(n for n, p in zip(negated, pairs, strict=True) if p.allowed == allowed) / sum(p.allowed == allowed for p in pairs)
        assert 0.25 < share < 0.85, "a negation word must not tell the label"
    assert not any("{" in p.premise or "  " in p.premise for p in pairs)
