"""Train the shipped models: `python models/train.py models/nli-minilm.toml --data DIR`.

Reads a recipe, mixes its sources, trains and writes checkpoints to models/checkpoints/NAME. A run
that was stopped goes on from its last checkpoint. `--publish` writes the weights as an ordinary
Hugging Face folder to models/NAME, calibrates them and keeps the curve in benchmarks/results.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from attitudes import attitude_pairs
from rewrites import rewritten_pairs

from contradict import calibration, training
from contradict.backends import load_model
from contradict.schema import LabelledPair
from contradict.scoring import score_pairs

HERE = Path(__file__).parent
FALSE_ALARMS = {"compatible": 0.10, "unrelated": 0.05}
"""Largest shares of written dev pairs that the threshold of a published model may flag."""
SAME_ACTOR_FLAGGED = 0.005
"""Largest share of pairs of real statements of one actor that it may flag."""
SAME_ACTOR_PAIRS = 10_000


def _targets(task: str, label: str, kind: str) -> tuple[str, ...]:
    """The relations a corpus label allows.

    Position corpora call opposite stances "tension" and a supporting argument "entailment": each label
    trains just what it says.
    """
    if task == "position":
        if kind.startswith("other_issue"):
            return ("unrelated",)
        return {
            "entailment": ("entailment", "neutral"),
            "neutral": ("neutral",),
            "contradiction": ("contradiction",),
            "tension": ("tension", "contradiction"),
        }[label]
    return training.ALLOWED[label]


def split_of(group: str) -> str:
    """Which split a written group belongs to: 8 % dev, 8 % test, by a hash of its id."""
    bucket = zlib.crc32(group.encode()) % 100
    return "dev" if bucket < 8 else "test" if bucket < 16 else "train"


def written_groups(split: str) -> list[dict[str, Any]]:
    """The project-written groups of one split."""
    rows = []
    for path in sorted((HERE / "data" / "written").glob("groups*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if split_of(row["id"]) == split:
                rows.append(row)
    return rows


def _texts(group: dict[str, Any]) -> list[str]:
    return [group["anchor"]["text"], *(partner["text"] for partner in group["partners"])]


def written_pairs(split: str) -> list[training.Example]:
    """Anchor against each partner; in training also the paraphrase of the anchor against each partner and the anchor.

    A partner that paraphrases the anchor stands to the others as the anchor does, but for details
    it leaves out, so it adds half-weight pairs that share few words.
    """
    out: list[training.Example] = []
    for group in written_groups(split):
        anchor = group["anchor"]["text"]
        restated = [p["text"] for p in group["partners"] if p["label"] == "entailment"]
        for partner in group["partners"]:
            allowed = training.ALLOWED[partner["label"]]
            out.append(training.Example(anchor, partner["text"], allowed, symmetric=partner["label"] != "entailment"))
            if split == "train" and partner["label"] == "entailment":
                out.append(training.Example(partner["text"], anchor, ("entailment", "neutral"), weight=0.5))
            elif split == "train":
                wide = ("contradiction", "tension") if partner["label"] in ("contradiction", "tension") else allowed
                out += [training.Example(r, partner["text"], wide, symmetric=True, weight=0.5) for r in restated]
    return out


def minimal_pair_rows(split: str) -> list[dict[str, Any]]:
    """The project-written minimal pairs of one split; the two halves of one pair stay together."""
    rows = []
    for path in sorted((HERE / "data" / "written").glob("minimal_pairs*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if split_of(row["id"].rstrip("ab")) == split:
                rows.append(row)
    return rows


def minimal_pairs(split: str) -> list[training.Example]:
    """The rows of `minimal_pair_rows` as training pairs."""
    return [
        training.Example(
            row["premise"], row["hypothesis"], training.ALLOWED[row["label"]], symmetric=row["label"] in ("contradiction", "tension")
        )
        for row in minimal_pair_rows(split)
    ]


def random_pairs(texts: list[tuple[str, str]], count: int, rng: random.Random) -> list[training.Example]:
    """Pairs of statements from two different topics, hence unrelated.

    Args:
        texts: (topic, text) rows.
        count: How many pairs to draw.
        rng: The source of randomness.
    """
    out: list[training.Example] = []
    while len(out) < count:
        (topic_a, a), (topic_b, b) = rng.choice(texts), rng.choice(texts)
        if topic_a != topic_b:
            out.append(training.Example(a, b, ("unrelated",), symmetric=True))
    return out


def split_of_actor(actor: str) -> str:
    """Which split the real statements of an actor belong to: half train, a quarter dev, a quarter test, by a hash of the name."""
    return ("train", "dev", "train", "test")[zlib.crc32(actor.encode()) % 4]


def statement_id(text: str) -> str:
    """By what models/data/statements.jsonl names a statement whose text is not ours to ship."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def real_statements(data: Path, split: str) -> dict[str, list[dict[str, Any]]]:
    """Statements of 40 to 400 characters by actor, for the actors of a split who spoke on more than one day."""
    import pyarrow.parquet as pq

    by_actor: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(data / "statements.parquet").to_pylist():
        if row["actor"] and 40 <= len(row["text"]) <= 400 and split_of_actor(row["actor"]) == split:
            by_actor.setdefault(row["actor"], []).append(row)
    return {actor: said for actor, said in sorted(by_actor.items()) if len({s["date"] for s in said}) > 1}


def same_actor_pairs(by_actor: dict[str, list[dict[str, Any]]], count: int, rng: random.Random) -> list[tuple[str, str]]:
    """Different pairs of statements that one actor made on two days, an actor as likely as the next."""
    actors = list(by_actor)
    pairs: dict[tuple[str, str], None] = {}
    while len(pairs) < count:
        a, b = rng.sample(by_actor[rng.choice(actors)], 2)
        if a["date"] != b["date"] and (b["text"], a["text"]) not in pairs and a["text"] != b["text"]:
            pairs[a["text"], b["text"]] = None
    return list(pairs)


def statement_pairs(data: Path, rng: random.Random) -> dict[str, list[training.Example]]:
    """Pairs of real statements of the training actors.

    `same_actor` are pairs drawn blindly: hardly one in two hundred is a conflict, so they teach "no conflict".
    `judged` are pairs that an earlier model flagged or that are on one question, labelled by hand.

    Raises:
        ValueError: Labels stand for statements that the folder does not hold.
    """
    trained = real_statements(data, "train")
    text = {statement_id(s["text"]): s["text"] for said in trained.values() for s in said}
    labels = HERE / "data" / "statements.jsonl"
    rows = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]
    if lost := sum(row["a"] not in text or row["b"] not in text for row in rows):
        raise ValueError(f"{labels}: {lost:,} of {len(rows):,} pairs name statements that {data / 'statements.parquet'} does not hold")
    judged = [
        training.Example(text[row["a"]], text[row["b"]], training.ALLOWED[row["label"]], symmetric=row["label"] != "entailment")
        for row in rows
    ]
    blind = ("entailment", "neutral", "unrelated")
    drawn = same_actor_pairs(trained, 40_000, rng)
    return {"same_actor": [training.Example(a, b, blind, symmetric=True) for a, b in drawn], "judged": judged}


def load_sources(data: Path, seed: int, split: str = "train") -> dict[str, list[training.Example]]:
    """All training sources by name: open third-party corpora, pairs of real statements and the project-written data."""
    import pyarrow.parquet as pq

    table = pq.read_table(data / "pairs" / f"{split}.parquet", filters=[("licence", "=", "open")])
    sources: dict[str, list[training.Example]] = {}
    topics: list[tuple[str, str]] = []
    nli: list[tuple[str, str, str]] = []
    for row in table.to_pylist():
        name = row["source"]
        name = "mnli" if name.startswith("mnli_") else "snli" if name.startswith("snli_") else name
        label, task = row["label"], row["task"]
        allowed = _targets(task, label, row["kind"] or "")
        symmetric = label in ("contradiction", "tension") or (task == "position" and label == "neutral")
        example = training.Example(row["premise"], row["hypothesis"], allowed, symmetric=symmetric)
        sources.setdefault(name, []).append(example)
        if name in ("mnli", "snli"):
            nli.append((row["premise"], row["hypothesis"], label))
        if task == "position" and not (row["kind"] or "").startswith("other_issue"):
            topics.append((f"{name}:{row['group']}", row["premise"]))
    rng = random.Random(seed)
    for group in written_groups(split):
        topics += [(group["id"], t) for t in _texts(group) * 3]
    sources["written"] = written_pairs(split)
    sources["minimal_pairs"] = minimal_pairs(split)
    sources["random_pairs"] = random_pairs(topics, 40_000, rng)
    sources["attitudes"] = attitude_pairs(20_000, seed)
    sentences = [text for group in written_groups(split) for text in _texts(group)]
    sentences += [premise for premise, _, _ in nli if len(premise) < 200]
    if split == "train":
        sources |= statement_pairs(data, rng)
    return sources | rewritten_pairs(nli, list(dict.fromkeys(sentences)), seed)


def question_sources(data: Path, seed: int) -> dict[str, list[training.Example]]:
    """Training pairs of the bi-encoder: two statements on one question, agreeing or not, and one on another.

    Args:
        data: Folder with the third-party pairs.
        seed: Chooses which unrelated partner of a group stands as the negative.
    """
    import pyarrow.parquet as pq

    rng = random.Random(seed)
    sources: dict[str, list[training.Example]] = {"written": [], "restated": [], "positions": [], "nli": []}
    for group in written_groups("train"):
        by_label: dict[str, list[str]] = {}
        for partner in group["partners"]:
            by_label.setdefault(partner["label"], []).append(partner["text"])
        restated = by_label["entailment"]
        for label in ("contradiction", "tension", "entailment", "compatible"):
            for text in by_label[label]:
                for anchor in [group["anchor"]["text"], *(restated if label != "entailment" else ())]:
                    name = "written" if anchor == group["anchor"]["text"] else "restated"
                    negative = rng.choice(by_label["unrelated"])
                    weight = 0.5 if label == "compatible" else 1.0
                    allowed = training.ALLOWED[label]
                    sources[name].append(training.Example(anchor, text, allowed, weight=weight, negative=negative, topic=group["id"]))
    for row in pq.read_table(data / "pairs" / "train.parquet", filters=[("licence", "=", "open")]).to_pylist():
        position = row["task"] == "position" and not (row["kind"] or "").startswith("other_issue")
        if position or (row["source"].startswith(("mnli_", "snli_")) and row["label"] in ("entailment", "contradiction")):
            example = training.Example(row["premise"], row["hypothesis"], (), topic=f"{row['source']}:{row['group']}")
            sources["positions" if position else "nli"].append(example)
    return sources


def probe(split: str, data: Path) -> dict[str, list[training.Example]]:
    """Small development sets whose figures are logged while a model trains."""
    sources = load_sources(data, 0, split)
    rng = random.Random(1)

    def take(rows: list[training.Example], n: int) -> list[training.Example]:
        return rng.sample(rows, min(n, len(rows)))

    return {
        "mnli": take(sources["mnli"], 1200),
        "written": sources["written"],
        "minimal_pairs": sources["minimal_pairs"],
        "ibm_rank30k": take(sources["ibm_rank30k"], 400),
        "random_pairs": take(sources["random_pairs"], 400),
    }


def calibrate(folder: Path, data: Path) -> None:
    """Fit calibration.json of a published model.

    The curve is fitted on the dev split of the written groups. The threshold is the lowest that keeps `FALSE_ALARMS` there,
    where compatible partners were written to look alarming, and `SAME_ACTOR_FLAGGED` on real statements of one actor.
    """
    pairs = [
        LabelledPair(group["anchor"]["text"], partner["text"], partner["label"], f"{group['id']}:{i}")
        for group in written_groups("dev")
        for i, partner in enumerate(group["partners"])
    ]
    model = load_model(str(folder))
    scores = score_pairs([(p.premise, p.hypothesis) for p in pairs], model)
    calibrator = calibration.calibrate(pairs, scores, false_alarms=FALSE_ALARMS)
    real = same_actor_pairs(real_statements(data, "dev"), SAME_ACTOR_PAIRS, random.Random(5))
    raw = score_pairs(real, model).conflict()
    threshold = max(calibrator.threshold, calibrator.threshold_for(raw, SAME_ACTOR_FLAGGED))
    sets = {label: scores.conflict()[[p.label == label for p in pairs]] for label in sorted({p.label for p in pairs})}
    about = {
        "on": f"{calibrator.fitted['on']}, dev split of the written groups in models/data/written; {len(real):,} pairs of real statements",
        "rule": f"{calibrator.fitted['rule']}, and {1000 * SAME_ACTOR_FLAGGED:g} in 1,000 pairs of real statements of one actor",
        "flagged": {
            name: round(float((calibrator.probability(kept) >= threshold).mean()), 4) for name, kept in (sets | {"same actor": raw}).items()
        },
    }
    replace(calibrator, threshold=threshold, fitted=calibrator.fitted | about).save(folder)


def main() -> None:
    """Run the recipe given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="TOML recipe, e.g. models/nli-minilm.toml")
    parser.add_argument("--data", type=Path, required=True, help="folder with pairs/train.parquet and pairs/dev.parquet")
    parser.add_argument("--publish", action="store_true", help="write the last checkpoint to models/NAME and stop")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    args = parser.parse_args()
    recipe = tomllib.loads(args.recipe.read_text(encoding="utf-8"))
    checkpoint = HERE / "checkpoints" / recipe["name"]
    if args.publish:
        training.publish(recipe, checkpoint, HERE / recipe["name"])
        shutil.copy(checkpoint / "log.jsonl", HERE.parent / "benchmarks" / "results" / f"training-{recipe['name']}.jsonl")
        if recipe["kind"] == "cross-encoder":
            calibrate(HERE / recipe["name"], args.data)
        return
    seed = recipe["seed"]
    if recipe["kind"] == "bi-encoder":
        training.train(
            recipe,
            checkpoint,
            sources=lambda: question_sources(args.data, seed),
            development={"written": written_pairs("dev")},
            threads=args.threads,
        )
    else:
        training.train(
            recipe, checkpoint, sources=lambda: load_sources(args.data, seed), development=probe("dev", args.data), threads=args.threads
        )


if __name__ == "__main__":
    main()
