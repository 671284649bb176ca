"""How long the command line takes to start and to read the seed article: `python benchmarks/startup.py`.

Each command runs in a process of its own, several times; the first run is left out, as it may write the graph that
later ones read. Results go to benchmarks/results/startup.json, from which benchmarks/tables.py writes its sentence of
the README.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import contradict as ct
from contradict.throughput import spread

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "startup.json"
COMMANDS = {
    "python": ("-c", "pass"),
    "import": ("-c", "import contradict"),
    "help": ("-m", "contradict", "--help"),
    "scan": ("-m", "contradict", "scan", "seeds/ceasefire.txt", "--date", "2023-12-23"),
}


def seconds(command: tuple[str, ...]) -> float:
    """Wall time of one process of this interpreter, from its start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Time every command and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    measured = {name: spread([seconds(command) for _ in range(args.runs + 1)][1:]) for name, command in COMMANDS.items()}
    record = {
        "date": dt.date.today().isoformat(),
        "version": ct.__version__,
        "cores": len(os.sched_getaffinity(0)),
        "load_after": round(os.getloadavg()[0], 2),
        "seconds": measured,
    }
    args.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: s["median"] for name, s in measured.items()}, indent=1))


if __name__ == "__main__":
    main()
