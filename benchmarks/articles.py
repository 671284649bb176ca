"""How well articles with gold statements are read, and how many of their conflicts reach the reader.

A folder holds pairs `NAME.txt` and `NAME.gold.json`; the JSON has `date`, `statements` with `actor, channel, text, start,
end, date`, and `contradictions` as pairs of indices into them with a label. A prediction matches a gold statement if the
actor is the same person and the characters of the content overlap with IoU >= 0.5. Statements of unnamed people ("US
officials") are scored apart, because gold holds those of individuals only. A conflict is read when both its statements
are found with the right actor and channel, paired when the two also come through pairing and pruning with the default
settings, and found when they are among the findings. Intervals: percentile bootstrap over articles.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resampling import RESULTS, intervals, match, write_section

from contradict.detector import Detector
from contradict.extraction import extract_statements
from contradict.schema import Article, DateRange, Statement

COUNTS = (
    *("predicted", "gold", "right", "spans", "wrong_person", "channel", "private", "truly_private", "date_holds", "date_exact"),
    *("extra_unnamed", "conflicts", "conflicts_read", "conflicts_paired", "conflicts_found", "without_conflict", "quiet"),
)


def iou(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Intersection over union of two character spans."""
    inter = min(a[1], b[1]) - max(a[0], b[0])
    return inter / (max(a[1], b[1]) - min(a[0], b[0])) if inter > 0 else 0.0


def same_actor(predicted: str, gold: str) -> bool:
    """Same name, letter case apart; a surname alone counts for the full name."""
    a, b = predicted.casefold(), gold.casefold()
    return a == b or b.split()[-1] == a


def score_article(statements: list[Statement], gold: list[dict[str, Any]]) -> tuple[dict[str, float], dict[int, int]]:
    """Counts of one article, each gold statement matched at most once, and gold index -> the statement of the right actor."""
    counts = dict.fromkeys(COUNTS, 0.0)
    pairs = []
    for i, s in enumerate(statements):
        assert s.span is not None
        for j, g in enumerate(gold):
            overlap = iou(s.span, (g["start"], g["end"]))
            if overlap >= 0.5:
                pairs.append((same_actor(s.actor, g["actor"]), overlap, i, j))
    found: dict[int, int] = {}
    used = set()
    for right, i, j in match(pairs):
        used.add(i)
        counts["spans"] += 1
        s, g = statements[i], gold[j]
        if not right:
            counts["wrong_person"] += 1
            continue
        found[j] = i
        counts["right"] += 1
        counts["channel"] += s.channel == g["channel"]
        counts["private"] += s.channel == "private"
        counts["truly_private"] += s.channel == "private" == g["channel"]
        truth = DateRange.parse(g["date"])
        if s.date is not None:
            counts["date_exact"] += s.date == truth
            counts["date_holds"] += s.date.gap_days(truth) == 0
    unnamed = [i for i, s in enumerate(statements) if s.extra.get("group") and i not in used]
    counts["extra_unnamed"] = len(unnamed)
    counts["predicted"] = len(statements) - len(unnamed)
    counts["gold"] = len(gold)
    return counts, found


def count_conflicts(record: dict[str, Any], statements: list[Statement], found: dict[int, int], detector: Detector) -> dict[str, float]:
    """What became of the conflicts of one article; the detector loads its models."""
    gold = record["statements"]
    conflicts = [(a, b) for a, b, _ in record["contradictions"]]
    report = detector.scan(statements)
    scored = {frozenset(pair) for pair in report.pairs}
    flagged = {frozenset((f.a.id, f.b.id)) for f in report.findings}
    read = [
        (found[a], found[b]) for a, b in conflicts if all(j in found and statements[found[j]].channel == gold[j]["channel"] for j in (a, b))
    ]
    seen = [frozenset((statements[found[a]].id, statements[found[b]].id)) for a, b in conflicts if a in found and b in found]
    return {
        "conflicts": len(conflicts),
        "conflicts_read": len(read),
        "conflicts_paired": sum(frozenset(pair) in scored for pair in read),
        "conflicts_found": sum(pair in flagged for pair in seen),
        "without_conflict": not conflicts,
        "quiet": not conflicts and not flagged,
    }


def summary(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Rates from summed counts; what has no case counts as 1."""
    total = {key: sum(r[key] for r in rows) for key in rows[0]}

    def share(part: str, whole: str) -> float:
        return total[part] / total[whole] if total[whole] else 1.0

    return {
        "precision": share("right", "predicted"),
        "recall": share("right", "gold"),
        "f1": 2 * total["right"] / max(total["predicted"] + total["gold"], 1),
        "f1_unnamed_counted": 2 * total["right"] / max(total["predicted"] + total["extra_unnamed"] + total["gold"], 1),
        "channel_accuracy": share("channel", "right"),
        "private_precision": share("truly_private", "private"),
        "date_exact": share("date_exact", "right"),
        "date_compatible": share("date_holds", "right"),
        "wrong_person": total["wrong_person"],
        "conflicts_read": share("conflicts_read", "conflicts"),
        "conflicts_paired": share("conflicts_paired", "conflicts"),
        "conflicts_found": share("conflicts_found", "conflicts"),
        "quiet_without_conflict": share("quiet", "without_conflict"),
    }


def score_folder(folder: Path, detector: Detector, args: argparse.Namespace) -> dict[str, Any]:
    """Figures of all articles of a folder."""
    rows: list[dict[str, float]] = []
    characters, seconds = 0, 0.0
    for path in sorted(folder.glob("*.gold.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        name = path.name.removesuffix(".gold.json")
        text = path.with_name(name + ".txt").read_text(encoding="utf-8")
        article = Article(name, text, DateRange.parse(record["date"]))
        begin = time.perf_counter()
        statements = extract_statements(article)
        seconds += time.perf_counter() - begin if rows else 0.0
        characters += len(text) if rows else 0
        counts, found = score_article(statements, record["statements"])
        rows.append({**counts, **count_conflicts(record, statements, found, detector)})
        if args.misses:
            missed = [j for j in range(len(record["statements"])) if j not in found]
            spurious = [s.id for i, s in enumerate(statements) if i not in found.values()]
            print(name, "missed", missed, "spurious", spurious)
    if not rows:
        raise SystemExit(f"{folder}: holds no NAME.gold.json")
    return {
        "articles": len(rows),
        "statements": int(sum(r["gold"] for r in rows)),
        "conflicts": int(sum(r["conflicts"] for r in rows)),
        "metrics": intervals(rows, summary, draws=args.draws, seed=args.seed),
        "characters_per_second": round(characters / seconds) if seconds else None,
    }


def main() -> None:
    """Score the folders, print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders with NAME.txt and NAME.gold.json")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file; its section `articles FOLDER` is replaced")
    parser.add_argument("--note", default="", help="added to the section's name, so that an earlier figure is kept beside")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap samples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--misses", action="store_true", help="print the indices of missed gold statements and the ids of spurious ones")
    args = parser.parse_args()
    detector = Detector()
    for folder in args.folders:
        write_section(args.output, f"articles {folder.resolve().name} {args.note}".strip(), score_folder(folder, detector, args))


if __name__ == "__main__":
    main()
