"""What the scorers that read articles share: matching, intervals by article, and the results file they write into."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "extraction.json"


def match(pairs: Iterable[tuple[bool, float, int, int]]) -> Iterator[tuple[bool, int, int]]:
    """Pair predictions with gold one to one: right ones first, then by overlap.

    Args:
        pairs: (right, overlap, prediction, gold) of all that could be paired.

    Yields:
        (right, prediction, gold), each prediction and each gold item at most once.
    """
    predicted: set[int] = set()
    found: set[int] = set()
    for right, _, i, j in sorted(pairs, key=lambda p: (-p[0], -p[1], p[2], p[3])):
        if i not in predicted and j not in found:
            predicted.add(i)
            found.add(j)
            yield right, i, j


def intervals(
    rows: Sequence[Any], summary: Callable[[Sequence[Any]], Mapping[str, float]], *, draws: int, seed: int
) -> dict[str, dict[str, float]]:
    """Figures of all rows with their 95 % percentile bootstrap intervals, whole articles drawn with replacement.

    Args:
        rows: One per article.
        summary: Rows -> figures by name.
        draws: Bootstrap samples.
        seed: Of the random draws.

    Returns:
        Name -> `value`, `low`, `high`.
    """
    rng = random.Random(seed)
    samples = [summary(rng.choices(rows, k=len(rows))) for _ in range(draws)]
    out = {}
    for name, value in summary(rows).items():
        values = sorted(s[name] for s in samples)
        low, high = values[int(0.025 * draws)], values[min(int(0.975 * draws), draws - 1)]
        out[name] = {key: round(figure, 4) for key, figure in (("value", value), ("low", low), ("high", high))}
    return out


def write_section(path: Path, name: str, result: Mapping[str, Any]) -> None:
    """Put a result under its name into the results file and leave the others as they are; print it too."""
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    record[name] = result
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
