"""Prove that a built wheel works outside the checkout: `python tests/check_wheel.py dist`.

Unpacks the one wheel of the folder, runs `contradict scan` with it from an empty folder and with all
network access refused, and checks that a finding comes out and that the weights are those of the wheel.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

RUN = """
import socket, sys
def refuse(*args): raise SystemExit("a socket was opened")
socket.socket.connect = refuse
import contradict, contradict.cli
assert contradict.__file__.startswith(sys.argv[1]), contradict.__file__
assert str(contradict.load_model().folder).startswith(sys.argv[1])
code = contradict.cli.main(["scan", "statements.jsonl", "-o", "report.html"])
sys.exit(code or contradict.cli.main(["scan", "statements.jsonl", "--format", "jsonl"]))
"""


def main() -> None:
    """Check the wheel in the folder named on the command line."""
    (wheel,) = Path(sys.argv[1]).glob("*.whl")
    seeds = Path(__file__).parent.parent / "seeds" / "statements.jsonl"
    with tempfile.TemporaryDirectory() as folder:
        site, empty = Path(folder, "site"), Path(folder, "empty")
        empty.mkdir()
        zipfile.ZipFile(wheel).extractall(site)
        shutil.copy(seeds, empty)
        environment = os.environ | {"PYTHONPATH": str(site)}
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(site)], cwd=empty, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode or not done.stdout:
        sys.exit(f"the wheel does not work outside the checkout:\n{done.stderr}")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    print(f"{wheel.name} ({wheel.stat().st_size / 1e6:.0f} MB): {len(findings)} findings outside the checkout")


if __name__ == "__main__":
    main()
