"""Pictures of the two pages for the README: `python benchmarks/screenshots.py` writes docs/report.png and docs/evaluation.png.

Needs Chromium. The pages are those of the seeds with the shipped model.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from contradict import cli

ROOT = Path(__file__).parent.parent
PAGES = {
    "report": (["scan", "seeds/ceasefire.txt", "seeds/statements.jsonl", "--date", "2023-12-23"], (1280, 1240)),
    "evaluation": (["evaluate", "seeds/labelled_pairs.jsonl"], (1280, 1000)),
}
"""The command that makes each page, and the width and height of its picture."""


def main() -> None:
    """Make the pages, then their pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("chromium is missing; install it with: apt-get install chromium")
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(ROOT):
        for name, (command, (width, height)) in PAGES.items():
            page, picture = Path(folder, f"{name}.html"), docs / f"{name}.png"
            if code := cli.main([*command, "--device", "cpu", "-o", str(page)]):
                sys.exit(code)
            flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000"]
            subprocess.run(
                [chromium, *flags, f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri()],
                check=True,
                capture_output=True,
            )
            print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
