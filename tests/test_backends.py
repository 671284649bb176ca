"""Model folders of every supported family, made here: tiny, random, with real tokenizers."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

import contradict as ct
from contradict import backends
from contradict.errors import ConfigError, MissingDependencyError, ModelError
from tests.conftest import ROOT, SEEDS

FAMILIES = {
    "bert": (transformers.BertConfig, {"max_position_embeddings": 64}),
    "roberta": (transformers.RobertaConfig, {"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}),
    "deberta": (
        transformers.DebertaV2Config,
        {"max_position_embeddings": 64, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0},
    ),
    "modernbert": (
        transformers.ModernBertConfig,
        {"max_position_embeddings": 64, "pad_token_id": 1, "cls_token_id": 0, "sep_token_id": 2, "bos_token_id": 0, "eos_token_id": 2},
    ),
}
ORDER = ("contradiction", "entailment", "neutral")
PAIRS = [("We will pay.", "We will not pay."), ("The dam is built.", "The dam was never built at all, the minister said."), ("a", "b")]


def make_model(folder, family, labels=ORDER):
    """A random two-layer model of a family, saved as a Hugging Face folder."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.train([str(SEEDS / "ceasefire.txt")], trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False))
    middle = "</s> </s>" if family == "roberta" else "</s>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=f"<s> $A {middle} $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = ["input_ids", "attention_mask"]
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>", model_input_names=names
    )
    fast.save_pretrained(folder)
    kind, options = FAMILIES[family]
    torch.manual_seed(len(family))
    config = kind(
        vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, num_labels=len(labels),
        id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)}, **options,
    )  # fmt: skip
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():  # random heads are nearly flat; make the three classes differ
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_scores_as_transformers_does_with_labels_by_name(tmp_path, family):
    folder = make_model(tmp_path / family, family)
    model = ct.load_model(str(folder), device="cpu", backend="torch", dtype="float32")
    assert model.labels == ORDER
    assert model.max_length == 64
    scores = ct.score_pairs(PAIRS, model, direction="forward")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    reference = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    for pair, row in zip(PAIRS, scores.relations[:, 0], strict=True):
        with torch.inference_mode():
            contradiction, entailment, neutral = reference(**tokenizer(*pair, return_tensors="pt")).logits.softmax(-1)[0].tolist()
        np.testing.assert_allclose(row, [entailment, neutral, contradiction, 0, 0], atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_longer_pairs_than_the_model_reads_are_cut_and_counted(tmp_path, family):
    model = ct.load_model(str(make_model(tmp_path / family, family)), device="cpu")
    scores = ct.score_pairs([("word " * 500, "short"), ("short", "one")], model)  # one sentence that is too long by itself
    assert scores.truncated.tolist() == [True, False]
    assert np.isfinite(scores.relations).all()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (("entailment", "not_entailment"), "has two classes"),
        (("LABEL_0", "LABEL_1", "LABEL_2"), "its labels are LABEL_0, LABEL_1, LABEL_2"),
        (("entailment", "neutral", "entails"), "expected the names entailment, neutral, contradiction"),
        (("positive", "neutral", "negative"), "its labels are positive"),
    ],
)
def test_models_whose_labels_cannot_serve_are_refused_with_the_reason(tmp_path, labels, says):
    folder = make_model(tmp_path / "m", "bert", labels)
    with pytest.raises(ModelError, match=says):
        ct.load_model(str(folder), device="cpu")


def test_label_names_of_published_models_are_known(tmp_path):
    folder = make_model(tmp_path / "m", "bert", ("CONTRADICTION", "Entailment", "neutral"))
    assert ct.load_model(str(folder), device="cpu").labels == ORDER


def test_missing_folder_unknown_device_and_broken_folder(tmp_path):
    with pytest.raises(ModelError, match="no such model folder"):
        ct.load_model(str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="cannot be loaded as a model"):
        ct.load_model(str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="unknown device"):
        ct.load_model(device="toaster")
    with pytest.raises(ConfigError, match="threads"):
        ct.load_model(threads=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(ConfigError, match="sees no CUDA device"):
        ct.load_model(device="cuda")


def test_shipped_weights_are_fingerprinted_and_named(model, embedder):
    assert model.labels == ("entailment", "neutral", "contradiction", "tension", "unrelated")
    assert len(model.fingerprint) == len(embedder.fingerprint) == 64
    assert (model.folder / "calibration.json").is_file()


@given(st.lists(st.integers(0, 90), max_size=60), st.integers(1, 400))
def test_token_batches_cover_each_row_once_within_the_budget(lengths, budget):
    batches = list(backends.token_batches(lengths, budget))
    assert sorted(i for rows in batches for i in rows) == list(range(len(lengths)))
    assert all(len(rows) * max(lengths[i] for i in rows) <= budget or len(rows) == 1 for rows in batches)


def test_little_is_spent_on_padding_even_for_few_pairs():
    rng = np.random.default_rng(0)
    for count in (200, 2000):
        lengths = np.clip(rng.normal(49, 12, count), 20, 120).astype(int)
        batches = list(backends.token_batches(lengths.tolist(), 2048))
        padded = sum(len(rows) * lengths[rows].max() for rows in batches)
        assert padded / lengths.sum() < 1.03
        assert len(batches) < 12 + 1.3 * lengths.sum() / 2048


def test_embedder_equals_sentence_transformers(embedder):
    from sentence_transformers import SentenceTransformer

    texts = ["We will pay.", "No one will have to move before the dam is built.", ""]
    reference = SentenceTransformer(str(ROOT / "models" / "claims-minilm"), device="cpu").float().encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(embedder.encode(texts, 512), reference, atol=2e-4)


def test_embedder_with_further_layers_is_run_by_sentence_transformers(tmp_path):
    from sentence_transformers import SentenceTransformer, models

    base = SentenceTransformer(str(ROOT / "models" / "claims-minilm"), device="cpu").float()
    dense = models.Dense(384, 16)
    SentenceTransformer(modules=[*base.children(), dense]).save(str(tmp_path / "dense"))
    vectors = ct.load_embedder(str(tmp_path / "dense"), device="cpu").encode(["We will pay."], 512)
    assert vectors.shape == (1, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors), 1, atol=1e-5)


def test_a_batch_that_does_not_fit_the_memory_is_halved(model):
    plain = ct.score_pairs(PAIRS, model).relations
    sizes = []

    def small(inputs):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 1:
            raise MemoryError
        return model._forward(inputs)

    halving = dataclasses.replace(model, _forward=small)
    np.testing.assert_allclose(ct.score_pairs(PAIRS, halving).relations, plain, atol=1e-5)
    assert max(sizes) > 1


TOLERANCE = {"float32": 1e-4, "bfloat16": 0.06, "float16": 0.02, "int8": 0.5}
"""Largest change of a probability against torch in float32. int8 is bounded loosely: what it costs is measured, not tested."""
WAYS = [(backend, dtype) for backend, dtypes in backends.DTYPES.items() for dtype in dtypes]


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    """A backend and a dtype that are installed."""
    pytest.importorskip(backends.PACKAGES[request.param[0]])
    return request.param


def lines(count):
    """Pairs of many lengths, so that batches are padded."""
    labelled = ct.read_labelled_pairs(SEEDS / "labelled_pairs.jsonl")[:count]
    return [(" ".join([p.premise] * (1 + i % 3)), p.hypothesis) for i, p in enumerate(labelled)]


def test_every_backend_scores_as_torch_in_float32_does(model, way):
    backend, dtype = way
    loaded = ct.load_model(device="cpu", backend=backend, dtype=dtype)
    assert (loaded.backend, loaded.dtype) == way
    pairs = lines(24)
    expected, got = (ct.score_pairs(pairs, m, batch_tokens=512).relations for m in (model, loaded))
    np.testing.assert_allclose(got, expected, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_every_family_is_exported_with_its_attention_to_padding(tmp_path, monkeypatch, family, backend):
    pytest.importorskip(backends.PACKAGES[backend])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = str(make_model(tmp_path / family, family))
    plain = ct.load_model(folder, device="cpu", backend="torch", dtype="float32")
    exported = ct.load_model(folder, device="cpu", backend=backend, dtype="float32")
    expected, got = (ct.score_pairs(PAIRS, m).relations for m in (plain, exported))
    np.testing.assert_allclose(got, expected, atol=2e-4)
    (graph,) = (tmp_path / "cache" / "contradict").iterdir()
    written = graph.stat().st_mtime_ns
    ct.load_model.cache_clear()
    ct.load_model(folder, device="cpu", backend=backend, dtype="float32")
    assert graph.stat().st_mtime_ns == written


GOOD = {"openvino-int8": backends.LIMITS}
BAD = {"openvino-int8": backends.LIMITS | {"flags_changed": backends.LIMITS["flags_changed"] + 0.001}}


@pytest.mark.parametrize(
    ("installed", "computed", "asked", "chosen"),
    [
        ({"torch"}, (), ("cpu",), ("torch", "float32")),
        ({"torch"}, ("bfloat16", "int8"), ("cpu",), ("torch", "bfloat16")),
        ({"torch", "openvino"}, ("bfloat16",), ("cpu",), ("openvino", "bfloat16")),
        ({"torch", "openvino"}, ("bfloat16", "int8"), ("cpu",), ("openvino", "bfloat16")),
        ({"torch", "openvino", "onnxruntime"}, (), ("cpu",), ("openvino", "float32")),
        ({"torch", "onnxruntime"}, ("bfloat16",), ("cpu", "auto", "int8"), ("onnx", "int8")),
        ({"torch", "onnxruntime"}, ("bfloat16",), ("cpu", "onnx"), ("onnx", "float32")),
        ({"torch", "openvino"}, ("bfloat16",), ("cuda",), ("torch", "float16")),
        ({"torch", "openvino"}, ("bfloat16",), ("cuda:1", "auto", "float32"), ("torch", "float32")),
        ({"torch", "openvino"}, ("bfloat16", "int8"), ("cpu", "auto", "auto", GOOD), ("openvino", "int8")),
        ({"torch", "openvino"}, ("bfloat16",), ("cpu", "auto", "auto", GOOD), ("openvino", "bfloat16")),
        ({"torch", "openvino"}, ("bfloat16", "int8"), ("cpu", "torch", "auto", GOOD), ("torch", "bfloat16")),
        ({"torch", "openvino"}, ("bfloat16", "int8"), ("cuda", "auto", "auto", GOOD), ("torch", "float16")),
        ({"torch", "openvino"}, ("int8",), ("cpu", "auto", "auto", BAD), ("openvino", "float32")),
        ({"torch", "openvino"}, ("int8",), ("cpu", "auto", "auto", {"openvino-int8": {"accuracy_lost": 0.0}}), ("openvino", "float32")),
    ],
)
def test_the_fastest_way_that_the_machine_has_is_chosen(monkeypatch, installed, computed, asked, chosen):
    monkeypatch.setattr(backends, "find_spec", lambda package: package if package in installed else None)
    monkeypatch.setattr(backends, "_computes", lambda dtype: dtype in computed)
    assert backends.choose_backend(*asked) == chosen


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("cpu", "jax"), "backend is 'jax'; expected one of auto, torch"),
        (("cpu", "torch", "float8"), "dtype is 'float8'; expected one of auto, float32"),
        (("cpu", "torch", "int8"), "does not compute in int8; it knows float32"),
        (("cuda", "auto", "int8"), "does not compute in int8"),
        (("cuda", "openvino"), "runs on cpu only"),
    ],
)
def test_a_way_that_does_not_exist_is_refused(asked, says):
    with pytest.raises(ConfigError, match=says):
        backends.choose_backend(*asked)


def test_a_backend_that_is_not_installed_names_the_command(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda package: None if package == "openvino" else package)
    with pytest.raises(MissingDependencyError, match=r"pip install 'contradict-nli\[openvino\]'"):
        backends.choose_backend("cpu", "openvino")


def test_int8_is_chosen_only_for_the_weights_that_it_was_measured_with(tmp_path, monkeypatch):
    folder = make_model(tmp_path / "m", "bert")
    weights = ct.load_model(str(folder), device="cpu", backend="torch", dtype="float32").fingerprint
    record = {"model_sha256": weights, "ways": GOOD}
    assert backends.measured(folder, weights) == {}
    (folder / "backends.json").write_text(json.dumps(record))
    assert backends.measured(folder, weights) == GOOD
    assert backends.measured(folder, "other") == {}
    assert backends.measured(None, "") == {}
    (folder / "backends.json").write_text(json.dumps({"model_sha256": weights, "ways": ["int8"]}))
    with pytest.raises(ModelError, match=r"backends\.json: is no measurement"):
        backends.measured(folder, weights)


def test_broken_calibration_is_named(tmp_path):
    folder = make_model(tmp_path / "m", "bert")
    (folder / "calibration.json").write_text(json.dumps({"slope": 1}))
    with pytest.raises(ModelError, match=r"calibration\.json"):
        ct.Calibrator.load(folder)
    shutil.rmtree(folder)
