"""Model folders -> callables. The only module that imports torch and transformers, inside functions.

A cross-encoder is an ordinary Hugging Face folder or hub id whose labels have names; a bi-encoder is a
sentence-transformers folder or hub id. What is on disk is used without a network; a hub id that is not
on disk is fetched, and only then is a socket opened.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contradict.errors import ConfigError, MissingDependencyError, ModelError
from contradict.schema import NLI_LABELS, RELATIONS

__all__ = [
    "DEFAULT_EMBEDDER",
    "DEFAULT_MODEL",
    "BiEncoder",
    "CrossEncoder",
    "label_names",
    "load_embedder",
    "load_model",
    "shipped",
    "token_batches",
]

DEFAULT_MODEL = "nli-minilm"
DEFAULT_EMBEDDER = "claims-minilm"

_Floats = npt.NDArray[np.float32]

# Names under which published NLI models keep the relations.
_NAMES = {
    "entailment": "entailment", "entail": "entailment", "entails": "entailment", "entailed": "entailment",
    "neutral": "neutral",
    "contradiction": "contradiction", "contradict": "contradiction", "contradicts": "contradiction", "contradictory": "contradiction",
    "tension": "tension",
    "unrelated": "unrelated",
}  # fmt: skip


def token_batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[npt.NDArray[np.int64]]:
    """Cut rows into batches of similar length so that little is spent on padding.

    Args:
        lengths: Tokens of each row.
        batch_tokens: Most tokens of a batch, padding included; a longer row makes a batch of its own.

    Yields:
        Row numbers, longest rows first, so that a batch that is too large for the memory shows at once.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        size = max(1, batch_tokens // longest)
        yield order[start : start + size]
        start += size


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
    for path in sorted(Path(where).glob("*.safetensors")) if Path(where).is_dir() else []:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest() if digest.digest() != hashlib.sha256().digest() else ""


def _device(device: str | None) -> str:
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


def _to_device(arrays: dict[str, Any], device: str) -> dict[str, Any]:
    import torch

    return {name: torch.as_tensor(np.asarray(rows), dtype=torch.long).to(device, non_blocking=True) for name, rows in arrays.items()}


@dataclass(slots=True)
class CrossEncoder:
    """An NLI model: pairs of texts -> logits over the relations it knows.

    Attributes:
        name: Path or hub id it was loaded from.
        labels: Its relations in the order of its outputs.
        max_length: Tokens of a pair that it can read.
        device: Where it runs.
        fingerprint: SHA-256 of its weights, "" for a hub id.
        folder: Local folder, None for a hub id; calibration.json lies there.
    """

    name: str
    labels: tuple[str, ...]
    max_length: int
    device: str
    fingerprint: str
    folder: Path | None
    _tokenizer: Any
    _model: Any

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

    def logits(self, encoded: dict[str, list[list[int]]]) -> _Floats:
        """f32[n, len(labels)] for tokenised rows, padded to their longest; halves a batch that does not fit the memory."""
        import torch

        padded = self._tokenizer.pad(encoded, return_tensors="np")
        try:
            with torch.inference_mode():
                out = self._model(**_to_device(padded, self.device)).logits.float()
        except torch.OutOfMemoryError:
            n = len(encoded["input_ids"])
            if n == 1:
                raise
            halves = [{name: rows[part] for name, rows in encoded.items()} for part in (slice(None, n // 2), slice(n // 2, None))]
            return np.concatenate([self.logits(half) for half in halves])
        logits: _Floats = out.cpu().numpy()
        return logits


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


@functools.cache
def load_model(name: str | None = None, *, device: str | None = None, threads: int | None = None) -> CrossEncoder:
    """Load a cross-encoder with three or more named relations.

    Args:
        name: Folder, name of shipped weights or hub id; None for the shipped `nli-minilm`.
        device: "cpu", "cuda", "cuda:1", "mps"; None picks CUDA where there is one.
        threads: CPU threads; None leaves torch's default.

    Raises:
        ModelError: There is no such model, or its labels cannot serve.
        ConfigError: The device or the number of threads is impossible.
    """
    transformers = _transformers()
    import torch

    _set_threads(threads)
    where = _locate(name, DEFAULT_MODEL)
    config = _from_pretrained(transformers.AutoConfig, where)
    labels = label_names(config, where)
    target = _device(device)
    dtype = torch.float16 if target.startswith("cuda") else torch.float32
    tokenizer = _from_pretrained(transformers.AutoTokenizer, where)
    model = _from_pretrained(transformers.AutoModelForSequenceClassification, where, dtype=dtype)
    model = model.to(target).eval()
    folder = Path(where) if Path(where).is_dir() else None
    return CrossEncoder(
        name or DEFAULT_MODEL, labels, _length_limit(config, tokenizer), target, _fingerprint(where), folder, tokenizer, model
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
    target = _device(device)
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
