"""The command line: thin, every command is one call of the library.

Exit codes: 0 done, 1 bad input or model, 2 usage, 3 missing optional dependency, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import contradict
from contradict.errors import ConfigError, ContradictError, InputError, Problem

if TYPE_CHECKING:
    from contradict.detector import Config
    from contradict.schema import DateRange

__all__ = ["main"]

_TABLES = (".jsonl", ".csv", ".parquet")
_SHOWN = 10  # ids named in one message
_STAGES = {"extract": "reading articles", "embed": "embedding", "score": "scoring", "train": "training"}


class _Progress:
    """A progress bar on standard error, for terminals and for work that takes over a second."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> _Progress:
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not sys.stderr.isatty() or time.monotonic() - self.started < 1:
            return
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
        if stage not in self.tasks:
            self.tasks[stage] = self.bar.add_task(_STAGES.get(stage, stage), total=total)
        self.bar.update(self.tasks[stage], completed=done)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()


def _number_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)


_FLAGS: dict[str, dict[str, Any]] = {
    "--output": {"metavar": "FILE", "help": "write to a file instead of standard output; its suffix is the format"},
    "--format": {"choices": ("table", "jsonl", "csv", "md"), "help": "format on standard output (default: table)"},
    "--date": {"metavar": "D", "help": "day the articles were published, YYYY-MM-DD; anchors 'Thursday' or 'last fall'"},
    "--aliases": {"metavar": "FILE.json", "help": "JSON object: canonical name -> list of other names of the actor"},
    "--config": {"metavar": "FILE.toml", "help": "settings as TOML; flags win over it"},
    "--on-error": {"metavar": "stop|skip", "help": "at bad input stop, or skip it and go on (default: stop)"},
    "--rule": {
        "action": "append",
        "dest": "rules",
        "metavar": "NAME",
        "help": "pairing rule, repeatable: private_public, same_actor (default: both, in this order)",
    },
    "--window-days": {
        "type": _number_or_none,
        "metavar": "N|none",
        "help": "largest gap between two dates for same_actor (default: 365)",
    },
    "--min-similarity": {"type": float, "metavar": "S", "help": "cosine below which a pair is not scored (default: 0.1)"},
    "--change-days": {
        "type": int,
        "metavar": "N",
        "help": "days between two dates from which a conflict is called a change (default: 180)",
    },
    "--model": {"metavar": "DIR|ID", "help": "cross-encoder: a folder or a hub id (default: the shipped one)"},
    "--embedder": {"metavar": "DIR|ID", "help": "bi-encoder: a folder or a hub id (default: the shipped one)"},
    "--device": {"metavar": "NAME", "help": "cpu, cuda, cuda:1, mps (default: CUDA where there is one)"},
    "--threads": {"type": int, "metavar": "N", "help": "CPU threads (default: all cores)"},
    "--batch-tokens": {"type": int, "metavar": "N", "help": "most tokens of a batch (default: by device)"},
    "--backend": {"metavar": "NAME", "help": "torch, onnx, openvino, or auto: the fastest that is installed (default: auto)"},
    "--dtype": {"metavar": "NAME", "help": "float32, bfloat16, float16, int8, or auto: the fastest that is accurate (default: auto)"},
    "--direction": {"metavar": "forward|both", "help": "score one or both directions of a pair (default: both)"},
    "--threshold": {"type": float, "metavar": "P", "help": "probability from which a pair is flagged (default: the model's own)"},
    "--where": {"action": "append", "metavar": "COLUMN=VALUE", "help": "only pairs with this value; repeat to narrow further"},
    "--slice": {"action": "append", "dest": "slices", "metavar": "COLUMN", "help": "also figures per value of a column; repeatable"},
    "--group": {"metavar": "COLUMN", "help": "resample whole groups of this column, e.g. actor"},
    "--base": {"metavar": "DIR", "help": "model to begin with: a folder or shipped weights (default: nli-minilm)"},
    "--epochs": {"type": float, "metavar": "N", "help": "how often each pair is seen (default: 3)"},
    "--rate": {"type": float, "metavar": "R", "help": "learning rate at the start (default: 3e-5)"},
    "--seed": {"type": int, "metavar": "N", "help": "seed of the split and the order (default: 13)"},
    "--scorer": {
        "action": "append",
        "dest": "scorers",
        "metavar": "NAME",
        "help": "BACKEND-DTYPE, cross_encoder or pipeline; repeatable (default: all that are installed)",
    },
    "--pairs": {"type": int, "metavar": "N", "help": "pairs per round (default: 300)"},
    "--rounds": {"type": int, "metavar": "N", "help": "rounds in which each scorer runs once (default: 3)"},
    "--recommend": {"action": "store_true", "help": "also say which backend and dtype to use here"},
    "--resamples": {"type": int, "metavar": "N", "help": "bootstrap resamples (default: 1000)"},
}
_SHARED = ("--config", "--on-error")
_ARTICLES = ("--date", "--aliases")
_PAIRING = ("--rule", "--window-days")
_SCORING = ("--model", "--device", "--threads", "--backend", "--dtype", "--batch-tokens", "--direction", "--threshold")


@dataclass(frozen=True)
class _Command:
    """One command: what runs it, what it takes, how it is explained."""

    run: Callable[[argparse.Namespace], None]
    help: str
    example: str
    details: str
    input: dict[str, Any]
    flags: tuple[str, ...]


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="contradict",
        description="Find where an actor's statements contradict each other, above all in private and in public.",
        epilog="example: contradict scan seeds/ceasefire.txt --date 2023-12-23",
    )
    top.add_argument("--version", action="version", version=f"{contradict.DISTRIBUTION} {contradict.__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        parser = commands.add_parser(
            name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}. {command.details}",
            epilog=f"example: {command.example}",
            argument_default=argparse.SUPPRESS,
        )
        if command.input:
            parser.add_argument(**command.input)
        for flag in command.flags:
            options = dict(_FLAGS[flag])
            if name == "evaluate" and flag == "--model":
                options |= {"action": "append", "help": options["help"] + "; repeat to compare"}
            if name == "train" and flag == "--output":
                options |= {"metavar": "DIR", "help": "new folder for the model", "required": True}
            if name == "train" and flag == "--group":
                options |= {"help": "column whose groups stay on one side of the split, e.g. actor (default: pairs with one premise)"}
            parser.add_argument(*(["-o"] if flag == "--output" else []), flag, **options)
    return top


def _config(args: argparse.Namespace) -> Config:
    """Settings of the file named by --config, overridden by flags."""
    from dataclasses import fields, replace

    from contradict.detector import Config

    config = Config.from_toml(args.config) if hasattr(args, "config") else Config()
    flags = {f.name: getattr(args, f.name) for f in fields(Config) if hasattr(args, f.name)}
    if "rules" in flags:
        flags["rules"] = tuple(flags["rules"])
    if isinstance(flags.get("model"), list):
        del flags["model"]
    return replace(config, **flags)


def _date(args: argparse.Namespace) -> DateRange | None:
    from contradict.schema import DateRange

    if not hasattr(args, "date"):
        return None
    try:
        return DateRange.parse(args.date)
    except ValueError as error:
        raise ConfigError(f"--date: {error}") from None


def _aliases(args: argparse.Namespace) -> dict[str, list[str]] | None:
    return contradict.read_aliases(args.aliases) if hasattr(args, "aliases") else None


def _report_skipped(problems: Sequence[Problem]) -> None:
    if problems:
        print(f"skipped: {InputError(problems)}", file=sys.stderr)


def _check_output(args: argparse.Namespace, suffixes: Sequence[str]) -> str:
    """The suffix of -o, checked before any work is done; "" without -o."""
    if not hasattr(args, "output"):
        return ""
    suffix = Path(args.output).suffix.lower()
    if suffix not in suffixes:
        raise ConfigError(f"-o {args.output}: unknown suffix {suffix!r}; known: {', '.join(suffixes)}")
    if not Path(args.output).absolute().parent.is_dir():
        raise ConfigError(f"-o {args.output}: there is no such folder; make it first")
    return suffix


def _scan(args: argparse.Namespace) -> None:
    from contradict import reports
    from contradict.detector import Detector, read_inputs

    config, date = _config(args), _date(args)
    _check_output(args, tuple(reports.WRITERS))
    problems: list[Problem] = []
    with _Progress() as progress:
        statements = read_inputs(
            args.inputs, date=date, aliases=_aliases(args), on_error=config.on_error, problems=problems, progress=progress
        )
        report = Detector(config).scan(statements, skipped=problems, progress=progress)
    _report_skipped(problems)
    cut = [f"{a} x {b}" for a, b in report.truncated_ids()]
    if cut:
        more = f" and {len(cut) - _SHOWN} more" if len(cut) > _SHOWN else ""
        print(f"with a sentence longer than the model reads, whose end was not scored: {', '.join(cut[:_SHOWN])}{more}", file=sys.stderr)
    if hasattr(args, "output"):
        report.write(args.output)
        print(f"{args.output}: {report.summary()}", file=sys.stderr)
    elif getattr(args, "format", "table") == "table":
        reports.print_table(report)
    else:
        reports.WRITERS[f".{args.format}"](report, sys.stdout.buffer)


def _extract(args: argparse.Namespace) -> None:
    from contradict import reports
    from contradict.readers import read_articles

    config, date, aliases = _config(args), _date(args), _aliases(args)
    suffix = _check_output(args, _TABLES)
    problems: list[Problem] = []
    articles = read_articles(args.inputs, date=date, on_error=config.on_error, problems=problems)
    statements = []
    with _Progress() as progress:
        for number, article in enumerate(articles, start=1):
            statements += contradict.extract_statements(article, aliases=aliases)
            progress("extract", number, len(articles))
    statements = contradict.resolve_actors(statements, aliases)
    _report_skipped(problems)
    if not suffix:
        reports.write_statements(statements, ".jsonl", sys.stdout.buffer)
        return
    with reports.atomic_path(args.output) as path, path.open("wb") as file:
        reports.write_statements(statements, suffix, file)
    print(f"{args.output}: {len(statements)} statements from {len(articles)} of {len(args.inputs)} articles", file=sys.stderr)


def _pairs(args: argparse.Namespace) -> None:
    config = _config(args)
    problems: list[Problem] = []
    statements = contradict.read_statements(args.inputs, on_error=config.on_error, problems=problems)
    statements = contradict.resolve_actors(statements, _aliases(args))
    _report_skipped(problems)
    options: dict[str, Any] = {"rules": config.rules, "window_days": config.window_days}
    counts = contradict.count_pairs(statements, **options)
    blocks = contradict.largest_blocks(statements, **options)
    print(f"{len(statements):,} statements, {len({s.actor for s in statements}):,} actors, {sum(counts.values()):,} candidate pairs")
    for rule, count in counts.items():
        print(f"\n{rule}: {count:,} pairs ({contradict.RULES[rule].says})")
        for block in blocks[rule]:
            print(f"  {block.pairs:>12,}  {block.actor} ({block.statements:,} statements)")


def _score(args: argparse.Namespace) -> None:
    from contradict.detector import Detector
    from contradict.streaming import score_file

    config = _config(args)
    _check_output(args, _TABLES)
    problems: list[Problem] = []
    model = Detector(config).model
    with _Progress() as progress:
        done = score_file(
            args.input,
            getattr(args, "output", sys.stdout.buffer),
            model,
            direction=config.direction,
            threshold=config.threshold,
            batch_tokens=config.batch_tokens,
            on_error=config.on_error,
            problems=problems,
            progress=progress,
        )
    _report_skipped(problems)
    if done.split:
        print(f"{done.split:,} pairs longer than the {model.max_length} tokens the model reads were scored by sentences", file=sys.stderr)
    if done.truncated:
        print(f"{done.truncated:,} pairs with a sentence longer than the model reads: its end was not scored", file=sys.stderr)
    where = f"{args.output}: " if hasattr(args, "output") else ""
    resumed = f", {done.resumed:,} of them before" if done.resumed else ""
    print(f"{where}{done.pairs:,} pairs scored{resumed} ({model.backend}, {model.dtype}, {model.device})", file=sys.stderr)


def _evaluate(args: argparse.Namespace) -> None:
    from contradict import evaluation, reports
    from contradict.calibration import Calibrator
    from contradict.detector import Detector
    from contradict.readers import read_labelled_pairs

    config = _config(args)
    _check_output(args, (".json",))
    problems: list[Problem] = []
    pairs = read_labelled_pairs(args.input, on_error=config.on_error, problems=problems)
    _report_skipped(problems)
    for condition in getattr(args, "where", []):
        column, equals, value = condition.partition("=")
        if not equals:
            raise ConfigError(f"--where {condition!r} has no '='; expected COLUMN=VALUE")
        pairs = [p for p in pairs if str(p.extra.get(column, p.label if column == "label" else "")) == value]
        if not pairs:
            raise ConfigError(f"--where {condition}: no pair is left; check the column and the value")
    results = {}
    for name in getattr(args, "model", None) or [config.model]:
        model = Detector(config, model=name).model
        calibrator = Calibrator.load(model.folder)
        with _Progress() as progress:
            scores = contradict.score_pairs(
                [(p.premise, p.hypothesis) for p in pairs],
                model,
                direction=config.direction,
                batch_tokens=config.batch_tokens,
                progress=progress,
            )
        threshold = config.threshold if config.threshold is not None else calibrator.threshold
        result = evaluation.evaluate(
            pairs,
            scores,
            calibrator.probability(scores.conflict()),
            threshold=threshold,
            slices=getattr(args, "slices", ()),
            group=getattr(args, "group", None),
            resamples=getattr(args, "resamples", 1000),
        )
        print(f"{model.name} on {args.input} ({len(pairs):,} pairs)\n{result.table()}\n")
        results[model.name] = {"sha256": model.fingerprint, "calibrated": bool(calibrator.fitted), **result.to_record()}
    if hasattr(args, "output"):
        record = {"pairs": args.input, "where": getattr(args, "where", []), "direction": config.direction, "models": results}
        with reports.atomic_path(args.output) as path:
            path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _bench(args: argparse.Namespace) -> None:
    from contradict import backends, reports, throughput

    config = _config(args)
    _check_output(args, (".json",))
    options = {name: getattr(args, name) for name in ("scorers", "pairs", "rounds") if hasattr(args, name)}
    device = backends.pick_device(config.device)
    results = throughput.measure(config.model, device=device, threads=config.threads, batch_tokens=config.batch_tokens, **options)
    if hasattr(args, "output"):
        with reports.atomic_path(args.output) as path:
            path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(throughput.table(results))
    if getattr(args, "recommend", False):
        print(f"\n{throughput.recommend(results)}")


def _train(args: argparse.Namespace) -> None:
    from contradict import training
    from contradict.readers import read_labelled_pairs

    config = _config(args)
    problems: list[Problem] = []
    pairs = read_labelled_pairs(args.input, on_error=config.on_error, problems=problems)
    _report_skipped(problems)
    folder = Path(args.output)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"-o {folder}: is a file; expected a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"-o {folder}: is not empty; choose a new folder")
    options = {name: getattr(args, name) for name in ("base", "epochs", "rate", "group", "seed") if hasattr(args, name)}
    with _Progress() as progress:
        done = training.fine_tune(pairs, folder, threads=config.threads or 0, progress=progress, **options)
    for name, result in (("before", done.before), ("after", done.after)):
        if result is not None:
            print(f"{name}, on the {sum(done.held_out.values()):,} held-out pairs\n{result.table()}\n")
    if not done.calibrated:
        print("too few held-out pairs to calibrate on; the calibration of the base was kept", file=sys.stderr)
    print(f"{folder}: trained on {sum(done.trained.values()):,} pairs; use it with --model {folder}", file=sys.stderr)


_COMMANDS = {
    "scan": _Command(
        _scan,
        "find contradictions in articles and statements",
        "contradict scan seeds/ceasefire.txt --date 2023-12-23",
        "Gives the findings, best first, with both texts, who reported them and why they were flagged. "
        "-o takes .jsonl, .csv, .parquet and .md.",
        {
            "dest": "inputs",
            "nargs": "+",
            "metavar": "INPUT",
            "help": "articles (.txt, .md, .html), statements (.jsonl, .csv, .parquet), or - for JSON Lines on stdin",
        },
        ("--output", "--format", *_ARTICLES, *_SHARED, *_PAIRING, "--embedder", "--min-similarity", "--change-days", *_SCORING),
    ),
    "extract": _Command(
        _extract,
        "turn articles into attributed statements",
        "contradict extract seeds/ceasefire.txt --date 2023-12-23 -o statements.jsonl",
        "Writes JSON Lines on standard output, or .jsonl, .csv, .parquet with -o.",
        {"dest": "inputs", "nargs": "+", "metavar": "ARTICLE", "help": "articles (.txt, .md, .html)"},
        ("--output", *_ARTICLES, *_SHARED),
    ),
    "pairs": _Command(
        _pairs,
        "count candidate pairs and the largest blocks per rule",
        "contradict pairs seeds/statements.jsonl",
        "Loads no model.",
        {"dest": "inputs", "nargs": "+", "metavar": "STATEMENTS", "help": "statements (.jsonl, .csv, .parquet) or -"},
        ("--aliases", *_SHARED, *_PAIRING),
    ),
    "score": _Command(
        _score,
        "score given pairs of texts",
        "contradict score seeds/labelled_pairs.jsonl -o scored.parquet",
        "Needs the columns premise and hypothesis; every other column is carried through. Adds entailment, neutral and "
        "contradiction (the three-way view of the forward direction), the same with _reverse, probability (of contradiction or "
        "tension, calibrated) and verdict. Writes JSON Lines on standard output, or .jsonl, .csv, .parquet with -o. With -o FILE the "
        "scores so far are kept in FILE.partial: the same command goes on from there after an interruption, and the result is the same.",
        {"dest": "input", "metavar": "PAIRS", "help": "pairs (.jsonl, .csv, .parquet) or -"},
        ("--output", *_SHARED, *_SCORING),
    ),
    "evaluate": _Command(
        _evaluate,
        "measure models on labelled pairs",
        "contradict evaluate seeds/labelled_pairs.jsonl -o metrics.json",
        "Needs the columns premise, hypothesis and label. Prints a table per model; -o writes all figures to a .json. "
        "Intervals are 95 %% bootstrap intervals.",
        {"dest": "input", "metavar": "PAIRS", "help": "labelled pairs (.jsonl, .csv, .parquet) or -"},
        ("--output", "--where", "--slice", "--group", "--resamples", *_SHARED, *_SCORING),
    ),
    "bench": _Command(
        _bench,
        "measure how fast this machine scores pairs, by backend and dtype",
        "contradict bench --recommend",
        "Scorers take turns on made-up pairs, beside CrossEncoder.predict and the transformers pipeline. -o writes all figures to a .json.",
        {},
        ("--output", "--scorer", "--pairs", "--rounds", "--recommend", "--model", "--device", "--threads", "--batch-tokens", "--config"),
    ),
    "train": _Command(
        _train,
        "fine-tune a model on labelled pairs",
        "contradict train pairs.jsonl --base nli-minilm -o my-model",
        "Needs the columns premise, hypothesis and label. Holds out a tenth of the pairs, calibrates the new model on them and prints "
        "figures before and after. -o names a new folder; a stopped run goes on where it was.",
        {"dest": "input", "metavar": "PAIRS", "help": "labelled pairs (.jsonl, .csv, .parquet) or -"},
        ("--output", "--base", "--epochs", "--rate", "--seed", "--group", "--threads", *_SHARED),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments; None takes those of the process.

    Returns:
        The exit code.
    """
    if getattr(contradict, "DISTRIBUTION", None) != "contradict-nli":
        print(
            "error: the import package 'contradict' belongs to another distribution; "
            "run: pip uninstall contradict-text contradict && pip install --force-reinstall --no-deps contradict-nli",
            file=sys.stderr,
        )
        return 1
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    args = _parser().parse_args(argv)
    try:
        _COMMANDS[args.command].run(args)
    except ContradictError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        partial = Path(f"{getattr(args, 'output', '')}.partial")
        kept = f"the same command goes on from {partial}" if partial.is_file() else "nothing was written"
        print(f"interrupted; {kept}", file=sys.stderr)
        return 130
    return 0
