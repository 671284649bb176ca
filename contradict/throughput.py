"""Pairs per second of every way to run a cross-encoder on this machine, beside two common ones.

Scorers: `score_pairs` in one direction with each backend and dtype that is installed, `CrossEncoder.predict` of
sentence-transformers and the transformers text-classification pipeline, all with the same weights, pairs and
threads; and in both directions what `auto` chooses, with and without sparing second directions as a scan does, beside
`CrossEncoder.predict` on the pairs and their reverse. A pair counts once, whatever was scored of it. Each lives
in a process of its own, so that its peak memory is its own. They take turns (A B C, A B C, ...) while the others
wait, so that a machine that slows down slows all of them; ratios are taken within each round.
Timed is everything from texts to probabilities, tokenising included; loading and a warm-up are not. The warm-up
also tells how far the probabilities of a scorer are from those of torch in float32. At last what `auto` chooses is
looked at by itself: batch budgets, lengths of pairs, and the stages from a file to a file.

No two pairs are equal, as equal pairs would be scored once by `score_pairs` only.
"""

from __future__ import annotations

import datetime as dt
import functools
import multiprocessing as mp
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contradict.backends import BACKENDS, DEFAULT_MODEL, DTYPES, PACKAGES, CrossEncoder, load_model, locate, matmul_peak, token_batches
from contradict.calibration import Calibrator
from contradict.detector import NEAR
from contradict.errors import ConfigError, ContradictError
from contradict.readers import iter_pairs
from contradict.reports import write_records
from contradict.schema import RELATIONS
from contradict.scoring import default_budget, score_pairs
from contradict.streaming import score_file

__all__ = ["PEERS", "TWO_WAY", "make_pairs", "measure", "recommend", "table", "ways"]

WARM_UP = 32
BUDGETS = (512, 1024, 2048, 4096, 8192)
LENGTHS = (16, 32, 64, 128, 256)
_LENGTH_TOKENS = 4096  # tokens that are timed of each length
_WORTH_A_FLAG = 1.05  # times as fast from which on a batch budget is recommended
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


# The scorers: each loads its model and gives the call that is timed


@dataclass(frozen=True, slots=True)
class _Scorer:
    """What a process runs.

    Attributes:
        score: The call that is timed.
        dtype: Number format in which it computes.
        model: The model of `score_pairs`; None for the others.
        told: What the calls leave behind for the record.
    """

    score: Score
    dtype: str
    model: CrossEncoder | None = None
    told: dict[str, Any] = field(default_factory=dict)


def _load_way(name: str, job: Job) -> _Scorer:
    backend, dtype = name.split("-")
    return _own(load_model(job.model, device=job.device, threads=job.threads, backend=backend, dtype=dtype), job, "forward")


def _own(model: CrossEncoder, job: Job, direction: str) -> _Scorer:
    """`score_pairs`; second directions are spared as in a scan at the model's threshold."""
    column = RELATIONS.index("contradiction")
    calibrator = Calibrator.load(model.folder)
    level = calibrator.level(max(0.0, calibrator.threshold - NEAR))
    told: dict[str, Any] = {"way": f"{model.backend}-{model.dtype}"}

    def score(pairs: Sequence[Pair]) -> npt.NDArray[Any]:
        relations = score_pairs(pairs, model, direction=direction, level=level, batch_tokens=job.batch_tokens).relations
        told["second_directions"] = round(float((~np.isnan(relations[:, 1, 0])).mean()), 3)
        return relations[:, 0, column]

    return _Scorer(score, model.dtype, model, told)


def _load_auto(direction: str) -> Callable[[Job], _Scorer]:
    return lambda job: _own(load_model(job.model, device=job.device, threads=job.threads), job, direction)


def _load_cross_encoder_both(job: Job) -> _Scorer:
    """`CrossEncoder.predict` on the pairs and their reverse in one call."""
    one = _load_cross_encoder(job)
    return _Scorer(lambda pairs: one.score([*pairs, *((b, a) for a, b in pairs)])[: len(pairs)], one.dtype)


def _load_cross_encoder(job: Job) -> _Scorer:
    """`CrossEncoder.predict` at its defaults (32 pairs per batch), in float32: half precision is slow on a CPU."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(job.model, device=job.device, model_kwargs={"dtype": "float32"})
    column = _contradiction(model.config.id2label)

    def score(pairs: Sequence[Pair]) -> npt.NDArray[Any]:
        return np.asarray(model.predict(list(pairs), apply_softmax=True, show_progress_bar=False), dtype=np.float32)[:, column]

    return _Scorer(score, "float32")


def _load_pipeline(job: Job) -> _Scorer:
    """The pipeline with 32 pairs per batch; its default of 1 would be far slower."""
    from transformers import pipeline

    pipe = pipeline("text-classification", model=job.model, device=job.device, dtype="float32")
    name = pipe.model.config.id2label[_contradiction(pipe.model.config.id2label)]

    def score(pairs: Sequence[Pair]) -> npt.NDArray[Any]:
        rows = [{"text": premise, "text_pair": hypothesis} for premise, hypothesis in pairs]
        results = pipe(rows, batch_size=32, top_k=None, truncation=True)
        return np.array([next(r["score"] for r in result if r["label"] == name) for result in results])

    return _Scorer(score, "float32")


PEERS: Mapping[str, Callable[[Job], _Scorer]] = {"cross_encoder": _load_cross_encoder, "pipeline": _load_pipeline}
"""What others use, in one direction."""
TWO_WAY: Mapping[str, Callable[[Job], _Scorer]] = {
    "auto-needed": _load_auto("needed"),
    "auto-both": _load_auto("both"),
    "cross_encoder-both": _load_cross_encoder_both,
}
"""Scorers in both directions."""


def ways(device: str) -> list[str]:
    """The installed backends with their dtypes, as "backend-dtype"; float16 only on CUDA, where it is computed."""
    names = [f"{b}-{d}" for b in BACKENDS if find_spec(PACKAGES[b]) for d in DTYPES[b] if (d == "float16") <= (device != "cpu")]
    return [n for n in names if device == "cpu" or n.startswith("torch")]


def _contradiction(id2label: Mapping[int, str]) -> int:
    return next(i for i, name in id2label.items() if name.lower().startswith("contradict"))


# One process per scorer


def _serve(name: str, job: Job, pairs: Sequence[Pair], connection: Connection) -> None:
    """Load and warm up, then time all pairs once per "go", or look at the stages once, until told to stop; then tell the memory."""
    try:
        start = time.perf_counter()
        load = {**PEERS, **TWO_WAY}.get(name)
        scorer = load(job) if load else _load_way(name, job)
        score = scorer.score
        loaded = time.perf_counter()
        score(pairs[:1])
        first = time.perf_counter()
        connection.send(
            {
                "dtype": scorer.dtype,
                "seconds_to_load": loaded - start,
                "seconds_to_first_result": first - loaded,
                "warm_up": score(pairs[:WARM_UP]),
            }
        )
        memory = peak_rss_mib()
        while (asked := connection.recv()) != "stop":
            if asked == "go":
                connection.send(_seconds(lambda: score(pairs)))
                memory = peak_rss_mib()
            else:
                assert scorer.model is not None
                connection.send(_profile(scorer.model, pairs))
        connection.send({"peak_rss_mib": memory, **scorer.told})
    except Exception:
        connection.send(RuntimeError(f"{name} failed:\n{traceback.format_exc()}"))


def peak_rss_mib() -> int | None:
    """Peak resident memory of this process in MiB; None on Windows, which has another interface."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _profile(model: CrossEncoder, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Batch budgets, lengths and stages of one model, all in one direction and once.

    Stages are timed one after the other; in a run the next pairs are tokenised while the model reads, so that the whole
    takes less than their sum.
    """
    encoded, _ = model.tokenize(pairs)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    budget = default_budget(model)
    batches = list(token_batches(lengths, budget))
    padded = sum(len(rows) * max(lengths[i] for i in rows) for rows in batches)
    score = functools.partial(score_pairs, model=model, direction="forward")
    by_budget = {size: _seconds(functools.partial(score, pairs, batch_tokens=size)) for size in BUDGETS}
    by_length = {}
    for length in LENGTHS:
        made = _pairs_of_length(length)
        tokens = sum(len(ids) for ids in model.tokenize(made)[0]["input_ids"])
        by_length[length] = tokens / _seconds(functools.partial(score, made))
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "pairs.jsonl"), Path(folder, "scored.jsonl")
        records = [{"premise": premise, "hypothesis": hypothesis} for premise, hypothesis in pairs]
        with source.open("wb") as file:
            write = _seconds(lambda: write_records([r | {"score": 0.5} for r in records], [], ".jsonl", file))
        stages = {
            "read": _seconds(lambda: list(iter_pairs(source))),
            "tokenise": _seconds(lambda: model.tokenize(pairs)),
            "infer": _seconds(lambda: [model.logits({k: [v[i] for i in rows] for k, v in encoded.items()}) for rows in batches]),
            "write": write,
            "whole": _seconds(lambda: score_file(source, output, model, direction="forward")),
        }
    return {
        "batch_tokens": budget,
        "padding": round(padded / sum(lengths) - 1, 4),
        "pairs_per_second_by_batch_tokens": {str(size): round(len(pairs) / s, 1) for size, s in by_budget.items()},
        "tokens_per_second_by_length": {str(length): round(speed) for length, speed in by_length.items()},
        "seconds_by_stage": {name: round(s, 4) for name, s in stages.items()},
    }


def _pairs_of_length(tokens: int) -> list[Pair]:
    """Different pairs of about so many tokens, `_LENGTH_TOKENS` in all: the length of words is that of the other pairs."""
    words = " ".join(_SIDES).split()
    side = max(2, round((tokens - 3) / 2 / 1.2))
    texts = [[words[(7 * i + k) % len(words)] for k in range(2 * side)] for i in range(max(8, _LENGTH_TOKENS // tokens))]
    return [(" ".join([str(i), *text[: side - 1]]), " ".join(text[side:])) for i, text in enumerate(texts)]


def _joules() -> float | None:
    """What the processor has used since some time, by the counters of RAPL; None where they cannot be read."""
    try:
        counters = [p / "energy_uj" for p in Path("/sys/class/powercap").glob("*-rapl:*") if p.name.count(":") == 1]
        return sum(int(c.read_text()) for c in counters) / 1e6 if counters else None
    except (OSError, ValueError):
        return None


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
    pairs: int = 150,
    rounds: int = 3,
) -> dict[str, Any]:
    """Time scorers in turn.

    Args:
        model: Model folder or name of shipped weights; None for the shipped one.
        device: "cpu" or "cuda".
        threads: CPU threads of each scorer; None for all cores.
        batch_tokens: Token budget of `score_pairs`; None for its default.
        scorers: Names of `ways`, `PEERS` and `TWO_WAY`; None for all of them.
        pairs: Pairs per round.
        rounds: Rounds in which each scorer runs once.

    Returns:
        A JSON-ready record: machine, versions, settings, and per scorer pairs/s, tokens/s, share of the measured
        matrix-multiply peak, times to load and to the first result, distance from torch in float32, peak memory, energy
        where it can be read; and the profile of what `auto` chooses, where that is among the scorers in both directions.

    Raises:
        ConfigError: A scorer is unknown.
        ContradictError: A scorer failed.
    """
    known = [*ways(device), *PEERS, *TWO_WAY]
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
        joules: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, connection in connections.items():
                used = _joules()
                connection.send("go")
                seconds[name].append(_receive(connection))
                now = _joules()
                if used is not None and now is not None and now >= used:  # the counters start again at 0 now and then
                    joules[name].append(now - used)
        profile = None
        if automatic := next((name for name in names if name.startswith("auto-")), None):
            connections[automatic].send("profile")
            profile = _receive(connections[automatic])
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
            "share_of_peak": round(work / statistics.median(seconds[name]) / peak, 3) if peak and name not in TWO_WAY else None,
            "seconds_to_load": round(first["seconds_to_load"], 2),
            "seconds_to_first_result": round(first["seconds_to_first_result"], 3),
            "largest_difference": round(float(np.abs(first["warm_up"] - reference).max()), 4),
            "joules_per_1000_pairs": round(1000 * statistics.median(joules[name]) / pairs, 1) if joules[name] else None,
            **memory[name],
        }
        peer = "cross_encoder-both" if name in TWO_WAY else "cross_encoder"
        for other, ratio in ((peer, "times_cross_encoder"), ("torch-float32", "times_torch_float32")):
            if other in names and (other == peer or name in ways(device)):
                record[name][ratio] = spread([theirs / ours for ours, theirs in zip(seconds[name], seconds[other], strict=True)])
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
        "profile": profile,
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
    """What to pass to `contradict` on this machine, in one line: the fastest way that `auto` may choose, and what is faster still."""
    scorers = results["scorers"]
    own = {name: s["pairs_per_second"]["median"] for name, s in scorers.items() if name not in PEERS and name not in TWO_WAY}
    if not own:
        raise ConfigError("there is nothing to recommend from: name a backend among the scorers")
    chosen = next((s["way"] for name, s in scorers.items() if name.startswith("auto-")), None)
    safe = {name: speed for name, speed in own.items() if not name.endswith("int8") or name == chosen}
    best = max(safe or own, key=(safe or own).__getitem__)
    backend, dtype = best.split("-")
    note = "" if chosen is None else " (what auto chooses)" if chosen == best else f" (auto chooses {chosen})"
    said = [f"--backend {backend} --dtype {dtype}{note}: {own[best]:,.0f} pairs/s in one direction"]
    faster = {name: speed / own[best] for name, speed in own.items() if speed > own[best]}
    said += [f"{name} is {times:.2f} times as fast, but measure its accuracy first" for name, times in faster.items()]
    if profile := results.get("profile"):
        speed = profile["pairs_per_second_by_batch_tokens"]
        size = max(speed, key=speed.__getitem__)
        usual = speed.get(str(profile["batch_tokens"]))
        if usual and speed[size] > _WORTH_A_FLAG * usual:
            said.append(f"--batch-tokens {size} is {speed[size] / usual:.2f} times as fast as the default")
    return "; ".join(said)


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
    energy = [f"{name} {s['joules_per_1000_pairs']:,.0f}" for name, s in results["scorers"].items() if s["joules_per_1000_pairs"]]
    return "\n".join([*head, "", *lines, "", f"joules per 1,000 pairs: {', '.join(energy) or 'not readable here'}", *_shown(results)])


def _shown(results: Mapping[str, Any]) -> list[str]:
    """The profile in lines of text."""
    profile = results["profile"]
    if profile is None:
        return []
    way = next(s["way"] for name, s in results["scorers"].items() if name.startswith("auto-"))
    spared = results["scorers"].get("auto-needed")
    budgets, lengths = profile["pairs_per_second_by_batch_tokens"], profile["tokens_per_second_by_length"]
    return [
        f"auto is {way}; padding {profile['padding']:.1%} of the tokens at a budget of {profile['batch_tokens']:,}"
        + (f"; auto-needed scored {spared['second_directions']:.0%} of the second directions" if spared else ""),
        "pairs/s by batch budget: " + ", ".join(f"{size} {speed:,.0f}" for size, speed in budgets.items()),
        "tokens/s by tokens of a pair: " + ", ".join(f"{length} {speed:,}" for length, speed in lengths.items()),
        "seconds by stage: " + ", ".join(f"{name} {s:.3f}" for name, s in profile["seconds_by_stage"].items()),
    ]
