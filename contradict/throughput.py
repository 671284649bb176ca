"""Pairs per second of every way to run a cross-encoder on this machine, beside two common ones.

Scorers: `score_pairs` in one direction with each backend and dtype that is installed, `CrossEncoder.predict` of
sentence-transformers and the transformers text-classification pipeline, all with the same weights, pairs and
threads. Each lives in a process of its own, so that its peak memory is its own. They take turns (A B C, A B C, ...)
while the others wait, so that a machine that slows down slows all of them; ratios are taken within each round.
Timed is everything from texts to probabilities, tokenising included; loading and a warm-up are not. The warm-up
also tells how far the probabilities of a scorer are from those of torch in float32.

No two pairs are equal, as equal pairs would be scored once by `score_pairs` only.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing as mp
import os
import platform
import random
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contradict.backends import BACKENDS, DEFAULT_MODEL, DTYPES, PACKAGES, choose_backend, load_model, locate, matmul_peak
from contradict.errors import ConfigError, ContradictError
from contradict.schema import RELATIONS
from contradict.scoring import score_pairs

__all__ = ["PEERS", "make_pairs", "measure", "recommend", "table", "ways"]

WARM_UP = 64
_SIDES = (
    "We will pay the whole sum before the end of the year.",
    "The bridge is safe and will stay open to all traffic.",
    "Nobody in my office has ever spoken with the company about the contract.",
    "Taxes on small firms will not rise while I am minister.",
    "The talks have been going on since September, and we are open to a cease-fire along the present lines.",
    "There will be peace only when our goals are achieved.",
    "The hospital will close two of its wards in spring, whatever the council says.",
    "I have always been for the treaty, and I voted for it twice.",
    "The figures that were published last week are wrong.",
    "She told two aides that the dam would never be built.",
    "We have no plans to buy the airline or any part of it.",
    "The army needs more men than the government admits in public.",
)
_SENTENCES = {1: 0.70, 2: 0.25, 3: 0.05}  # sentences of a side -> share of the sides

Pair = tuple[str, str]
Score = Callable[[Sequence[Pair]], npt.NDArray[Any]]
"""From n pairs to f[n], P(contradiction) with the first text as the premise."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every scorer of a run is given.

    Attributes:
        model: Folder of the weights.
        device: "cpu" or "cuda".
        threads: CPU threads.
        batch_tokens: Token budget of `score_pairs`; None for its default.
    """

    model: str
    device: str
    threads: int
    batch_tokens: int | None


def make_pairs(count: int, seed: int = 0) -> list[Pair]:
    """Pairs of 40 to 60 tokens in the main: a dated premise and a hypothesis of one to three sentences each."""
    rng = random.Random(seed)
    pairs = []
    for i in range(count):
        left, right = (rng.choices(_SIDES, k=k) for k in rng.choices(list(_SENTENCES), list(_SENTENCES.values()), k=2))
        day = dt.date(1900, 1, 1) + dt.timedelta(days=i)
        pairs.append((" ".join([f"On {day.day} {day:%B %Y} the minister said:", *left]), " ".join(right)))
    return pairs


# The scorers: each loads its model and returns the call that is timed, with the dtype it computes in


def _load_way(name: str, job: Job) -> tuple[Score, str]:
    backend, dtype = name.split("-")
    model = load_model(job.model, device=job.device, threads=job.threads, backend=backend, dtype=dtype)
    column = RELATIONS.index("contradiction")

    def score(pairs: Sequence[Pair]) -> npt.NDArray[Any]:
        return score_pairs(pairs, model, direction="forward", batch_tokens=job.batch_tokens).relations[:, 0, column]

    return score, model.dtype


def _load_cross_encoder(job: Job) -> tuple[Score, str]:
    """`CrossEncoder.predict` at its defaults (32 pairs per batch), in float32: half precision is slow on a CPU."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(job.model, device=job.device, model_kwargs={"dtype": "float32"})
    column = _contradiction(model.config.id2label)

    def score(pairs: Sequence[Pair]) -> npt.NDArray[Any]:
        return np.asarray(model.predict(list(pairs), apply_softmax=True, show_progress_bar=False), dtype=np.float32)[:, column]

    return score, "float32"


def _load_pipeline(job: Job) -> tuple[Score, str]:
    """The pipeline with 32 pairs per batch; its default of 1 would be far slower."""
    from transformers import pipeline

    pipe = pipeline("text-classification", model=job.model, device=job.device, dtype="float32")
    name = pipe.model.config.id2label[_contradiction(pipe.model.config.id2label)]

    def score(pairs: Sequence[Pair]) -> npt.NDArray[Any]:
        rows = [{"text": premise, "text_pair": hypothesis} for premise, hypothesis in pairs]
        results = pipe(rows, batch_size=32, top_k=None, truncation=True)
        return np.array([next(r["score"] for r in result if r["label"] == name) for result in results])

    return score, "float32"


PEERS: Mapping[str, Callable[[Job], tuple[Score, str]]] = {"cross_encoder": _load_cross_encoder, "pipeline": _load_pipeline}


def ways(device: str) -> list[str]:
    """The installed backends with their dtypes, as "backend-dtype"; float16 only on CUDA, where it is computed."""
    names = [f"{b}-{d}" for b in BACKENDS if find_spec(PACKAGES[b]) for d in DTYPES[b] if (d == "float16") <= (device != "cpu")]
    return [n for n in names if device == "cpu" or n.startswith("torch")]


def _contradiction(id2label: Mapping[int, str]) -> int:
    return next(i for i, name in id2label.items() if name.lower().startswith("contradict"))


# One process per scorer


def _serve(name: str, job: Job, pairs: Sequence[Pair], connection: Connection) -> None:
    """Load and warm up, then time all pairs once per "go" until told to stop, then tell the peak memory."""
    try:
        start = time.perf_counter()
        score, dtype = PEERS[name](job) if name in PEERS else _load_way(name, job)
        loaded = time.perf_counter()
        score(pairs[:1])
        first = time.perf_counter()
        connection.send(
            {
                "dtype": dtype,
                "seconds_to_load": loaded - start,
                "seconds_to_first_result": first - loaded,
                "warm_up": score(pairs[:WARM_UP]),
            }
        )
        while connection.recv() == "go":
            start = time.perf_counter()
            score(pairs)
            connection.send(time.perf_counter() - start)
        connection.send({"peak_rss_mib": peak_rss_mib()})
    except Exception:
        connection.send(RuntimeError(f"{name} failed:\n{traceback.format_exc()}"))


def peak_rss_mib() -> int | None:
    """Peak resident memory of this process in MiB; None on Windows, which has another interface."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def _receive(connection: Connection) -> Any:
    answer = connection.recv()
    if isinstance(answer, Exception):
        raise ContradictError(str(answer))
    return answer


def measure(
    model: str | None = None,
    *,
    device: str = "cpu",
    threads: int | None = None,
    batch_tokens: int | None = None,
    scorers: Sequence[str] | None = None,
    pairs: int = 300,
    rounds: int = 3,
) -> dict[str, Any]:
    """Time scorers in turn.

    Args:
        model: Model folder or name of shipped weights; None for the shipped one.
        device: "cpu" or "cuda".
        threads: CPU threads of each scorer; None for all cores.
        batch_tokens: Token budget of `score_pairs`; None for its default.
        scorers: Names of `ways` and `PEERS`; None for all of them.
        pairs: Pairs per round.
        rounds: Rounds in which each scorer runs once.

    Returns:
        A JSON-ready record: machine, versions, settings, and per scorer pairs/s, tokens/s, share of the measured
        matrix-multiply peak, times to load and to the first result, distance from torch in float32, peak memory.

    Raises:
        ConfigError: A scorer is unknown.
        ContradictError: A scorer failed.
    """
    known = [*ways(device), *PEERS]
    names = list(scorers or known)
    if unknown := sorted(set(names) - set(known)):
        raise ConfigError(f"unknown scorer {', '.join(unknown)}; known here: {', '.join(known)}")
    job = Job(locate(model), device, threads or _cores(), batch_tokens)
    texts = make_pairs(pairs)
    tokens, work = _work(job, texts)
    connections: dict[str, Connection] = {}
    processes = []
    context = mp.get_context("spawn")
    before = {k: os.environ.get(k) for k in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS")}
    os.environ |= dict.fromkeys(before, str(job.threads))  # read when a scorer's process starts
    try:
        for name in names:
            connections[name], theirs = context.Pipe()
            processes.append(context.Process(target=_serve, args=(name, job, texts, theirs), daemon=True))
            processes[-1].start()
            theirs.close()
        ready = {name: _receive(connection) for name, connection in connections.items()}
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, connection in connections.items():
                connection.send("go")
                seconds[name].append(_receive(connection))
        for connection in connections.values():
            connection.send("stop")
        memory = {name: _receive(connection) for name, connection in connections.items()}
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
    peaks = {dtype: matmul_peak(dtype, device) for dtype in {r["dtype"] for r in ready.values()} - {"int8"}}
    reference = ready.get("torch-float32", ready[names[0]])["warm_up"]
    record: dict[str, Any] = {}
    for name in names:
        first, peak = ready[name], peaks.get(ready[name]["dtype"])
        record[name] = {
            "dtype": first["dtype"],
            "pairs_per_second": spread([pairs / s for s in seconds[name]]),
            "tokens_per_second": round(tokens * pairs / statistics.median(seconds[name])),
            "share_of_peak": round(work / statistics.median(seconds[name]) / peak, 3) if peak else None,
            "seconds_to_load": round(first["seconds_to_load"], 2),
            "seconds_to_first_result": round(first["seconds_to_first_result"], 3),
            "largest_difference": round(float(np.abs(first["warm_up"] - reference).max()), 4),
            **memory[name],
        }
        if "cross_encoder" in names:
            ratios = [theirs / ours for ours, theirs in zip(seconds[name], seconds["cross_encoder"], strict=True)]
            record[name]["times_cross_encoder"] = spread(ratios)
    return {
        "date": dt.date.today().isoformat(),
        "machine": _describe_machine(),
        "versions": {"python": platform.python_version()} | _versions(),
        "settings": {
            "model": model or DEFAULT_MODEL,
            "device": device,
            "threads": job.threads,
            "batch_tokens": batch_tokens,
            "rounds": rounds,
        },
        "pairs": {"count": pairs, "mean_tokens": round(tokens, 1)},
        "peak_gflops": {dtype: round(value / 1e9) for dtype, value in peaks.items()},
        "scorers": record,
    }


def _work(job: Job, pairs: Sequence[Pair]) -> tuple[float, float]:
    """Mean tokens of a pair, and the floating-point operations of the matrix products of all pairs (two per weight and token)."""
    from transformers import AutoConfig, AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(job.model)([a for a, _ in pairs], [b for _, b in pairs], truncation=False)
    lengths = np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.float64)
    config = AutoConfig.from_pretrained(job.model)
    d, layers = config.hidden_size, config.num_hidden_layers
    per_token = 2 * layers * (4 * d * d + 2 * d * config.intermediate_size)
    return float(lengths.mean()), float((lengths * per_token + 4 * layers * d * lengths**2).sum())


def _versions() -> dict[str, str]:
    found = {}
    for package in ("contradict-nli", "torch", "transformers", "tokenizers", "sentence-transformers", "onnxruntime", "openvino", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, minimum, maximum and the values themselves."""
    rounded = [round(v, 3) for v in values]
    return {"median": round(statistics.median(values), 3), "min": min(rounded), "max": max(rounded), "rounds": rounded}


def _describe_machine() -> dict[str, Any]:
    """Processor, GPU, system, and how busy the machine was before the first round."""
    import torch

    names = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":", 1)[1].strip() for line in names if line.startswith("model name")), platform.processor())
    return {
        "cpu": cpu,
        "cores": _cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def recommend(results: Mapping[str, Any]) -> str:
    """What to pass to `contradict` on this machine, in one line: the fastest way without int8, and what int8 would bring."""
    scorers = results["scorers"]
    own = {name: s["pairs_per_second"]["median"] for name, s in scorers.items() if name not in PEERS}
    if not own:
        raise ConfigError("there is nothing to recommend from: name a backend among the scorers")
    exact = {name: speed for name, speed in own.items() if not name.endswith("int8")}
    best = max(exact or own, key=(exact or own).__getitem__)
    backend, dtype = best.split("-")
    chosen = "-".join(choose_backend(results["settings"]["device"]))
    note = " (what auto chooses)" if chosen == best else f" (auto chooses {chosen})"
    faster = [
        f"{name} is {own[name] / own[best]:.2f} times as fast, but measure its accuracy first" for name in own if own[name] > own[best]
    ]
    return "; ".join([f"--backend {backend} --dtype {dtype}{note}: {own[best]:,.0f} pairs/s", *faster])


def table(results: Mapping[str, Any]) -> str:
    """The results as aligned plain text."""
    rows = [("scorer", "pairs/s", "min .. max", "tokens/s", "of peak", "x cross_encoder", "first result", "differs by", "peak RSS")]
    for name, s in results["scorers"].items():
        speed, ratio = s["pairs_per_second"], s.get("times_cross_encoder")
        rows.append(
            (
                name, f"{speed['median']:,.0f}", f"{speed['min']:,.0f} .. {speed['max']:,.0f}", f"{s['tokens_per_second']:,}",
                f"{s['share_of_peak']:.0%}" if s["share_of_peak"] else "-", f"{ratio['median']:.2f}" if ratio else "-",
                f"{s['seconds_to_first_result']:.3f} s", f"{s['largest_difference']:.4f}",
                f"{s['peak_rss_mib']:,} MiB" if s["peak_rss_mib"] else "-",
            )
        )  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.rjust(w) if i else text.ljust(w) for i, (text, w) in enumerate(zip(r, widths, strict=True))) for r in rows]
    settings, machine = results["settings"], results["machine"]
    peaks = ", ".join(f"{dtype} {value} GFLOP/s" for dtype, value in results["peak_gflops"].items())
    head = [
        f"{results['pairs']['count']:,} pairs of {results['pairs']['mean_tokens']:.0f} tokens in the mean, {settings['rounds']} rounds, "
        f"{settings['threads']} threads, {settings['device']}; {machine['cpu']}, load before {machine['load_before']}",
        f"measured matrix-multiply peak: {peaks}",
    ]
    return "\n".join([*head, "", *lines])
