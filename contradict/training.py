"""Training of cross-encoders over statement pairs, and of bi-encoders that bring them together.

A training pair names the set of relations its label allows; the loss is the negative log of the
probability that the model gives to that set. So corpora with coarser labels ("not entailment",
a neutral that may be unrelated) train exactly what they know. A bi-encoder learns which statements are on
one question, whether they agree or not, against all others of its batch (multiple negatives ranking,
Henderson et al., "Efficient Natural Language Response Suggestion", 2017).

Speed on a CPU comes from four choices, in the order of what they bring: bf16 weights with an fp32
master copy, eager attention (its bf16 backward is faster than the fused one for short sequences),
batches of equal length cut by a token budget, and frozen word embeddings, whose optimiser step
would touch half of all parameters.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from contradict.augmentation import report
from contradict.backends import DEFAULT_MODEL, label_names, load_model, shipped, token_batches
from contradict.calibration import Calibrator, calibrate
from contradict.errors import ConfigError, InputError, ModelError, Problem
from contradict.evaluation import Evaluation, conflicts, evaluate
from contradict.schema import RELATIONS, LabelledPair
from contradict.scoring import score_pairs

if TYPE_CHECKING:
    import torch

__all__ = ["ALLOWED", "Example", "FineTuning", "fine_tune", "publish", "train"]

_log = logging.getLogger(__name__)
_POOL = 64  # batches drawn and sorted by length together
_STRETCH = 48  # texts of similar length that a bi-encoder reads together
_SAVE_SECONDS = 600
_CALIBRATION_PAIRS = 40  # held-out conflicts, and as many others, below which a curve would be fitted to noise
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")
_SENTENCE_TRANSFORMERS: dict[str, Any] = {
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
}


ALLOWED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "entailment": ("entailment",),
        "neutral": ("neutral", "unrelated"),
        "contradiction": ("contradiction",),
        "tension": ("tension",),
        "change": ("contradiction", "tension"),
        "compatible": ("neutral",),
        "unrelated": ("unrelated",),
        "not_entailment": tuple(r for r in RELATIONS if r != "entailment"),
    }
)
"""The relations that each gold label allows. An NLI neutral may be unrelated; two-way labels leave three classes open."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training pair.

    Attributes:
        premise: First statement.
        hypothesis: Second statement.
        allowed: The relations that the label allows; the loss wants their total probability near 1.
        symmetric: Whether the sides may change places without changing `allowed`.
        weight: Chance that the pair is kept when it is drawn.
        negative: For bi-encoders: a statement on another question that looks alike; "" for none.
        topic: For bi-encoders: the question; statements of one topic are no negatives of each other.
    """

    premise: str
    hypothesis: str
    allowed: tuple[str, ...]
    symmetric: bool = False
    weight: float = 1.0
    negative: str = ""
    topic: str = ""


def _draw(sources: Mapping[str, Sequence[Example]], weights: Mapping[str, float], rng: random.Random) -> Iterator[Example]:
    """Draw pairs by source weight for ever; within a source each pair comes once per epoch."""
    names = list(weights)
    missing = [name for name in names if not sources.get(name)]
    if missing:
        raise ValueError(f"recipe names sources without any pair: {', '.join(missing)}; known: {', '.join(sorted(sources))}")

    def epochs(rows: Sequence[Example]) -> Iterator[Example]:
        order = list(range(len(rows)))
        while True:
            rng.shuffle(order)
            for i in order:
                if rows[i].weight >= 1 or rng.random() < rows[i].weight:
                    yield rows[i]

    streams = {name: epochs(sources[name]) for name in names}
    while True:
        (name,) = rng.choices(names, weights=[weights[n] for n in names])
        yield next(streams[name])


def _augment(example: Example, stage: Mapping[str, Any], rng: random.Random) -> Example:
    a, b, allowed = example.premise, example.hypothesis, example.allowed
    wrapped = stage.get("wrap", 0.0)
    a = report(a, rng) if rng.random() < wrapped and len(a) < 300 else a
    b = report(b, rng) if rng.random() < wrapped and len(b) < 300 else b
    if rng.random() < stage.get("swap", 0.0):
        a, b = b, a
        if not example.symmetric:
            # An entailment or a neutral read backwards is some relation short of conflict.
            conflict = {"contradiction", "tension"} & set(allowed)
            allowed = tuple(RELATIONS) if conflict else ("entailment", "neutral", *(r for r in allowed if r == "unrelated"))
    return replace(example, premise=a, hypothesis=b, allowed=allowed)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Inputs of one step; `target` means what the task says, `size` is how many pairs it holds."""

    inputs: dict[str, torch.Tensor]
    target: torch.Tensor
    size: int


def _pad(encoded: Mapping[str, Sequence[Sequence[int]]], rows: Sequence[int], device: str) -> dict[str, torch.Tensor]:
    """Rows of a tokeniser's output as tensors, padded with zeros to a multiple of four."""
    import torch

    width = max(len(encoded["input_ids"][i]) for i in rows)
    width += -width % 4
    out = {}
    for name, values in encoded.items():
        out[name] = torch.zeros(len(rows), width, dtype=torch.long)
        for r, i in enumerate(rows):
            out[name][r, : len(values[i])] = torch.tensor(values[i])
    return {name: tensor.to(device) for name, tensor in out.items()}


def _quiet(folder: str) -> dict[str, Any]:
    """Options that load a base without dropout, under the names that its configuration has for it."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    return {"attn_implementation": "eager", **{name: 0.0 for name in _DROPOUTS if hasattr(config, name)}}


def _share_dropout(model: torch.nn.Module) -> list[Any]:
    """Let all tokens of a text share one dropout mask (Gal and Ghahramani 2016), and return the modules that do it.

    Random numbers for each token and each attention weight would take a CPU a good part of a training step. Attention
    weights get no dropout. The modules do nothing until their `p` is set.
    """
    import torch

    class SharedDropout(torch.nn.Module):
        p = 0.0

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            if not self.training or self.p == 0:
                return states
            shape = (states.shape[0], *(1 for _ in states.shape[1:-1]), states.shape[-1])
            kept = torch.empty(shape, device=states.device, dtype=states.dtype).bernoulli_(1 - self.p)
            return states * (kept / (1 - self.p))

    shared = []
    for name, module in list(model.named_modules()):
        parent, _, attribute = name.rpartition(".")
        if isinstance(module, torch.nn.Dropout) and not parent.endswith(".self"):
            shared.append(SharedDropout())
            setattr(model.get_submodule(parent), attribute, shared[-1])
    return shared


class _CrossEncoderTask:
    """Pairs -> relations; the loss is -log of the probability of the allowed set.

    A base that tells NLI relations apart keeps its own; any other base gets a new head for all of `RELATIONS`.
    """

    def __init__(self, recipe: Mapping[str, Any], tokenizer: Any, device: str) -> None:
        from transformers import AutoConfig

        self.recipe, self.tokenizer, self.device = recipe, tokenizer, device
        self.labels = self._labels(AutoConfig.from_pretrained(base_path(recipe["base"])))

    @staticmethod
    def _labels(config: Any) -> tuple[str, ...]:
        try:
            return label_names(config, "")
        except ModelError:
            return RELATIONS

    @classmethod
    def load(cls, folder: str) -> Any:
        from transformers import AutoConfig, AutoModelForSequenceClassification

        labels = cls._labels(AutoConfig.from_pretrained(folder))
        names = {"id2label": dict(enumerate(labels)), "label2id": {r: i for i, r in enumerate(labels)}}
        return AutoModelForSequenceClassification.from_pretrained(folder, **names, **_quiet(folder))

    def _columns(self, allowed: Sequence[str]) -> list[bool]:
        """Which outputs a set of relations allows; one that the model does not know allows its neighbours."""
        wide = {"tension": ("contradiction", "neutral"), "unrelated": ("neutral",)}
        known = {name for r in allowed for name in ((r,) if r in self.labels else wide[r])}
        return [label in known for label in self.labels]

    def _encode(self, rows: Sequence[Example]) -> dict[str, list[list[int]]]:
        first, second = [r.premise for r in rows], [r.hypothesis for r in rows]
        return dict(self.tokenizer(first, second, truncation="longest_first", max_length=self.recipe["max_length"]))

    def batches(self, stream: Iterator[Example], rng: random.Random) -> Iterator[_Batch]:
        """Cut a stream of pairs into batches of nearly equal length, in random order."""
        import torch

        budget = self.recipe["batch_tokens"]
        while True:
            pool: list[Example] = []
            size = 0
            while size < budget * _POOL:
                pool.append(next(stream))
                size += (len(pool[-1].premise) + len(pool[-1].hypothesis)) // 5 + 3
            encoded = self._encode(pool)
            cuts = [rows.tolist() for rows in token_batches([len(ids) for ids in encoded["input_ids"]], budget)]
            rng.shuffle(cuts)
            for rows in cuts:
                allowed = torch.tensor([self._columns(pool[i].allowed) for i in rows], device=self.device)
                yield _Batch(_pad(encoded, rows, self.device), allowed, len(rows))

    def loss(self, model: Any, batch: _Batch) -> torch.Tensor:
        import torch

        logits = model(**batch.inputs).logits.float()
        loss: torch.Tensor = -logits.log_softmax(-1).masked_fill(~batch.target, -torch.inf).logsumexp(-1).mean()
        return loss

    def measure(self, model: Any, rows: Sequence[Example]) -> dict[str, float]:
        """Accuracy of the three-way view and AUC of conflict against the rest."""
        encoded = self._encode(rows)
        probability = np.zeros((len(rows), len(RELATIONS)))
        columns = np.array([RELATIONS.index(label) for label in self.labels])
        for part in token_batches([len(ids) for ids in encoded["input_ids"]], self.recipe["batch_tokens"]):
            logits = model(**_pad(encoded, part.tolist(), self.device)).logits
            probability[np.ix_(part, columns)] = logits.float().softmax(-1).cpu().numpy()
        view = np.stack([probability[:, 0], probability[:, 1] + probability[:, 4], probability[:, 2]], axis=1)
        positive = np.array([bool({"contradiction", "tension"} & set(r.allowed)) for r in rows])
        gold = np.where(positive, 2, [0 if "entailment" in r.allowed else 1 for r in rows])
        conflict = probability[:, 2] + probability[:, 3]
        out = {"accuracy": float((view.argmax(1) == gold).mean()), "conflict_mean": float(conflict.mean())}
        n = int(positive.sum())
        if 0 < n < len(rows):
            ranks = conflict.argsort().argsort() + 1
            out["conflict_auc"] = float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(rows) - n)))
        return out


class _BiEncoderTask:
    """Statements on one question -> near vectors; all others of the batch -> far ones."""

    def __init__(self, recipe: Mapping[str, Any], tokenizer: Any, device: str) -> None:
        self.recipe, self.tokenizer, self.device = recipe, tokenizer, device

    @staticmethod
    def load(folder: str) -> Any:
        from transformers import AutoModel

        model = AutoModel.from_pretrained(folder, **_quiet(folder))
        model.pooler.requires_grad_(False)  # mean pooling leaves it without a gradient
        return model

    def batches(self, stream: Iterator[Example], rng: random.Random) -> Iterator[_Batch]:
        """Batches of anchors, their positives and negatives, in this order in one tensor.

        The target bool[n, 2n] says which columns (positives, then negatives) compete for an anchor: its own
        positive, every text of another topic, and its own negative.
        """
        import torch

        n = self.recipe["batch_pairs"]
        while True:
            rows = [next(stream) for _ in range(n)]
            texts = [*(r.premise for r in rows), *(r.hypothesis for r in rows), *(r.negative or r.hypothesis for r in rows)]
            encoded = dict(self.tokenizer(texts, truncation=True, max_length=self.recipe["max_length"]))
            competes = torch.tensor(
                [
                    [a is b or a.topic != b.topic for b in rows] + [bool(b.negative) and (a is b or a.topic != b.topic) for b in rows]
                    for a in rows
                ],
                device=self.device,
            )
            yield _Batch(_pad(encoded, range(3 * n), self.device), competes, n)

    def _vectors(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        import torch

        # One forward pass per stretch of similar length: half of a batch padded to its longest text is padding.
        lengths = inputs["attention_mask"].sum(1)
        order = lengths.argsort()
        pooled = []
        for rows in torch.split(order, _STRETCH):
            part = {name: tensor[rows, : int(lengths[rows[-1]])] for name, tensor in inputs.items()}
            states = model(**part).last_hidden_state.float()
            mask = part["attention_mask"].unsqueeze(-1).float()
            pooled.append((states * mask).sum(1) / mask.sum(1))
        return torch.nn.functional.normalize(torch.cat(pooled)[order.argsort()], dim=-1)

    def loss(self, model: Any, batch: _Batch) -> torch.Tensor:
        import torch

        vectors = self._vectors(model, batch.inputs)
        anchors, others = vectors[: batch.size], vectors[batch.size :]
        scores = (self.recipe["scale"] * anchors @ others.T).masked_fill(~batch.target, -torch.inf)
        own = torch.arange(batch.size, device=self.device)
        back = scores[:, : batch.size].T
        return (torch.nn.functional.cross_entropy(scores, own) + torch.nn.functional.cross_entropy(back, own)) / 2

    def measure(self, model: Any, rows: Sequence[Example]) -> dict[str, float]:
        """Share of conflicts whose partner is among the nearest 5 % of all partners, and mean cosines."""
        texts = list(dict.fromkeys(t for r in rows for t in (r.premise, r.hypothesis)))
        encoded = dict(self.tokenizer(texts, truncation=True, max_length=self.recipe["max_length"]))
        vectors = np.zeros((len(texts), model.config.hidden_size))
        for part in token_batches([len(ids) for ids in encoded["input_ids"]], 4096):
            vectors[part] = self._vectors(model, _pad(encoded, part.tolist(), self.device)).cpu().numpy()
        at = {t: i for i, t in enumerate(texts)}
        partners = vectors[[at[r.hypothesis] for r in rows]]
        cosine = vectors[[at[r.premise] for r in rows]] @ partners.T
        own = cosine.diagonal()
        rank = (cosine > own[:, None]).mean(axis=1)
        conflict = np.array([bool({"contradiction", "tension"} & set(r.allowed)) for r in rows])
        unrelated = np.array([r.allowed == ("unrelated",) for r in rows])
        out = {"conflict_in_nearest_5_percent": float((rank[conflict] < 0.05).mean()), "conflict_cosine": float(own[conflict].mean())}
        return out | ({"unrelated_cosine": float(own[unrelated].mean())} if unrelated.any() else {})


_TASKS: dict[str, type[_CrossEncoderTask] | type[_BiEncoderTask]] = {"cross-encoder": _CrossEncoderTask, "bi-encoder": _BiEncoderTask}


class _MasterWeights:
    """AdamW over fp32 copies of the trainable weights of a model that computes in bf16."""

    def __init__(self, model: torch.nn.Module, weight_decay: float) -> None:
        import torch

        self.live = [p for p in model.parameters() if p.requires_grad]
        self.master = [p.detach().float().clone() for p in self.live]
        decayed = [m for m in self.master if m.ndim > 1]
        plain = [m for m in self.master if m.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}], betas=(0.9, 0.98), fused=True
        )

    def step(self, rate: float, clip_norm: float) -> None:
        import torch

        for live, master in zip(self.live, self.master, strict=True):
            master.grad = None if live.grad is None else live.grad.float()
            live.grad = None
        torch.nn.utils.clip_grad_norm_(self.master, clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self._copy_out()

    def _copy_out(self) -> None:
        for live, master in zip(self.live, self.master, strict=True):
            live.data.copy_(master)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights and moments under names that `restore` knows."""
        out: dict[str, torch.Tensor] = {}
        for i, master in enumerate(self.master):
            slots = self.optimizer.state[master]
            out |= {f"w{i}": master, f"m{i}": slots["exp_avg"], f"v{i}": slots["exp_avg_sq"]}
        return out

    def average(self, start: Mapping[str, torch.Tensor], share: float) -> None:
        """Mix the weights with those at the start of a stage (WiSE-FT, Wortsman et al. 2022): `share` is that of today's.

        What a stage learnt on few texts stays; what it forgot or is too sure of comes back.
        """
        for i, master in enumerate(self.master):
            master.mul_(share).add_(start[f"w{i}"], alpha=1 - share)
        self._copy_out()

    def restore(self, tensors: Mapping[str, torch.Tensor], steps: int) -> None:
        """Take up weights and moments after `steps` steps."""
        import torch

        for i, master in enumerate(self.master):
            master.copy_(tensors[f"w{i}"])
            slots = {"step": torch.tensor(float(steps)), "exp_avg": tensors[f"m{i}"], "exp_avg_sq": tensors[f"v{i}"]}
            self.optimizer.state[master] = slots
        self._copy_out()


def base_path(base: str) -> str:
    """Folder of a base model: a path, the name of shipped weights, or an installed package that carries a model.

    Raises:
        ModelError: It is none of the three.
    """
    import importlib.util

    if Path(base).is_dir():
        return base
    if folder := shipped(base):
        return str(folder)
    module = base.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"base model {base!r} is neither a folder, nor shipped weights, nor an installed package that carries a model")
    return str(Path(spec.submodule_search_locations[0]) / "model")


def train(
    recipe: Mapping[str, Any],
    checkpoint: Path,
    *,
    sources: Callable[[], Mapping[str, Sequence[Example]]],
    development: Mapping[str, Sequence[Example]],
    threads: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Run a recipe; resume from `checkpoint` when it holds an unfinished run.

    Args:
        recipe: The parsed recipe, see models/nli-minilm.toml and models/claims-minilm.toml.
        checkpoint: Folder for checkpoints (safetensors and JSON) and for the curve, `log.jsonl`.
        sources: Gives the training pairs by source name; called at the start of each stage.
        development: Pairs by name whose figures are logged at every checkpoint.
        threads: CPU threads; 0 leaves torch's default.
        progress: Called with ("train", pairs seen, pairs in all) of the stage.

    Raises:
        ValueError: A stage names a source that has no pairs.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer, logging

    logging.set_verbosity_error()
    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    checkpoint.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe["seed"])
    tokenizer = AutoTokenizer.from_pretrained(base_path(recipe["base"]))
    task = _TASKS[recipe["kind"]](recipe, tokenizer, device)
    model = task.load(base_path(recipe["base"])).to(device=device, dtype=torch.bfloat16).train()
    for name, parameter in model.named_parameters():
        if any(frozen in name for frozen in recipe.get("freeze", ())):
            parameter.requires_grad_(False)
    dropouts = _share_dropout(model)
    rules = recipe["optimiser"]
    weights = _MasterWeights(model, rules["weight_decay"])

    state = {"stage": 0, "visits": 0, "steps": 0}
    saved = checkpoint / "state.json"
    if saved.exists():
        state = json.loads(saved.read_text())
        weights.restore(load_file(checkpoint / "master.safetensors", device=device), state["steps"])

    def save() -> None:
        """Each file takes its place whole, the state last: a stop in between leaves a usable checkpoint."""
        full = {name: tensor.float() for name, tensor in model.state_dict().items()}
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        full |= dict(zip(trained, weights.master, strict=True))
        for name, tensors in (
            ("model", {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in full.items()}),
            ("master", weights.tensors()),
        ):
            save_file(tensors, checkpoint / f"{name}.tmp")
            os.replace(checkpoint / f"{name}.tmp", checkpoint / f"{name}.safetensors")
        (checkpoint / "state.tmp").write_text(json.dumps(state))
        os.replace(checkpoint / "state.tmp", saved)

    def log(**fields: Any) -> None:
        with (checkpoint / "log.jsonl").open("a") as file:
            file.write(json.dumps({"time": round(time.time()), **state, **fields}) + "\n")

    def measure() -> None:
        model.eval()
        with torch.inference_mode():
            for name, rows in development.items():
                log(development=name, **{k: round(v, 4) for k, v in task.measure(model, rows).items()})
        model.train()

    while state["stage"] < len(recipe["stages"]):
        stage = recipe["stages"][state["stage"]]
        rng = random.Random(f"{recipe['seed']}:{state['stage']}:{state['visits']}")
        start = checkpoint / "start.safetensors"
        if not start.exists():
            save_file({f"w{i}": master for i, master in enumerate(weights.master)}, start)
        for module in dropouts:
            module.p = stage.get("dropout", 0.0)
        stream = (_augment(example, stage, rng) for example in _draw(sources(), stage["sources"], rng))
        batches = task.batches(stream, rng)
        since_save = since_log = time.time()
        seen = tokens = 0
        total = 0.0
        while state["visits"] < stage["visits"]:
            batch = next(batches)
            share = state["visits"] / stage["visits"]
            rate = stage["start_rate"] + (stage["end_rate"] - stage["start_rate"]) * share
            if state["stage"] == 0:
                rate *= min(1.0, share / rules["warmup"] + 0.01)
            loss = task.loss(model, batch)
            torch.autograd.backward(loss)
            weights.step(rate, rules["clip_norm"])
            state["visits"] += batch.size
            state["steps"] += 1
            seen += batch.size
            tokens += batch.inputs["input_ids"].numel()
            if progress is not None:
                progress("train", min(state["visits"], stage["visits"]), stage["visits"])
            total += float(loss.detach()) * batch.size
            if seen >= 4000:
                took = time.time() - since_log
                log(loss=round(total / seen, 4), rate=rate, pairs_per_second=round(seen / took, 1), tokens_per_second=round(tokens / took))
                seen = tokens = 0
                total, since_log = 0.0, time.time()
            if time.time() - since_save > _SAVE_SECONDS or state["visits"] >= stage["visits"]:
                save()
                measure()
                since_save = since_log = time.time()
        weights.average(load_file(start, device=device), stage.get("average", 1.0))
        state |= {"stage": state["stage"] + 1, "visits": 0}
        save()
        start.unlink()


def publish(recipe: Mapping[str, Any], checkpoint: Path, folder: Path) -> None:
    """Write the last checkpoint as a Hugging Face folder: fp16 safetensors, tokenizer, config.

    A bi-encoder gets the files by which sentence-transformers knows its pooling.
    """
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoTokenizer

    base = base_path(recipe["base"])
    model = _TASKS[recipe["kind"]].load(base)
    model.load_state_dict({k: v.float() for k, v in load_file(checkpoint / "model.safetensors").items()})
    plain = AutoConfig.from_pretrained(base)
    for name in _DROPOUTS:
        if hasattr(plain, name):
            setattr(model.config, name, getattr(plain, name))
    model.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer = AutoTokenizer.from_pretrained(base)
    # The base bakes padding to 128 tokens into its tokenizer file; whoever loads this one pads by batch.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.save_pretrained(folder)
    if recipe["kind"] == "bi-encoder":
        for name, record in _SENTENCE_TRANSFORMERS.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What a fine-tuning did.

    Attributes:
        trained: Pairs by label that were trained on.
        held_out: Pairs by label that were kept for calibration and for the two evaluations.
        before: Figures of the base on the held-out pairs; None for a base that is no NLI model.
        after: Figures of the new model on the same pairs, with its own calibration.
        calibrated: Whether the held-out pairs were enough to fit a calibration; if not, that of the base is kept.
    """

    trained: dict[str, int]
    held_out: dict[str, int]
    before: Evaluation | None
    after: Evaluation
    calibrated: bool


def fine_tune(
    pairs: Sequence[LabelledPair],
    folder: Path,
    *,
    base: str | None = None,
    epochs: float = 3.0,
    rate: float = 3e-5,
    average: float = 0.6,
    group: str | None = None,
    seed: int = 13,
    threads: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> FineTuning:
    """Train a cross-encoder further on labelled pairs, calibrate it and write it to a folder.

    A tenth of the groups is held out for calibration. The new weights are averaged with those of the base (WiSE-FT), so
    that what few pairs teach does not push out what the base knows. A run that was stopped goes on where it was; its
    checkpoint lies beside `folder` until the run is done.

    Args:
        pairs: Labelled pairs; those labelled "insufficient" teach nothing and are left out.
        folder: Where the model goes: an ordinary Hugging Face folder with calibration.json and training.json.
        base: Folder or name of the model to begin with; None for the shipped `nli-minilm`.
        epochs: How often each pair is seen.
        rate: Learning rate at the start; it falls linearly to a tenth.
        average: Share of the trained weights in the mean with those of the base; 1 keeps the trained ones alone.
        group: Column of `extra` whose groups stay on one side of the split; None keeps pairs with one premise together.
        seed: Seed of split and order.
        threads: CPU threads; 0 leaves torch's default.
        progress: Called with (stage, done, total).

    Raises:
        ConfigError: A setting is out of range, or `folder` holds the checkpoint of another run.
        InputError: There are no pairs to train on or none to hold out.
        ModelError: The base cannot be loaded.
    """
    for good, message in (
        (epochs > 0, f"epochs is {epochs}; expected more than 0"),
        (0 < rate < 0.01, f"rate is {rate}; expected a learning rate below 0.01"),
        (0 < average <= 1, f"average is {average}; expected a share above 0, up to 1"),
    ):
        if not good:
            raise ConfigError(message)
    where = base_path(base or DEFAULT_MODEL)
    usable = [p for p in pairs if p.label in ALLOWED]
    held: list[LabelledPair] = []
    trained: list[LabelledPair] = []
    for p in usable:
        key = str(p.extra.get(group, p.id)) if group else p.premise
        (held if zlib.crc32(f"{seed}:{key}".encode()) % 10 == 0 else trained).append(p)
    if not held or not trained:
        what = f"{len(usable)} usable pairs fall into {len(trained)} to train on and {len(held)} to hold out"
        raise InputError([Problem("pairs", None, group or "premise", f"{what}; give more pairs, or groups of more than one kind")])
    examples = [
        Example(p.premise, p.hypothesis, ALLOWED[p.label], symmetric=p.label not in ("entailment", "neutral", "not_entailment"))
        for p in trained
    ]
    recipe = {
        "name": folder.name, "kind": "cross-encoder", "base": where, "seed": seed, "max_length": 256, "batch_tokens": 2048,
        "freeze": ["embeddings.word_embeddings"],
        "optimiser": {"weight_decay": 0.01, "warmup": 0.06, "clip_norm": 1.0},
        "stages": [
            {
                "name": "pairs", "visits": max(1, round(epochs * len(trained))), "start_rate": rate, "end_rate": rate / 10,
                "average": average, "swap": 0.5, "sources": {"pairs": 1.0},
            }
        ],
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps([recipe, *([p.premise, p.hypothesis, p.label] for p in trained)]).encode()).hexdigest()
    checkpoint = folder.absolute().with_name(folder.name + ".checkpoint")
    marker = checkpoint / "run.sha256"
    if checkpoint.exists() and (not marker.exists() or marker.read_text() != digest):
        raise ConfigError(f"{checkpoint}: holds an unfinished run on other pairs or settings; delete it or choose another folder")
    checkpoint.mkdir(parents=True, exist_ok=True)
    marker.write_text(digest)
    train(recipe, checkpoint, sources=lambda: {"pairs": examples}, development={}, threads=threads, progress=progress)
    publish(recipe, checkpoint, folder)

    texts = [(p.premise, p.hypothesis) for p in held]
    gold = conflicts(held)
    load_model.cache_clear()  # a folder of this name may have held other weights

    def measured(name: str, calibrator: Calibrator | None) -> tuple[Calibrator, Evaluation]:
        scores = score_pairs(texts, load_model(name), progress=progress)
        if calibrator is None:
            calibrator = calibrate(held, scores)
        result = evaluate(held, scores, calibrator.probability(scores.conflict()), threshold=calibrator.threshold, resamples=200)
        return calibrator, result

    enough = min(int((gold == 1).sum()), int((gold == 0).sum())) >= _CALIBRATION_PAIRS
    calibrator, after = measured(str(folder), None if enough else Calibrator.load(Path(where) if Path(where).is_dir() else None))
    calibrator.save(folder)
    try:
        before = measured(where, Calibrator.load(Path(where)))[1]
    except ModelError:
        before = None
    result = FineTuning(dict(Counter(p.label for p in trained)), dict(Counter(p.label for p in held)), before, after, enough)
    record = {
        "base": where if base else "nli-minilm", "recipe": {k: v for k, v in recipe.items() if k != "base"}, "pairs_sha256": digest,
        "trained": result.trained, "held_out": result.held_out, "calibrated": enough,
        "before": before.to_record() if before else None, "after": after.to_record(),
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(checkpoint)
    return result
