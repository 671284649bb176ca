"""Write the figures of the results files into README.md and the model cards: `python benchmarks/tables.py`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; nobody edits there by hand. With
--check nothing is written and the exit code is 1 when a table is not what its results file says.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contradict.backends import LIMITS, keeps_accuracy
from contradict.verdicts import REASONS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (
    *(ROOT / page / "README.md" for page in (".", "models/nli-minilm", "models/claims-minilm", "models/data")),
    ROOT / "docs" / "reasons.md",
)

_LABELS = ("contradiction", "tension", "entailment", "compatible", "neutral", "unrelated")
_TITLES = {
    "mnli_dev_matched": "MultiNLI dev matched",
    "mnli_dev_mismatched": "MultiNLI dev mismatched (3.9k of 9.8k)",
    "snli_test": "SNLI test",
    "privpub_open": "private/public pairs of real actors (`privpub_open`)",
    "written_test": "written groups, test split",
    "minimal_pairs_test": "written minimal pairs, test split",
    "behaviour": "behaviour suite",
    "seed_pairs": "seed pairs",
    "breaking_nli": "Breaking NLI",
    "negation_nli": "negation NLI",
    "fever_symmetric": "FEVER symmetric",
    "ibm_rank30k": "IBM Rank 30k",
    "argkp2021": "ArgKP 2021",
    "perspectrum": "Perspectrum",
    "anthropic_persona": "persona statements on gun rights",
    "overheard_flips": "flips of US politicians and other pairs of theirs",
}
_FLAGGED = {"written_test": "written test pairs", "statements": "pairs of real statements"}


def _load(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return record


def _range(metric: dict[str, float | None] | None) -> str:
    if metric is None or metric["value"] is None:
        return "-"
    if metric["low"] is None:
        return f"{metric['value']:.3f}"
    return f"{metric['value']:.3f} ({metric['low']:.3f}-{metric['high']:.3f})"


def _rows(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _quality(names: list[str]) -> str:
    sets = _load("quality.json")["sets"]
    rows = []
    for name in names:
        if name not in sets:
            continue
        m = sets[name]["metrics"]
        nli = sets[name]["left_out"]["nli"]
        three_way = "-" if sum(nli.values()) == sets[name]["n"] else _range(m["forward_accuracy"])
        figures = [three_way, *(_range(m[k]) for k in ("macro_f1", "ap_contradiction", "auc_conflict", "ap_conflict", "ece_conflict"))]
        rows.append([_TITLES[name], f"{sets[name]['n']:,}", *figures])
    return _rows(["set", "pairs", "accuracy", "macro-F1", "AP contradiction", "AUC conflict", "AP conflict", "ECE conflict"], rows)


def quality() -> str:
    """The sets that the README shows."""
    return _quality(["mnli_dev_matched", "snli_test", "privpub_open", "written_test", "behaviour"])


def quality_all() -> str:
    """Every set, for the model card."""
    return _quality(list(_TITLES))


def flags() -> str:
    """Share of pairs flagged at the default threshold, by gold label."""
    record = _load("quality.json")
    labels = ["contradiction", "tension", "change", "compatible", "entailment", "neutral", "unrelated"]
    rows = []
    for name in ("privpub_open", "written_test", "behaviour", "seed_pairs"):
        if name in record["sets"]:
            gold = record["sets"][name]["slices"]["gold"]
            shares = [f"{gold[label]['flag_rate']['value']:.2f} of {gold[label]['n']}" if label in gold else "-" for label in labels]
            rows.append([_TITLES[name], *shares])
    text = _rows([f"flagged at {record['threshold']:.2f}", *labels], rows)
    if "false_alarms" in record:
        f = record["false_alarms"]
        text += (
            f"\n\nOf {f['pairs']:,} random pairs of real statements of one actor (LIAR, US debates), nearly all on different questions, "
            "by actors to whom nothing was fitted, "
            f"{f['per_1000']:.1f} per 1,000 are flagged (95 % interval {f['low']:.1f}-{f['high']:.1f})."
        )
    return text


def verdict_figures() -> str:
    """Macro-F1 of typed verdicts beside plain argmax."""
    record = _load("quality.json")
    rows = []
    for name in ("privpub_open", "written_test", "seed_pairs"):
        if "verdicts" not in record["sets"].get(name, {}):
            continue
        measured = record["sets"][name]["verdicts"]
        for classes, suffix in ((", ".join(measured["classes"]), ""), ("conflict, compatible, unrelated", "_merged")):
            figures = [_range(measured["metrics"][f"{way}_macro_f1{suffix}"]) for way in ("default", "even", "argmax")]
            rows.append([_TITLES[name], classes, *figures])
    return _rows(["set", "classes", f"threshold {record['threshold']:.2f} (default)", "threshold 0.50", "plain NLI argmax"], rows)


def reasons() -> str:
    """Every reason with its meaning, and how often pairs that have it are conflicts."""
    measured = _load("features.json")["gates"]
    rows = [["(all pairs)", "", "", *_shares(measured["all"])]]
    rows += [[f"`{name}`", f.effect, f.says, *_shares(measured.get(name))] for name, f in REASONS.items()]
    return _rows(["reason", "effect", "holds when", "written pairs", "conflicts", "flagged dev pairs", "conflicts"], rows)


def _shares(counted: dict[str, Any] | None) -> list[str]:
    if counted is None:
        return ["-"] * 4
    shares = ["-" if counted[k] is None else f"{counted[k]:.2f}" for k in ("conflicts", "flagged_conflicts")]
    return [f"{counted['pairs']:,}", shares[0], f"{counted['flagged']:,}", shares[1]]


def combinations() -> str:
    """What learned combinations gain over the rule, on written dev pairs."""
    figures = {
        "auc_conflict": "AUC conflict",
        "macro_f1": "macro-F1 of the most probable verdict",
        "contradictions_flagged": "contradictions flagged, at 10 % of compatible",
        "others_flagged_at_half": "pairs without conflict flagged, at half of the contradictions",
    }
    measured = _load("features.json")["combinations"]
    rows = [["rule", *(_range(measured["rule"][k]) for k in figures)]]
    for name, m in measured.items():
        if name != "rule":
            gains = [m[f"{k}_gain"] for k in figures]
            rows.append([name, *(f"{g['value']:+.3f} ({g['low']:+.3f} .. {g['high']:+.3f})" for g in gains)])
    return _rows(["", *figures.values()], rows)


def classes() -> str:
    """Per-class figures and confusion on the sets that issue reports ask for."""
    sets = _load("quality.json")["sets"]
    rows = []
    for name in ("mnli_dev_matched", "snli_test", "privpub_open"):
        if name not in sets:
            continue
        m, confusion = sets[name]["metrics"], sets[name]["confusion"]
        for label in ("entailment", "neutral", "contradiction"):
            support = m[f"support_{label}"]["value"]
            if support:
                figures = [_range(m[f"{k}_{label}"]) for k in ("precision", "recall", "f1")]
                said = confusion[label]
                rows.append(
                    [_TITLES[name], label, f"{support:.0f}", *figures, *(str(said[k]) for k in ("entailment", "neutral", "contradiction"))]
                )
    return _rows(["set", "gold", "pairs", "precision", "recall", "F1", "said entailment", "said neutral", "said contradiction"], rows)


def behaviour() -> str:
    """Pass rate per phenomenon of the behaviour suite."""
    record = _load("quality.json")["sets"]["behaviour"]
    slices, pairs = record["slices"]["phenomenon"], record["pair_accuracy"]
    rows = [["all", str(record["n"]), f"{pairs['all']:.2f}", f"{record['metrics']['auc_conflict']['value']:.2f}"]]
    for name, value in sorted(pairs.items(), key=lambda item: item[1]):
        if name != "all":
            rows.append([name, str(slices[name]["n"]), f"{value:.2f}", f"{slices[name]['auc_conflict']['value']:.2f}"])
    return _rows(["phenomenon", "rows", "minimal pairs in the right order", "AUC conflict"], rows)


def invariance() -> str:
    """Wrapper, order and pairing figures."""
    record = _load("quality.json")
    w = record["wrapper_invariance"]
    swap = record["sets"]["written_test"]["metrics"]["swap_gap"]
    kept = record["pairing"]["claims-minilm"]["kept"]["0.1"]
    return (
        f"- A reported-speech wrapper around one side leaves the flag as it was on {w['same_flag']:.1%} of {w['pairs']} written "
        f"test pairs; "
        f"the probability moves by {w['median_change']:.3f} in the median.\n"
        f"- Swapping the sides moves the raw conflict score by {swap['value']:.3f} in the median ({swap['low']:.3f}-{swap['high']:.3f}).\n"
        f"- Pruning at the default similarity of 0.1 keeps {kept['conflict']:.1%} of the conflicts and {kept['unrelated']:.1%} of the "
        "unrelated pairs of the written test groups."
    )


def claims() -> str:
    """The shipped embedder beside the base it was trained from."""
    cuts = ("0.1", "0.2", "0.3", "0.4")
    rows = [
        [name, f"{m['nearest_1_percent']:.3f}", f"{m['nearest_5_percent']:.3f}"]
        + [f"{m['kept'][c]['conflict']:.3f} / {m['kept'][c]['unrelated']:.3f}" for c in cuts]
        for name, m in _load("quality.json")["pairing"].items()
    ]
    head = ["embedder", "conflicts in nearest 1 %", "in nearest 5 %", *(f"conflict / unrelated kept at {c}" for c in cuts)]
    return _rows(head, rows)


def throughput() -> str:
    """Pairs per second of every backend beside other ways to run the same weights."""
    record = _load("throughput.json")
    rows = []
    for name, s in record["scorers"].items():
        speed, ratio = s["pairs_per_second"], s.get("times_cross_encoder")
        peak = f"{s['share_of_peak']:.0%}" if s["share_of_peak"] else "-"
        shown = f"x {ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})" if ratio else "-"
        memory = f"{s['peak_rss_mib']:,} MiB" if s["peak_rss_mib"] else "-"
        title = f"{name} ({s['way']})" if "way" in s and name.startswith("auto-") else name
        rows.append([title, f"{speed['median']:,.0f}", peak, shown, f"{s['seconds_to_first_result']:.2f} s", memory])
    head = ["scorer", "pairs/s", "of the peak", "CrossEncoder.predict = 1", "first result", "peak memory"]
    machine, settings, pairs, profile = record["machine"], record["settings"], record["pairs"], record["profile"]
    peaks = ", ".join(f"{dtype} {value} GFLOP/s" for dtype, value in record["peak_gflops"].items())
    energy = [f"{name} {s['joules_per_1000_pairs']:,.0f}" for name, s in record["scorers"].items() if s["joules_per_1000_pairs"]]
    budgets = ", ".join(f"{size}: {speed:,.0f}" for size, speed in profile["pairs_per_second_by_batch_tokens"].items())
    lengths = ", ".join(f"{length}: {speed:,}" for length, speed in profile["tokens_per_second_by_length"].items())
    stages = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in profile["seconds_by_stage"].items())
    spared = f"{record['scorers']['auto-needed']['second_directions']:.0%}"
    return _rows(head, rows) + (
        f"\n\n{pairs['count']:,} pairs of {pairs['mean_tokens']:.0f} tokens in the mean, same weights, {settings['threads']} threads, "
        f"{settings['rounds']} interleaved rounds on {settings['device']}; {machine['cpu']}, {machine['cores']} cores, load "
        f"{machine['load_before']} before; measured matrix-multiply peak: {peaks}. CUDA: not measured. The last three rows score both "
        "directions of a pair, which counts once, and are compared with CrossEncoder.predict on both; auto-needed scored "
        f"{spared} of the second ones. Padding is {profile['padding']:.1%} of the tokens. Joules per 1,000 pairs: "
        f"{', '.join(energy) or 'not readable on this machine'}.\n\n"
        f"What auto chose, in one direction: pairs/s by tokens of a batch {budgets}; tokens/s by tokens of a pair {lengths}; stages "
        f"by themselves {stages}."
    )


def backends() -> str:
    """What each backend and dtype costs against torch in float32."""
    record = _load("backends.json")
    sets = record["sets"]
    rows = []
    for way, found in record["ways"].items():
        costs, flags = found["costs"], found["flags"]
        shown = [f"{100 * (-costs['accuracy_lost'] or 0.0):+.2f}", f"{100 * (-costs['recall_lost'] or 0.0):+.2f}"]
        shown += [f"{f['lost']} lost, {f['added']} added" for f in (flags["written_test"], flags["statements"])]
        rows.append([way, *shown, f"{1000 * costs['false_alarms_added']:+.1f}", "yes" if keeps_accuracy(costs) else "no"])
    was = record["ways"]["torch-float32"]["flags"]
    head = ["backend and dtype", "MultiNLI accuracy, points", "recall, points"]
    head += [f"{was[name]['flagged']:,} flags of {sets[name]:,} {what}" for name, what in _FLAGGED.items()]
    head += ["false alarms per 1,000", "within the limits"]
    limits = (
        f"accuracy {100 * LIMITS['accuracy_lost']:g} points, recall {100 * LIMITS['recall_lost']:g} points, flags changed "
        f"{1000 * LIMITS['flags_changed']:g} per 1,000 pairs, false alarms {1000 * LIMITS['false_alarms_added']:g} per 1,000"
    )
    return _rows(head, rows) + (
        f"\n\nAgainst torch-float32 at the default threshold; accuracy on {record['pairs']:,} pairs of MultiNLI dev matched, recall on the "
        f"written test groups, false alarms on pairs of real statements of one actor. Limits: {limits}."
    )


def directions() -> str:
    """What sparing second directions costs and saves."""
    names = _FLAGGED | {"privpub_open": "private/public pairs of real actors"}
    rows = [
        [
            names[name],
            f"{d['pairs']:,}",
            f"{d['flagged']:,}",
            str(d["lost"]),
            f"{d['scored_in_scan']:.0%}",
            f"{d['scored_at_threshold']:.0%}",
        ]
        for name, d in _load("backends.json")["directions"].items()
    ]
    return _rows(["set", "pairs", "flags", "flags lost", "second directions scored in a scan", "in `score --direction needed`"], rows)


def streaming() -> str:
    """Memory and interruption of a long run."""
    r = _load("streaming.json")
    later = [memory for memory in r["rss_mib_by_twentieth"][2:] if memory is not None]  # the first two hold the start
    same = "the same file, byte for byte" if r["same_bytes"] else "ANOTHER file"
    return (
        f"`contradict score` took {r['pairs']:,} pairs through a tiny random model in {r['seconds']:,.0f} s on {r['threads']} threads with "
        f"at most {r['peak_rss_mib']:,} MiB ({min(later):,}-{max(later):,} MiB by twentieths of the run). "
        f"Killed {len(r['killed_at'])} times and started again, it wrote {same} "
        f"(`python benchmarks/streaming.py --pairs {r['pairs']} --kills {len(r['killed_at'])} --threads {r['threads']}`)."
    )


def startup() -> str:
    """Cold start."""
    r = _load("startup.json")
    names = {"help": "`contradict --help`", "import": "`import contradict`", "scan": "`contradict scan` of the seed article"}
    shown = ", ".join(f"{what} {r['seconds'][name]['median']:.2f} s" for name, what in names.items())
    return (
        f"From start to end on {r['cores']} cores at a load of {r['load_after']:.1f}, Python's own start included: {shown} "
        "(`python benchmarks/startup.py`)."
    )


def models() -> str:
    """The shipped model beside every other one that was measured, by the same command on the same pairs."""
    rows = []
    for path in (RESULTS / "quality.json", *sorted(RESULTS.glob("quality-*.json"))):
        record = _load(path.name)
        sets = record["sets"]
        nli = [_range(sets[name]["metrics"]["forward_accuracy"]) for name in ("mnli_dev_matched", "snli_test")]
        conflict = [_range(sets[name]["metrics"]["auc_conflict"]) for name in ("privpub_open", "written_test")]
        gold = sets["privpub_open"]["slices"]["gold"]
        flagged = [f"{gold[label]['flag_rate']['value']:.2f}" for label in ("contradiction", "compatible", "unrelated")]
        wrong = record.get("false_alarms")
        alarms = f"{wrong['per_1000']:.1f} ({wrong['low']:.1f}-{wrong['high']:.1f}) of {wrong['pairs']:,}" if wrong else "-"
        order = f"{sets['behaviour']['pair_accuracy']['all']:.2f}"
        rows.append([path.stem.removeprefix("quality").removeprefix("-") or record["model"], *nli, *conflict, *flagged, order, alarms])
    head = ["model", "MultiNLI matched", "SNLI test", "AUC conflict, private/public", "AUC conflict, written test"]
    head += [
        "contradictions flagged",
        "compatible flagged",
        "unrelated flagged",
        "behaviour pairs in order",
        "false alarms per 1,000 pairs",
    ]
    return _rows(head, rows)


def written_data() -> str:
    """What the written files hold, counted."""
    rows = []
    total: Counter[str] = Counter()
    for path in sorted((ROOT / "models" / "data" / "written").glob("*.jsonl")):
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        labels = Counter(p["label"] for r in records for p in r.get("partners", [r]))
        counts = [str(labels[label]) if labels[label] else "-" for label in _LABELS]
        rows.append([path.stem, f"{len(records)} groups" if "partners" in records[0] else f"{len(records) // 2} minimal pairs", *counts])
        total.update(labels)
    rows.append(["all", f"{total.total():,} pairs", *(f"{total[label]:,}" for label in _LABELS)])
    return _rows(["file", "holds", *_LABELS], rows)


def curve() -> str:
    """What a development set showed while the model trained, every other checkpoint."""
    records = [json.loads(line) for line in (RESULTS / "training-nli-minilm.jsonl").read_text(encoding="utf-8").splitlines()]
    recipe = tomllib.loads((ROOT / "models" / "nli-minilm.toml").read_text(encoding="utf-8"))
    before = [0]
    for stage in recipe["stages"]:
        before.append(before[-1] + stage["visits"])
    points: dict[tuple[int, int], dict[str, dict[str, float]]] = {}
    for r in records:
        if "development" in r:
            points.setdefault((r["stage"], r["visits"]), {})[r["development"]] = r
    rows = []
    for (stage, visits), sets in sorted(points.items()):
        if {"mnli", "written", "minimal_pairs", "random_pairs"} <= set(sets):
            figures = [sets["mnli"]["accuracy"], sets["written"]["conflict_auc"], sets["minimal_pairs"]["conflict_auc"]]
            rows.append([recipe["stages"][stage]["name"], f"{before[stage] + visits:,}", *(f"{v:.3f}" for v in figures)])
    step = max(1, len(rows) // 12)
    kept = [row for i, row in enumerate(rows) if (len(rows) - 1 - i) % step == 0]
    return _rows(
        ["stage", "pairs seen", "MultiNLI accuracy (1,200 rows)", "AUC conflict, written dev", "AUC conflict, minimal pairs dev"], kept
    )


_READ = {
    "articles articles": "six articles, rules written with them in sight",
    "articles written_articles at first sight": "twelve others, first reading",
    "articles written_articles": "the same twelve, after mending the rules",
}


def extraction() -> str:
    """Attribution spans and statements of articles, with their intervals."""
    record = _load("extraction.json")
    spans = record["attribution"]
    rows = [
        [
            f"PolNeAR dev, {spans['articles']} articles",
            what,
            *(_range(spans["metrics"][f"{key}_{k}"]) for k in ("precision", "recall", "f1")),
        ]
        for key, what in (("end_to_end", "source and content right"), ("detection", "found at all"))
    ]
    keys = ("precision", "recall", "f1", "channel_accuracy", "date_compatible", "wrong_person", "conflicts_paired")
    told = [
        [says, *(_range(m[k]) if k != "wrong_person" else f"{m[k]['value']:.0f}" for k in keys)]
        for name, says in _READ.items()
        for m in [record[name]["metrics"]]
    ]
    return (
        _rows(["set", "counted as right", "precision", "recall", "F1"], rows)
        + f"\n\nOf attributions by a verb of saying {_range(spans['metrics']['detection_recall_speech'])} are found. The rules were mended "
        "with PolNeAR dev in sight.\n\n"
        + _rows(
            ["articles", "precision", "recall", "F1", "channel right", "date agrees", "wrong person", "conflicts that reach the scorer"],
            told,
        )
    )


def volume() -> str:
    """Memory over a long run of `contradict extract`, and its speed."""
    record = _load("extraction.json")["volume"]
    peaks = record["peak_mib"]
    return (
        f"{record['articles']:,} articles of {record['characters']:,} characters: "
        f"{record['articles_per_cpu_second']:.1f} articles per second of one core; "
        f"peak memory {peaks[1]} MiB in the second tenth of the run, {peaks[-1]} MiB in the last "
        f"(`python benchmarks/volume.py --articles {record['articles']}`)."
    )


def training_data() -> str:
    """Sources of the training pairs with their licences and how often each was drawn."""
    recipe = tomllib.loads((ROOT / "models" / "nli-minilm.toml").read_text(encoding="utf-8"))
    licences = json.loads((ROOT / "models" / "licences.json").read_text(encoding="utf-8"))
    drawn: Counter[str] = Counter()
    for stage in recipe["stages"]:
        mixes = [(mix["visits"], mix["sources"]) for mix in stage.get("earlier", [])]
        mixes.append((stage["visits"] - sum(visits for visits, _ in mixes), stage["sources"]))
        for visits, sources in mixes:
            drawn.update({name: visits * weight / sum(sources.values()) for name, weight in sources.items()})
    rows = [
        [name, licences[name]["corpus"], licences[name]["licence"], f"{count:,.0f}"]
        for name, count in sorted(drawn.items(), key=lambda i: -i[1])
    ]
    return _rows(["source", "corpus", "licence", "pairs drawn"], rows)


TABLES: dict[str, Callable[[], str]] = {
    f.__name__: f
    for f in (
        quality,
        quality_all,
        verdict_figures,
        reasons,
        combinations,
        models,
        flags,
        classes,
        behaviour,
        invariance,
        claims,
        written_data,
        training_data,
        curve,
        throughput,
        backends,
        directions,
        streaming,
        startup,
        extraction,
        volume,
    )
}


def main() -> int:
    """Write or check every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a table is out of date")
    args = parser.parse_args()
    stale = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = re.sub(
            r"<!-- table: (\w+) -->\n.*?<!-- end -->",
            lambda m: f"<!-- table: {m.group(1)} -->\n{TABLES[m.group(1)]()}\n<!-- end -->",
            text,
            flags=re.DOTALL,
        )
        if new != text:
            stale.append(page.name)
            if not args.check:
                page.write_text(new, encoding="utf-8")
    if args.check and stale:
        print(f"out of date: {', '.join(stale)}; run python benchmarks/tables.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
