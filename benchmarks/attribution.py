"""How well `find_attributions` finds source, cue and content on articles with attribution spans.

The folder holds `polnear_dev.jsonl.gz` (or another `*.jsonl[.gz]` given by --file): one article a line with `id, text,
attributions`; each attribution has `source`, `cue` and `content` as lists of character spans. Gold annotates outermost
attributions only, so predictions inside the content of another are left out. Detection: cues overlap, or contents
overlap with IoU >= 0.5. End to end: the sources overlap and the contents have IoU >= 0.5; an attribution
whose source is missing in gold is not found by definition.
Intervals: percentile bootstrap over articles.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resampling import RESULTS, intervals, match, write_section

from contradict.extraction import Attribution, find_attributions
from contradict.frames import pipeline, word_set
from contradict.schema import Article

Spans = Sequence[Sequence[int]]


def characters(spans: Spans) -> set[int]:
    """Offsets that the spans cover."""
    return {i for start, end in spans for i in range(start, end)}


def outermost(found: list[Attribution]) -> list[Attribution]:
    """Attributions whose cue lies in no other one's content; one per content."""
    kept: list[Attribution] = []
    covered: list[set[int]] = []
    contents = [characters(a.content) for a in found]
    for i in sorted(range(len(found)), key=lambda i: -len(contents[i])):
        inside = any(found[i].cue[0] in contents[j] for j in range(len(found)) if j != i and contents[j] != contents[i])
        same = any(len(contents[i] & other) > 0.8 * len(contents[i]) for other in covered)
        if not inside and not same:
            kept.append(found[i])
            covered.append(contents[i])
    return kept


def speech_cues(text: str, gold: list[dict[str, Spans]]) -> list[bool]:
    """Which gold cues hold a verb of saying of the lexicon."""
    cues = pipeline().pipe(" ".join(text[a:b] for a, b in g["cue"]) for g in gold)
    return [any(t.lemma_.lower() in word_set("verbs", "say") for t in cue) for cue in cues]


def score_article(found: list[Attribution], gold: list[dict[str, Spans]], speech: list[bool]) -> dict[str, int]:
    """Counts of one article: predictions, gold, detected and right end to end, the last two of speech verbs alone too."""
    contents = [characters(g["content"]) for g in gold]
    sources = [characters(g["source"]) for g in gold]
    cues = [characters(g["cue"]) for g in gold]
    pairs = []
    for i, a in enumerate(found):
        content = characters(a.content)
        for j in range(len(gold)):
            overlap = len(content & contents[j]) / len(content | contents[j]) if content | contents[j] else 0.0
            cue = bool(set(range(*a.cue)) & cues[j])
            if overlap < 0.5 and not cue:
                continue
            right = overlap >= 0.5 and bool(set(range(*a.source)) & sources[j])
            pairs.append((right, overlap, i, j))
    counts = {"predicted": len(found), "gold": len(gold), "detected": 0, "right": 0}
    counts |= {"speech": sum(speech), "speech_detected": 0, "speech_right": 0}
    for right, _, j in match(pairs):
        counts["detected"] += 1
        counts["right"] += right
        counts["speech_detected"] += speech[j]
        counts["speech_right"] += right and speech[j]
    return counts


def summary(rows: Sequence[dict[str, int]]) -> dict[str, float]:
    """Precision, recall and F1 of detection and end to end."""
    total = {key: sum(r[key] for r in rows) for key in rows[0]}
    out = {}
    for name, key in (("detection", "detected"), ("end_to_end", "right")):
        out[f"{name}_precision"] = total[key] / max(total["predicted"], 1)
        out[f"{name}_recall"] = total[key] / max(total["gold"], 1)
        out[f"{name}_f1"] = 2 * total[key] / max(total["predicted"] + total["gold"], 1)
        out[f"{name}_recall_speech"] = total[f"speech_{key}"] / max(total["speech"], 1)
    return out


def read(path: Path) -> list[dict[str, Any]]:
    """The articles of a JSON Lines file, packed or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main() -> None:
    """Score the file, print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--file", default="polnear_dev.jsonl.gz", help="file in the folder")
    parser.add_argument("--limit", type=int, help="only the first N articles")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file; its section `attribution` is replaced")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap samples")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = []
    kinds: collections.Counter[str] = collections.Counter()
    seconds, size = 0.0, 0
    for record in read(args.folder / args.file)[: args.limit]:
        begin = time.process_time()
        found = outermost(find_attributions(Article(record["id"], record["text"])))
        seconds += time.process_time() - begin
        size += len(record["text"])
        kinds.update(a.kind for a in found)
        rows.append(score_article(found, record["attributions"], speech_cues(record["text"], record["attributions"])))
    result = {
        "articles": len(rows),
        "attributions": sum(r["gold"] for r in rows),
        "predicted_by_kind": dict(kinds),
        "metrics": intervals(rows, summary, draws=args.draws, seed=args.seed),
        "characters_per_cpu_second": round(size / seconds),
    }
    write_section(args.output, "attribution", result)


if __name__ == "__main__":
    main()
