"""Memory of `contradict score` on a million pairs, and what it makes of being killed: `python benchmarks/streaming.py`.

A tiny random model scores made-up pairs: what is measured is the way of the pairs through the program, which does not
depend on the model. The command runs once to its end while its memory is watched, and once more while it is killed
(SIGKILL) at random moments and started again; the two files must be equal byte for byte. Results go to
benchmarks/results/streaming.json, from which benchmarks/tables.py writes its sentence of the README.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import contradict as ct
from contradict.backends import locate
from contradict.throughput import make_pairs

RESULTS = Path(__file__).parent / "results" / "streaming.json"
_LOOK = 0.1  # seconds between two looks at a process
_SHOWN = 20  # parts of the run for which the largest memory is kept


def make_model(folder: Path) -> None:
    """A random model of one layer with the tokenizer of the shipped one."""
    import torch
    import transformers

    labels = ("entailment", "neutral", "contradiction")
    source = Path(locate())
    vocabulary = json.loads((source / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)},
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    for path in source.glob("tokenizer*"):
        shutil.copy(path, folder)


def write_pairs(path: Path, count: int) -> None:
    """Made-up pairs with a column of their own, no two equal."""
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, count, 10_000):
            for i, (premise, hypothesis) in enumerate(make_pairs(min(10_000, count - start), seed=start), start):
                file.write(json.dumps({"id": i, "premise": f"{premise} ({i})", "hypothesis": hypothesis}) + "\n")


def resident(process: int) -> float | None:
    """Resident memory of a process in MiB; None once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), None)


def size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def watched(command: list[str], partial: Path) -> tuple[list[tuple[float, float, int]], int]:
    """(seconds, MiB, bytes of scores) while a command runs, and the bytes of scores at its end."""
    start = time.monotonic()
    seen = []
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if (memory := resident(process.pid)) is not None:
                seen.append((time.monotonic() - start, memory, size(partial)))
            time.sleep(_LOOK)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return seen, max(scores for *_, scores in seen)


def killed(command: list[str], partial: Path, moments: list[tuple[int, float]]) -> list[int]:
    """Run a command to its end, but kill it for each (bytes, seconds): so long after its scores have grown so far.

    Returns:
        Bytes of scores that it left each time.
    """
    left = []
    for grown, delay in moments:
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and size(partial) < grown:
                time.sleep(_LOOK)
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
                left.append(size(partial))
    subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
    return left


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which the command is killed")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model")
        write_pairs(folder / "pairs.jsonl", args.pairs)

        def command(output: Path) -> list[str]:
            options = ["--model", str(folder / "model"), "--device", "cpu", "--backend", "torch", "--dtype", "float32"]
            options += ["--threads", str(args.threads)]
            return [sys.executable, "-m", "contradict", "score", str(folder / "pairs.jsonl"), "-o", str(output), *options]

        whole, broken = folder / "whole.jsonl", folder / "broken.jsonl"
        seen, scores = watched(command(whole), folder / "whole.jsonl.partial")
        seconds = seen[-1][0]
        rng = random.Random(args.seed)
        shares = sorted(rng.random() for _ in range(args.kills))
        moments = [(round(share * scores), rng.random() * seconds / _SHOWN) for share in shares]
        left = killed(command(broken), folder / "broken.jsonl.partial", moments)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (whole, broken)]
        written = size(whole)
    parts = [[memory for at, memory, _ in seen if int(_SHOWN * at / (seconds + _LOOK)) == part] for part in range(_SHOWN)]
    record = {
        "date": dt.date.today().isoformat(),
        "version": ct.__version__,
        "pairs": args.pairs,
        "threads": args.threads,
        "seconds": round(seconds, 1),
        "output_mib": round(written / 2**20, 1),
        "peak_rss_mib": round(max(memory for _, memory, _ in seen)),
        "rss_mib_by_twentieth": [round(max(part)) if part else None for part in parts],
        "killed_at": [round(bytes_left / scores, 3) for bytes_left in left],
        "same_bytes": digests[0] == digests[1],
    }
    args.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))
    if digests[0] != digests[1]:
        sys.exit("the killed and resumed run gave another file")


if __name__ == "__main__":
    main()
