"""How well extraction does on articles with gold statements: F1, channel, date and wrong persons.

The folder holds pairs `NAME.txt` and `NAME.gold.json`; the JSON has `date` and `statements` with `actor, channel,
text, start, end, date`. A prediction matches a gold statement if the actor is the same person and the characters of
the content overlap with IoU >= 0.5. Statements of unnamed people ("US officials") are scored apart, because gold
holds those of individuals only. Intervals: percentile bootstrap over articles.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resampling import RESULTS, intervals, write_section

from contradict.extraction import extract_statements
from contradict.schema import Article, DateRange, Statement


def iou(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Intersection over union of two character spans."""
    inter = min(a[1], b[1]) - max(a[0], b[0])
    return inter / (max(a[1], b[1]) - min(a[0], b[0])) if inter > 0 else 0.0


def same_actor(predicted: str, gold: str) -> bool:
    """Same name, letter case apart; a surname alone counts for the full name."""
    a, b = predicted.casefold(), gold.casefold()
    return a == b or b.split()[-1] == a


def score_article(statements: list[Statement], gold: list[dict[str, Any]]) -> dict[str, float]:
    """Counts of one article, each gold statement matched at most once, best overlap first."""
    counts = dict.fromkeys(
        ("predicted", "gold", "right", "spans", "wrong_person", "channel", "date_holds", "date_exact", "extra_unnamed"), 0.0
    )
    pairs = []
    for i, s in enumerate(statements):
        assert s.span is not None
        for j, g in enumerate(gold):
            overlap = iou(s.span, (g["start"], g["end"]))
            if overlap >= 0.5:
                pairs.append((overlap, same_actor(s.actor, g["actor"]), i, j))
    used_s: set[int] = set()
    used_g: set[int] = set()
    for _, right, i, j in sorted(pairs, key=lambda p: (-p[1], -p[0], p[2], p[3])):
        if i in used_s or j in used_g:
            continue
        used_s.add(i)
        used_g.add(j)
        counts["spans"] += 1
        s, g = statements[i], gold[j]
        if not right:
            counts["wrong_person"] += 1
            continue
        counts["right"] += 1
        counts["channel"] += s.channel == g["channel"]
        truth = DateRange.parse(g["date"])
        if s.date is not None:
            counts["date_exact"] += s.date == truth
            counts["date_holds"] += s.date.gap_days(truth) == 0
    unnamed = [i for i, s in enumerate(statements) if s.extra.get("group") and i not in used_s]
    counts["extra_unnamed"] = len(unnamed)
    counts["predicted"] = len(statements) - len(unnamed)
    counts["gold"] = len(gold)
    return counts


def summary(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Rates from summed counts."""
    total = {key: sum(r[key] for r in rows) for key in rows[0]}
    right = max(total["right"], 1)
    return {
        "precision": total["right"] / max(total["predicted"], 1),
        "recall": total["right"] / max(total["gold"], 1),
        "f1": 2 * total["right"] / max(total["predicted"] + total["gold"], 1),
        "f1_unnamed_counted": 2 * total["right"] / max(total["predicted"] + total["extra_unnamed"] + total["gold"], 1),
        "channel_accuracy": total["channel"] / right,
        "date_exact": total["date_exact"] / right,
        "date_compatible": total["date_holds"] / right,
        "wrong_person": total["wrong_person"],
    }


def main() -> None:
    """Score the folder, print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with NAME.txt and NAME.gold.json")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file; its section `articles` is replaced")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap samples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--misses", action="store_true", help="print ids of spurious statements and offsets of missed gold ones")
    args = parser.parse_args()
    rows: list[dict[str, float]] = []
    characters, seconds = 0, 0.0
    for path in sorted(args.folder.glob("*.gold.json")):
        gold = json.loads(path.read_text(encoding="utf-8"))
        name = path.name.removesuffix(".gold.json")
        text = path.with_name(name + ".txt").read_text(encoding="utf-8")
        article = Article(name, text, DateRange.parse(gold["date"]))
        begin = time.perf_counter()
        statements = extract_statements(article)
        seconds += time.perf_counter() - begin if rows else 0.0
        characters += len(text) if rows else 0
        rows.append(score_article(statements, gold["statements"]))
        if args.misses:
            spans = [s.span for s in statements if s.span is not None]
            missed = [(g["start"], g["end"]) for g in gold["statements"] if not any(iou(s, (g["start"], g["end"])) >= 0.5 for s in spans)]
            spurious = [
                s.id for s in statements if s.span and not any(iou(s.span, (g["start"], g["end"])) >= 0.5 for g in gold["statements"])
            ]
            print(name, summary([rows[-1]]), "missed", missed, "spurious", spurious)
    result = {
        "articles": len(rows),
        "metrics": intervals(rows, summary, draws=args.draws, seed=args.seed),
        "characters_per_second": round(characters / seconds) if seconds else None,
    }
    write_section(args.output, "articles", result)


if __name__ == "__main__":
    main()
