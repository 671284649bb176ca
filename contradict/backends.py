"""Model folders -> callables. The only module that imports torch, transformers, onnxruntime and openvino, inside functions.

A cross-encoder is an ordinary Hugging Face folder or hub id whose labels have names; a bi-encoder is a
sentence-transformers folder or hub id. What is on disk is used without a network; a hub id that is not
on disk is fetched, and only then is a socket opened.

A cross-encoder is run by one of `BACKENDS` in one of `DTYPES`. ONNX Runtime and OpenVINO read an ONNX graph that
torch writes once per model into the user's cache folder. int8 is chosen by itself only for weights with which it was
measured: backends.json beside them says what it costs (benchmarks/backends.py writes it).
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contradict.errors import ConfigError, MissingDependencyError, ModelError
from contradict.schema import NLI_LABELS, RELATIONS

__all__ = [
    "BACKENDS",
    "DEFAULT_EMBEDDER",
    "DEFAULT_MODEL",
    "DTYPES",
    "LIMITS",
    "PACKAGES",
    "BiEncoder",
    "CrossEncoder",
    "choose_backend",
    "keeps_accuracy",
    "label_names",
    "load_embedder",
    "load_model",
    "locate",
    "matmul_peak",
    "measured",
    "pick_device",
    "shipped",
    "token_batches",
]

DEFAULT_MODEL = "nli-minilm"
DEFAULT_EMBEDDER = "claims-minilm"

DTYPES: dict[str, tuple[str, ...]] = {
    "torch": ("float32", "bfloat16", "float16"),
    "onnx": ("float32", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
}
"""Backend -> the number formats in which it computes."""
PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
"""Backend -> the package that it needs."""
LIMITS = {"accuracy_lost": 0.003, "recall_lost": 0.01, "flags_changed": 0.01, "false_alarms_added": 0.001}
"""What int8 may cost against torch in float32: accuracy on MultiNLI dev; on labelled pairs the share of conflicts that are
flagged; the share of pairs whose flag differs; the share of pairs flagged among statements that hardly ever conflict."""
_CALL = 32  # tokens that could be read in the time that a call of the model takes by itself
_GRAPH = 1  # part of the key of exported graphs; raise it when `_export` changes

_Floats = npt.NDArray[np.float32]
_Forward = Callable[[Mapping[str, npt.NDArray[np.int64]]], _Floats]
"""Padded inputs of a batch by name, i64[n, tokens] each -> logits f32[n, relations]; MemoryError if it does not fit."""

# Names under which published NLI models keep the relations.
_NAMES = {
    "entailment": "entailment", "entail": "entailment", "entails": "entailment", "entailed": "entailment",
    "neutral": "neutral",
    "contradiction": "contradiction", "contradict": "contradiction", "contradicts": "contradiction", "contradictory": "contradiction",
    "tension": "tension",
    "unrelated": "unrelated",
}  # fmt: skip


def token_batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[npt.NDArray[np.int64]]:
    """Cut rows into batches of similar length where the cuts cost least: padding, and a call of the model per batch.

    Args:
        lengths: Tokens of each row.
        batch_tokens: Most tokens of a batch, padding included; a longer row makes a batch of its own.

    Yields:
        Row numbers, longest rows first, so that a batch that is too large for the memory shows at once.
    """
    tokens = np.maximum(np.asarray(lengths, dtype=np.int64), 1)
    order = np.argsort(-tokens, kind="stable")
    longest = tokens[order]
    count = len(order)
    cost = np.zeros(count + 1, dtype=np.int64)  # of the best cuts from a row on, in tokens
    end = np.zeros(count, dtype=np.int64)
    for start in range(count - 1, -1, -1):
        size = min(count - start, max(1, batch_tokens // longest[start]))
        costs = longest[start] * np.arange(1, size + 1) + cost[start + 1 : start + size + 1]
        best = int(costs.argmin())
        cost[start], end[start] = costs[best] + _CALL, start + best + 1
    start = 0
    while start < count:
        yield order[start : end[start]]
        start = int(end[start])


def shipped(name: str) -> Path | None:
    """Folder of weights that come with the package, in the wheel or beside it in a checkout; None for any other name."""
    here = Path(__file__).parent
    for folder in (here / "weights" / name, here.parent / "models" / name):
        if (folder / "config.json").is_file():
            return folder
    return None


def _locate(name: str | None, default: str) -> str:
    """The folder for a path or the name of shipped weights; anything else is taken for a hub id."""
    wanted = name or default
    if Path(wanted).is_dir():
        return wanted
    folder = shipped(wanted)
    if folder is not None:
        return str(folder)
    if name is None:
        raise ModelError(f"the weights {default!r} are missing from this installation; install contradict-nli again, or name a model")
    if os.sep in wanted.rstrip(os.sep) and (wanted.startswith((".", os.sep, "~")) or wanted.count("/") > 1):
        raise ModelError(f"{wanted}: no such model folder")
    return wanted


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingDependencyError("transformers", "models", "running a model") from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def _from_pretrained(loader: Any, where: str, **options: Any) -> Any:
    """Load from disk or the hub's cache; ask the hub only when neither has it."""
    try:
        try:
            return loader.from_pretrained(where, local_files_only=True, **options)
        except OSError:
            if Path(where).is_dir():
                raise
            return loader.from_pretrained(where, **options)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"{where}: cannot be loaded as a model ({first}); expected a Hugging Face folder or hub id") from error


def _fingerprint(where: str) -> str:
    """SHA-256 of the weights of a local folder, "" for a hub id."""
    digest = hashlib.sha256()
    folder = Path(where)
    paths = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    for path in paths if folder.is_dir() else []:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest() if digest.digest() != hashlib.sha256().digest() else ""


_INSTRUCTIONS = {"bfloat16": {"avx512_bf16", "amx_bf16"}, "int8": {"avx512_vnni", "avx_vnni", "amx_int8"}}


def _computes(dtype: str) -> bool:
    """Whether the processor multiplies matrices in a number format; elsewhere it is emulated and slower than float32."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return False
    return bool(flags & _INSTRUCTIONS[dtype])


def keeps_accuracy(figures: Mapping[str, float]) -> bool:
    """Whether what a backend and dtype cost, one figure per key of `LIMITS`, is within them."""
    return all(figures.get(name, np.inf) <= limit for name, limit in LIMITS.items())


def measured(folder: Path | None, fingerprint: str) -> dict[str, dict[str, float]]:
    """What backends.json beside the weights says of each "backend-dtype"; nothing where it belongs to other weights.

    Raises:
        ModelError: The file is broken.
    """
    path = None if folder is None else folder / "backends.json"
    if path is None or not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        ways = {str(way): {str(name): float(value) for name, value in figures.items()} for way, figures in record["ways"].items()}
        return ways if record["model_sha256"] == fingerprint else {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: is no measurement of backends ({error!r}); make it with benchmarks/backends.py, or remove it") from error


def choose_backend(
    device: str, backend: str = "auto", dtype: str = "auto", costs: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[str, str]:
    """The fastest backend and number format that this machine has, within what the user asked for.

    On a CPU that is OpenVINO where it is installed, else torch; in int8 where the processor computes it and it was
    measured to keep the accuracy of these weights, else in bfloat16 where the processor computes that; on CUDA, torch
    in float16.

    Args:
        device: "cpu", "cuda", "cuda:1" or "mps".
        backend: One of `BACKENDS`, or "auto".
        dtype: One of the backend's `DTYPES`, or "auto".
        costs: What each "backend-dtype" was measured to cost with the weights (`measured`).

    Raises:
        ConfigError: The two do not go together, or not with the device.
        MissingDependencyError: The backend's package is not installed.
    """
    if backend not in ("auto", *DTYPES):
        raise ConfigError(f"backend is {backend!r}; expected one of auto, {', '.join(DTYPES)}")
    if dtype not in ("auto", *(d for dtypes in DTYPES.values() for d in dtypes)):
        known = dict.fromkeys(d for dtypes in DTYPES.values() for d in dtypes)
        raise ConfigError(f"dtype is {dtype!r}; expected one of auto, {', '.join(known)}")
    on_cpu = device == "cpu"
    if backend == "auto":
        order = ("openvino", "torch", "onnx") if on_cpu else ("torch",)
        able = [b for b in order if dtype in ("auto", *DTYPES[b])]
        # What is not installed comes last, so that the error names it where nothing else computes the dtype.
        backend = next((b for b in able if find_spec(PACKAGES[b])), able[0] if able else order[0])
    if not on_cpu and backend != "torch":
        raise ConfigError(f"backend {backend!r} runs on cpu only; leave --backend out, or use --device cpu instead of {device}")
    if find_spec(PACKAGES[backend]) is None:
        raise MissingDependencyError(PACKAGES[backend], backend, f"the backend {backend!r}")
    if dtype == "auto":
        if not on_cpu:
            dtype = "float16" if device.startswith("cuda") else "float32"
        elif _computes("int8") and keeps_accuracy((costs or {}).get(f"{backend}-int8", {})):
            dtype = "int8"
        else:
            dtype = "bfloat16" if "bfloat16" in DTYPES[backend] and _computes("bfloat16") else "float32"
    if dtype not in DTYPES[backend]:
        raise ConfigError(f"the backend {backend!r} does not compute in {dtype}; it knows {', '.join(DTYPES[backend])}")
    return backend, dtype


def pick_device(device: str | None) -> str:
    """The device by name; None or "auto" is CUDA where there is one, else the CPU."""
    import torch

    if device in (None, "auto"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    assert device is not None
    try:
        torch.device(device)
    except RuntimeError:
        raise ConfigError(f"unknown device {device!r}; expected cpu, cuda, cuda:N or mps") from None
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device {device!r} was asked for, but torch {torch.__version__} sees no CUDA device; use --device cpu")
    return device


def _set_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        if threads < 1:
            raise ConfigError(f"threads is {threads}; expected 1 or more")
        torch.set_num_threads(threads)


def _length_limit(config: Any, tokenizer: Any) -> int:
    """Tokens that the model can read. RoBERTa counts positions from its padding index."""
    limit = int(getattr(config, "max_position_embeddings", 512) or 512)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        limit -= int(config.pad_token_id or 1) + 1
    return min(limit, int(tokenizer.model_max_length))


def label_names(config: Any, where: str) -> tuple[str, ...]:
    """Relations of a classifier in the order of its outputs, by the names in its config.

    Raises:
        ModelError: The labels have no names, unknown names, or are not at least the three of NLI.
    """
    count = int(config.num_labels)
    names = [str(config.id2label[i]) for i in range(count)]
    if count == 2:
        raise ModelError(
            f"{where}: has two classes ({', '.join(names)}) and cannot tell a contradiction from an unrelated pair; "
            f"use a model with {', '.join(NLI_LABELS)}"
        )
    labels = [_NAMES.get(re.sub(r"[^a-z]", "", name.lower()), "") for name in names]
    if "" in labels or len(set(labels)) < count or not set(NLI_LABELS) <= set(labels):
        raise ModelError(
            f"{where}: its labels are {', '.join(names)}; expected the names {', '.join(NLI_LABELS)} "
            f"(optionally {', '.join(RELATIONS[3:])}) in id2label of config.json"
        )
    return tuple(labels)


def _to_device(arrays: Mapping[str, Any], device: str) -> dict[str, Any]:
    import torch

    tensors = {name: torch.as_tensor(np.asarray(rows), dtype=torch.long) for name, rows in arrays.items()}
    if device.startswith("cuda"):  # from pinned memory the copy runs beside the computation
        return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()}
    return {name: tensor.to(device) for name, tensor in tensors.items()}


@dataclass(slots=True)
class CrossEncoder:
    """An NLI model: pairs of texts -> logits over the relations it knows.

    Attributes:
        name: Path or hub id it was loaded from.
        labels: Its relations in the order of its outputs.
        max_length: Tokens of a pair that it can read.
        device: Where it runs.
        backend: What runs it, a key of `BACKENDS`.
        dtype: Number format in which it computes.
        fingerprint: SHA-256 of its weights, "" for a hub id.
        folder: Local folder, None for a hub id; calibration.json and backends.json lie there.
    """

    name: str
    labels: tuple[str, ...]
    max_length: int
    device: str
    backend: str
    dtype: str
    fingerprint: str
    folder: Path | None
    _tokenizer: Any
    _forward: _Forward

    @property
    def mask(self) -> str:
        """The token that stands for a word the model is not shown."""
        return str(self._tokenizer.mask_token or self._tokenizer.unk_token or self._tokenizer.pad_token)

    def tokenize(self, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, list[list[int]]], npt.NDArray[np.bool_]]:
        """Token ids of pairs and which of them had to be cut (the longer side first) to `max_length`."""
        first, second = [p for p, _ in pairs], [h for _, h in pairs]
        encoded = dict(self._tokenizer(first, second, truncation=False, verbose=False))
        cut = np.array([len(ids) > self.max_length for ids in encoded["input_ids"]], dtype=bool)
        for i in np.flatnonzero(cut):
            short = self._tokenizer(first[i], second[i], truncation="longest_first", max_length=self.max_length)
            for name, rows in encoded.items():
                rows[i] = short[name]
        return {name: rows for name, rows in encoded.items() if name in self._tokenizer.model_input_names}, cut

    def count_tokens(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """i64[n], tokens of each text by itself, without the marks that stand between and around two texts."""
        encoded = self._tokenizer(list(texts), truncation=False, verbose=False, add_special_tokens=False)
        return np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)

    def logits(self, encoded: dict[str, list[list[int]]]) -> _Floats:
        """f32[n, len(labels)] for tokenised rows, padded to their longest; halves a batch that does not fit the memory."""
        padded = self._tokenizer.pad(encoded, return_tensors="np")
        try:
            return self._forward({name: np.asarray(rows, dtype=np.int64) for name, rows in padded.items()})
        except MemoryError:
            n = len(encoded["input_ids"])
            if n == 1:
                raise
            halves = [{name: rows[part] for name, rows in encoded.items()} for part in (slice(None, n // 2), slice(n // 2, None))]
            return np.concatenate([self.logits(half) for half in halves])


@dataclass(slots=True)
class BiEncoder:
    """An embedder: texts -> unit vectors.

    Attributes:
        name: Path or hub id it was loaded from.
        fingerprint: SHA-256 of its weights, "" for a hub id.
    """

    name: str
    fingerprint: str
    _encode: Any

    def encode(self, texts: Sequence[str], batch_tokens: int) -> _Floats:
        """f32[n, d], rows of length 1."""
        vectors: _Floats = self._encode(texts, batch_tokens)
        return vectors


@dataclass(frozen=True, slots=True)
class _Source:
    """What a backend makes a forward pass from.

    Attributes:
        where: Folder or hub id.
        config: Its transformers config.
        inputs: Names of the model's inputs in order.
        fingerprint: SHA-256 of the weights, or the commit of a hub id.
        device: Where it is to run.
        dtype: Number format in which it is to compute.
        threads: CPU threads; None for the backend's default.
    """

    where: str
    config: Any
    inputs: tuple[str, ...]
    fingerprint: str
    device: str
    dtype: str
    threads: int | None


def _module(source: _Source, dtype: str) -> Any:
    """The torch module, ready to infer."""
    transformers = _transformers()
    import torch

    kind = transformers.AutoModelForSequenceClassification
    model = _from_pretrained(kind, source.where, dtype=getattr(torch, dtype)).eval()
    if source.config.model_type in _BERT_LIKE:
        _shorten_last_layer(model)
    return model


_BERT_LIKE = ("bert", "roberta", "xlm-roberta", "camembert", "electra")


def _shorten_last_layer(model: Any) -> None:
    """Compute the last layer for the first token only, which is all that the head of a BERT-like classifier reads.

    The result is the same and a sixth of the work of a model of six layers is spared, less what keys and values need.
    """
    import torch

    layer = model.base_model.encoder.layer[-1]
    attention = layer.attention.self

    def split(states: Any) -> Any:
        return states.unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)

    def forward(states: Any, attention_mask: Any = None, *_: Any, **__: Any) -> Any:
        first = states[:, :1]
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        query, key, value = split(attention.query(first)), split(attention.key(states)), split(attention.value(states))
        mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return layer.feed_forward_chunk(layer.attention.output(mixed.transpose(1, 2).flatten(2), first))

    layer.forward = forward


def _torch(source: _Source) -> _Forward:
    import torch

    model = _module(source, source.dtype).to(source.device)

    def forward(inputs: Mapping[str, npt.NDArray[np.int64]]) -> _Floats:
        try:
            with torch.inference_mode():
                logits: _Floats = model(**_to_device(inputs, source.device)).logits.float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise MemoryError from error
        return logits

    return forward


def _cache_folder() -> Path:
    """Where exported graphs are kept: `contradict` in XDG_CACHE_HOME, in LOCALAPPDATA on Windows, else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    folder = (Path(base) if base else Path.home() / ".cache") / "contradict"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _exported(source: _Source, suffix: str, write: Callable[[Path], None]) -> Path:
    """The graph of a model in the cache folder, made by `write` if it is not there; two processes may make it at once."""
    import torch
    import transformers

    parts = (_GRAPH, source.fingerprint, source.config.to_json_string(), torch.__version__, transformers.__version__)
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]
    path = _cache_folder() / f"{key}{suffix}"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            write(Path(folder) / path.name)
            os.replace(Path(folder) / path.name, path)
    return path


def _graph(source: _Source) -> Path:
    """The model as an ONNX graph in float32, weights included."""

    def write(path: Path) -> None:
        import torch

        example = {name: torch.ones((2, 8), dtype=torch.long) for name in source.inputs}
        axes = {name: {0: "pairs", 1: "tokens"} for name in source.inputs} | {"logits": {0: "pairs"}}

        class Positional(torch.nn.Module):
            """The exporter passes inputs by position; transformers wants them by name."""

            def __init__(self) -> None:
                super().__init__()
                self.model = _module(source, "float32")

            def forward(self, *inputs: Any) -> Any:
                return self.model(**dict(zip(source.inputs, inputs, strict=True))).logits

        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the tracer warns of every Python branch; parity tests watch what they would break
            torch.onnx.export(
                Positional().eval(), tuple(example.values()), str(path), input_names=list(example), output_names=["logits"],
                dynamic_axes=axes, opset_version=17, dynamo=False,
            )  # fmt: skip

    return _exported(source, ".onnx", write)


def _int8_graph(source: _Source) -> Path:
    """The ONNX graph with int8 weights, a scale per channel; activations are quantised as they come."""

    def write(path: Path) -> None:
        if find_spec("onnx") is None:
            raise MissingDependencyError("onnx", "onnx", "quantising to int8")
        from onnxruntime.quantization import QuantType, quantize_dynamic

        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it advises, on the root logger, a step that brings nothing here
        try:
            quantize_dynamic(_graph(source), path, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul"])
        finally:
            root.setLevel(level)

    return _exported(source, ".int8.onnx", write)


def _onnx(source: _Source) -> _Forward:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = source.threads or 0
    options.log_severity_level = 3
    path = _int8_graph(source) if source.dtype == "int8" else _graph(source)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(inputs: Mapping[str, npt.NDArray[np.int64]]) -> _Floats:
        logits: _Floats = session.run(None, dict(inputs))[0]
        return logits

    return forward


def _quantize_weights(graph: Any) -> None:
    """Replace the float weights of an OpenVINO graph's matrix products by int8 weights with a scale per part of a row.

    OpenVINO then quantises the other factor as it comes, in the same parts, so that a score does not depend on its batch.
    """
    from openvino import opset13 as op

    for node in graph.get_ordered_ops():
        weights = node.input_value(1).get_node() if node.get_type_name() == "MatMul" else None
        if weights is None or weights.get_type_name() != "Constant" or weights.data.ndim != 2 or min(weights.data.shape) < _SMALLEST:
            continue
        across = node.get_attributes()
        rows = weights.data if across["transpose_b"] else weights.data.T
        parts = rows.reshape(len(rows), -1, _TOGETHER if rows.shape[1] % _TOGETHER == 0 else rows.shape[1])
        scale = np.maximum(np.abs(parts).max(axis=2, keepdims=True), np.finfo(np.float32).tiny) / 127
        whole = op.constant(np.round(parts / scale).astype(np.int8))
        product = op.multiply(op.convert(whole, "f32"), op.constant(scale.astype(np.float32)))
        product = op.reshape(product, op.constant(np.array(rows.shape)), False)
        node.output(0).replace(op.matmul(node.input_value(0), product, across["transpose_a"], True).output(0))


_SMALLEST = 64  # side of a weight matrix worth quantising
_TOGETHER = 64  # weights or activations that share a scale: two fifths less error than with one a row, at a twentieth of the speed


def _openvino(source: _Source) -> _Forward:
    import openvino

    core = openvino.Core()
    graph = core.read_model(_graph(source))
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if source.dtype == "int8":
        _quantize_weights(graph)
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _TOGETHER
    # What is not quantised stays in the fastest float that the processor computes.
    narrow = source.dtype == "bfloat16" or (source.dtype == "int8" and _computes("bfloat16"))
    options["INFERENCE_PRECISION_HINT"] = "bf16" if narrow else "f32"
    if source.threads is not None:
        options["INFERENCE_NUM_THREADS"] = source.threads
    request = core.compile_model(graph, "CPU", options).create_infer_request()

    def forward(inputs: Mapping[str, npt.NDArray[np.int64]]) -> _Floats:
        logits: _Floats = request.infer(dict(inputs))[0].astype(np.float32)
        return logits

    return forward


def locate(name: str | None = None) -> str:
    """The folder of a cross-encoder by path or name of shipped weights; anything else is taken for a hub id."""
    return _locate(name, DEFAULT_MODEL)


def matmul_peak(dtype: str, device: str = "cpu") -> float:
    """Floating-point operations per second of the best of some large matrix products in torch."""
    import time

    import torch

    a, b = (torch.ones((2048, 2048), dtype=getattr(torch, dtype), device=device) for _ in range(2))
    best = 0.0
    for _ in range(6):
        start = time.perf_counter()
        (a @ b)[0, 0].item()
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start))
    return best


BACKENDS: dict[str, Callable[[_Source], _Forward]] = {"torch": _torch, "onnx": _onnx, "openvino": _openvino}
"""What runs a cross-encoder: a model folder, device, dtype and threads -> the forward pass over a padded batch."""


@functools.cache
def load_model(
    name: str | None = None,
    *,
    device: str | None = None,
    threads: int | None = None,
    backend: str = "auto",
    dtype: str = "auto",
) -> CrossEncoder:
    """Load a cross-encoder with three or more named relations.

    Args:
        name: Folder, name of shipped weights or hub id; None for the shipped `nli-minilm`.
        device: "cpu", "cuda", "cuda:1", "mps"; None picks CUDA where there is one.
        threads: CPU threads; None leaves the backend's default.
        backend: "torch", "onnx", "openvino", or "auto" for the fastest that is installed (`choose_backend`).
        dtype: "float32", "bfloat16", "float16", "int8", or "auto" for the fastest that keeps the accuracy.

    Raises:
        ModelError: There is no such model, or its labels cannot serve.
        ConfigError: The device, the number of threads, or backend and dtype are impossible.
        MissingDependencyError: The backend's package is not installed.
    """
    transformers = _transformers()
    _set_threads(threads)
    where = _locate(name, DEFAULT_MODEL)
    config = _from_pretrained(transformers.AutoConfig, where)
    labels = label_names(config, where)
    target = pick_device(device)
    folder = Path(where) if Path(where).is_dir() else None
    fingerprint = _fingerprint(where)
    backend, dtype = choose_backend(target, backend, dtype, measured(folder, fingerprint))
    tokenizer = _from_pretrained(transformers.AutoTokenizer, where)
    inputs = tuple(key for key in tokenizer("a", "b") if key in tokenizer.model_input_names)
    identity = fingerprint or f"{where}@{getattr(config, '_commit_hash', None)}"
    forward = BACKENDS[backend](_Source(where, config, inputs, identity, target, dtype, threads))
    return CrossEncoder(
        name or DEFAULT_MODEL, labels, _length_limit(config, tokenizer), target, backend, dtype, fingerprint, folder, tokenizer, forward
    )


def _pooling(where: str) -> str | None:
    """The pooling, "mean" or "cls", of a plain sentence-transformers folder; None for one with further layers."""
    folder = Path(where)
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kinds = [str(m["type"]).rsplit(".", 1)[-1] for m in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        return None
    modes = {key for key, value in pooling.items() if key.startswith("pooling_mode_") and value is True}
    if pooling.get("pooling_mode"):
        modes = {f"pooling_mode_{pooling['pooling_mode']}"}
    if modes in ({"pooling_mode_mean_tokens"}, {"pooling_mode_mean"}):
        return "mean"
    return "cls" if modes in ({"pooling_mode_cls_token"}, {"pooling_mode_cls"}) else None


@functools.cache
def load_embedder(name: str | None = None, *, device: str | None = None, threads: int | None = None) -> BiEncoder:
    """Load a bi-encoder.

    Folders of the plain kind (transformer, mean or CLS pooling) are run here, which spares the
    seconds that importing sentence-transformers takes; every other model is run by that package.

    Args:
        name: Folder, name of shipped weights or hub id; None for the shipped `claims-minilm`.
        device: "cpu", "cuda", "cuda:1", "mps"; None picks CUDA where there is one.
        threads: CPU threads; None leaves torch's default.

    Raises:
        ModelError: There is no such model.
        ConfigError: The device or the number of threads is impossible.
    """
    transformers = _transformers()
    import torch

    _set_threads(threads)
    where = _locate(name, DEFAULT_EMBEDDER)
    target = pick_device(device)
    pooling = _pooling(where)
    if pooling is None:
        from sentence_transformers import SentenceTransformer

        try:
            model = SentenceTransformer(where, device=target)
        except (OSError, ValueError) as error:
            raise ModelError(f"{where}: cannot be loaded as an embedder ({str(error).strip().splitlines()[0]})") from error

        def run(texts: Sequence[str], batch_tokens: int) -> _Floats:
            vectors = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
            return np.asarray(vectors, dtype=np.float32)

    else:
        tokenizer = _from_pretrained(transformers.AutoTokenizer, where)
        model = _from_pretrained(transformers.AutoModel, where, dtype=torch.float32).to(target).eval()
        limit = _length_limit(model.config, tokenizer)

        def run(texts: Sequence[str], batch_tokens: int) -> _Floats:
            encoded = tokenizer(list(texts), truncation=True, max_length=limit)
            out = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
            for rows in token_batches([len(ids) for ids in encoded["input_ids"]], batch_tokens):
                part = {key: [encoded[key][i] for i in rows] for key in encoded if key in tokenizer.model_input_names}
                batch = _to_device(tokenizer.pad(part, return_tensors="np"), target)
                with torch.inference_mode():
                    states = model(**batch).last_hidden_state
                    mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
                    pooled = states[:, 0] if pooling == "cls" else (states * mask).sum(1) / mask.sum(1)
                    out[rows] = torch.nn.functional.normalize(pooled, dim=-1).float().cpu().numpy()
            return out

    return BiEncoder(name or DEFAULT_EMBEDDER, _fingerprint(where), run)
