"""Memory and speed of `contradict extract` over many articles.

The articles are mixed from the paragraphs of written ones, about 3 kB each, every name in them exchanged for a new one, so
that no two are copies and words never seen before keep coming, as in a real archive. They go as one JSON Lines file
through the command; its resident memory is read from /proc every half second (Linux), and speed is articles per second of
processor time of one core, which other load on the machine disturbs less than wall time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from resampling import RESULTS, write_section
from streaming import resident

HERE = Path(__file__).parent
SIZE = 3_000  # characters of an article
PARTS = 10  # of the run, each with its peak


def mixed_articles(folder: Path, count: int, *, seed: int = 0) -> Iterator[dict[str, str]]:
    """Records of articles mixed from the paragraphs of a folder's .txt files.

    Args:
        folder: Articles with gold; the actors named there are who gets new names.
        count: How many.
        seed: Of the random choices.
    """
    rng = random.Random(seed)
    paragraphs = [p for path in sorted(folder.glob("*.txt")) for p in path.read_text(encoding="utf-8").split("\n\n") if len(p) > 80]
    gold = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.gold.json"))]
    names = sorted({s["actor"].split()[-1] for record in gold for s in record["statements"] if s["actor"].istitle()})
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
    for n in range(count):
        renamed = {
            name: "".join(rng.choice(("ba", "cor", "del", "fin", "gar", "lo", "mi", "nu", "ster", "vi")) for _ in range(3))
            for name in names
        }
        text: list[str] = []
        while sum(map(len, text)) < SIZE:
            text.append(pattern.sub(lambda m, new=renamed: new[m.group()].title(), rng.choice(paragraphs)))  # type: ignore[misc]
        yield {"id": f"mixed-{n}", "text": "\n\n".join(text), "date": f"20{n % 20 + 5:02d}-06-18"}


def measure(records: Sequence[dict[str, str]], workspace: Path) -> dict[str, Any]:
    """Send the records through `contradict extract`; its peak memory in each tenth of the run, and its speed."""
    source, target = workspace / "articles.jsonl", workspace / "statements.jsonl"
    source.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "contradict", "extract", str(source), "-o", str(target)], stderr=subprocess.DEVNULL)
    samples = []
    while process.poll() is None:
        samples.append(resident(process.pid) or 0.0)
        time.sleep(0.5)
    wall = time.perf_counter() - begin
    if process.returncode != 0:
        raise SystemExit(f"contradict extract ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cuts = [len(samples) * i // PARTS for i in range(PARTS + 1)]
    return {
        "articles": len(records),
        "characters": round(sum(len(r["text"]) for r in records) / len(records)),
        "statements": sum(1 for _ in target.open(encoding="utf-8")),
        "peak_mib": [round(max(samples[a:b], default=0.0)) for a, b in itertools.pairwise(cuts)],
        "articles_per_cpu_second": round(len(records) / cpu, 2),
        "wall_seconds": round(wall),
    }


def main() -> None:
    """Measure, print and write the section `volume`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=HERE / "written_articles", help="articles to mix from")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file; its section `volume` is replaced")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        write_section(args.output, "volume", measure(list(mixed_articles(args.folder, args.articles)), Path(workspace)))


if __name__ == "__main__":
    main()
