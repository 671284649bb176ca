"""The command line: thin, every command is one call of the library.

Exit codes: 0 done, 1 bad input or model, 2 usage, 3 missing optional dependency, 130 interrupted.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import contradict
from contradict.errors import ConfigError, ContradictError, InputError, Problem

if TYPE_CHECKING:
    from contradict.detector import Config
    from contradict.ledger import Ledger
    from contradict.schema import DateRange, Review, Statement

__all__ = ["main"]

_TABLES = (".jsonl", ".csv", ".parquet")
_SHOWN = 10  # ids named in one message
_KEY = 12  # characters of a review's key that are shown
_STAGES = {"extract": "reading articles", "embed": "embedding", "score": "scoring", "explain": "explaining", "train": "training"}


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
        self.bar.update(self.tasks[stage], completed=done, total=total)

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
    "--workers": {"type": int, "metavar": "N", "help": "processes that read articles (default: 1)"},
    "--explain": {"action": "store_true", "help": "text that tells which rule read which words; with -o a column `why`"},
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
    "--direction": {
        "metavar": "forward|both|needed",
        "help": "score a pair as it stands, both ways, or the other way only where it can still be flagged "
        "(default: both; needed in a scan of over 2,000 pairs)",
    },
    "--threshold": {"type": float, "metavar": "P", "help": "probability from which a pair is flagged (default: the model's own)"},
    "--where": {"action": "append", "metavar": "COLUMN=VALUE", "help": "only pairs with this value; repeat to narrow further"},
    "--slice": {"action": "append", "dest": "slices", "metavar": "COLUMN", "help": "also figures per value of a column; repeatable"},
    "--group": {"metavar": "COLUMN", "help": "resample whole groups of this column, e.g. actor"},
    "--base": {"metavar": "DIR", "help": "model to begin with: a folder or shipped weights (default: nli-minilm)"},
    "--epochs": {"type": float, "metavar": "N", "help": "how often each pair is seen (default: 3)"},
    "--rate": {"type": float, "metavar": "R", "help": "learning rate at the start (default: 3e-5)"},
    "--seed": {"type": int, "metavar": "N", "help": "seed of the split and the order (default: 13)"},
    "--ledger": {"metavar": "FILE", "help": "SQLite file that remembers scores and reviews; made when it is missing"},
    "--show-dismissed": {"action": "store_true", "help": "also show pairs that the ledger holds as dismissed"},
    "--vocabulary": {"metavar": "NAME", "help": "also grade findings in the words of flip-o-meter: Full Flop, Half Flip, No Flip"},
    "--show-held": {"action": "store_true", "help": "also list flagged pairs that a gate holds back (equal wording, too short)"},
    "--calibration": {"metavar": "FILE", "help": "calibration.json made by contradict calibrate (default: the model's own)"},
    "--false-alarms": {
        "action": "append",
        "metavar": "SHARE|LABEL=SHARE",
        "help": "largest share of pairs without conflict to flag, or of those of a label, repeatable (default: 0.05)",
    },
    "--base-rate": {
        "action": "append",
        "dest": "base_rates",
        "type": float,
        "metavar": "R",
        "help": "share of conflicts among scored pairs to give figures for, repeatable (default: 0.005, 0.01, 0.05)",
    },
    "--scorer": {
        "action": "append",
        "dest": "scorers",
        "metavar": "NAME",
        "help": "BACKEND-DTYPE, cross_encoder, pipeline, auto-needed, auto-both or cross_encoder-both; repeatable (default: all)",
    },
    "--pairs": {"type": int, "metavar": "N", "help": "pairs per round (default: 150)"},
    "--rounds": {"type": int, "metavar": "N", "help": "rounds in which each scorer runs once (default: 3)"},
    "--recommend": {"action": "store_true", "help": "also say which backend and dtype to use here"},
    "--resamples": {"type": int, "metavar": "N", "help": "bootstrap resamples (default: 1000)"},
}
_SHARED = ("--config", "--on-error")
_ARTICLES = ("--date", "--aliases", "--workers")
_PAIRING = ("--rule", "--window-days")
_MODEL = ("--model", "--device", "--threads", "--backend", "--dtype", "--batch-tokens", "--direction")
_SCORING = (*_MODEL, "--calibration", "--threshold")
_LEDGER = ("--ledger", "--show-dismissed")


@dataclass(frozen=True)
class _Command:
    """One command: what runs it, what it takes, how it is explained."""

    run: Callable[[argparse.Namespace], None]
    help: str
    example: str
    details: str
    input: dict[str, Any] | None
    flags: tuple[str, ...]


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="contradict",
        description="Find where an actor's statements contradict each other, above all in private and in public.",
        epilog="example: contradict scan seeds/ceasefire.txt --date 2023-12-23",
    )
    top.add_argument("--version", action="version", version=f"{contradict.DISTRIBUTION} {contradict.__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    review = commands.add_parser(
        "review", help="keep what people say of findings", epilog="example: contradict review list --ledger ledger.sqlite"
    )
    reviews = review.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, command in _COMMANDS.items():
        first, _, action = name.partition(" ")
        parser = (reviews if action else commands).add_parser(
            action or first,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}. {command.details}",
            epilog=f"example: {command.example}",
            argument_default=argparse.SUPPRESS,
        )
        parser.set_defaults(run=command.run)
        if command.input is not None:
            parser.add_argument(**command.input)
        for flag in command.flags:
            options = dict(_FLAGS[flag])
            if name == "evaluate" and flag == "--model":
                options |= {"action": "append", "help": options["help"] + "; repeat to compare"}
            if name == "scan" and flag == "--explain":
                options |= {"help": "find the words that decide each finding, by masking each in turn"}
            if name == "train" and flag == "--output":
                options |= {"metavar": "DIR", "help": "new folder for the model", "required": True}
            if name == "calibrate" and flag == "--output":
                options |= {"help": "calibration.json to write", "required": True}
            if name == "calibrate" and flag == "--group":
                options |= {"help": "column whose groups are judged together, e.g. actor (default: pairs with one premise)"}
            if name.startswith("review ") and flag == "--ledger":
                options |= {"help": "the ledger", "required": True}
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


def _direction(config: Config, *, complete: bool) -> str:
    """The direction in which given pairs are scored: both by default; `complete` where every score enters a figure."""
    if complete and config.direction == "needed":
        raise ConfigError("direction is 'needed', which leaves scores out; figures on labelled pairs need 'both' or 'forward'")
    return "both" if config.direction == "auto" else config.direction


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
            args.inputs,
            date=date,
            aliases=_aliases(args),
            workers=config.workers,
            on_error=config.on_error,
            problems=problems,
            progress=progress,
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
    from contradict.actors import actor_resolver
    from contradict.corpus import extract_corpus
    from contradict.extraction import extract_statements
    from contradict.readers import article_source

    config, date, aliases = _config(args), _date(args), _aliases(args)
    suffix = _check_output(args, _TABLES)
    problems: list[Problem] = []
    explain = getattr(args, "explain", False)
    extractor = functools.partial(extract_statements, aliases=aliases, explain=explain)
    articles = count = 0
    # Names are resolved over all articles, so the statements wait in a file until the last article is read.
    with tempfile.TemporaryFile() as spool:
        with _Progress() as progress:
            source = article_source(args.inputs, problems, date=date)
            for told in extract_corpus(source, extractor=extractor, workers=config.workers, problems=problems, progress=progress):
                pickle.dump(told, spool)
                articles, count = articles + 1, count + len(told)
        resolve = actor_resolver(_spooled(spool), aliases)
        statements = map(resolve, _spooled(spool))
        if suffix:
            with reports.atomic_path(args.output) as path, path.open("wb") as file:
                reports.write_statements(statements, suffix, file)
            print(f"{args.output}: {count} statements from {articles} articles", file=sys.stderr)
        elif explain:
            reports.write_explanations(statements, sys.stdout.buffer)
        else:
            reports.write_statements(statements, ".jsonl", sys.stdout.buffer)
    if config.on_error == "skip":
        _report_skipped(problems)
    elif problems:
        raise InputError(problems)


def _spooled(spool: IO[bytes]) -> Iterator[Statement]:
    spool.seek(0)
    while True:
        try:
            yield from pickle.load(spool)  # noqa: S301 (written by this process)
        except EOFError:
            return


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
            direction=_direction(config, complete=False),
            calibration=config.calibration,
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
    from contradict import evaluation, evaluation_report, reports
    from contradict.calibration import Calibrator
    from contradict.detector import Detector
    from contradict.readers import read_labelled_pairs

    config = _config(args)
    suffix = _check_output(args, (".json", ".html"))
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
    direction = _direction(config, complete=True)
    resamples, group = getattr(args, "resamples", 1000), getattr(args, "group", None)
    models: dict[str, dict[str, Any]] = {}
    predictions: dict[str, evaluation.Predictions] = {}
    evaluations: dict[str, evaluation.Evaluation] = {}
    for name in getattr(args, "model", None) or [config.model]:
        model = Detector(config, model=name).model
        calibrator = Calibrator.of(model, config.calibration)
        with _Progress() as progress:
            scores = contradict.score_pairs(
                [(p.premise, p.hypothesis) for p in pairs],
                model,
                direction=direction,
                batch_tokens=config.batch_tokens,
                progress=progress,
            )
        threshold = config.threshold if config.threshold is not None else calibrator.threshold
        predicted = evaluation.Predictions(scores, calibrator.probability(scores.conflict()), threshold)
        result = evaluation.evaluate(
            pairs, scores, predicted.probability, threshold=threshold, slices=getattr(args, "slices", ()), resamples=resamples, group=group
        )
        print(f"{model.name} on {args.input} ({len(pairs):,} pairs)\n{result.table()}\n")
        models[model.name] = {"sha256": model.fingerprint, "calibrated": bool(calibrator.fitted)}
        predictions[model.name], evaluations[model.name] = predicted, result
    first, *others = predictions
    differences = {
        (first, other): evaluation.paired_difference(
            pairs, predictions[first], predictions[other], metrics=evaluation_report.DIFFERENCES, resamples=resamples, group=group
        )
        for other in others
    }
    for (_, other), figures in differences.items():
        shown = ", ".join(f"{name} {m.value:+.3f} ({m.low:+.3f} .. {m.high:+.3f})" for name, m in figures.items())
        print(f"{other} minus {first}: {shown}\n")
    if not suffix:
        return
    flat = list(evaluation_report.rows(evaluations, differences))
    record = {
        "pairs": args.input,
        "where": getattr(args, "where", []),
        "direction": direction,
        "models": {name: models[name] | result.to_record() for name, result in evaluations.items()},
        "differences": list(evaluation_report.rows({}, differences)),
    }
    target = Path(args.output)
    with reports.atomic_path(target if suffix == ".json" else target.with_suffix(".json")) as path:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if suffix == ".html":
        with reports.atomic_path(target.with_suffix(".csv")) as path, path.open("wb") as file:
            reports.write_records(flat, list(flat[0]), ".csv", file)
        page = evaluation_report.html_page(
            pairs, evaluations, predictions, differences, models=models, source=args.input, where=getattr(args, "where", [])
        )
        with reports.atomic_path(target) as path:
            path.write_text(page, encoding="utf-8", errors="replace")


def _false_alarms(given: Sequence[str]) -> float | dict[str, float]:
    """One share, or shares by label."""
    split = [text.rpartition("=") for text in given]
    try:
        shares = {label: float(share) for label, _, share in split}
    except ValueError:
        shares = {}
    if len(shares) < len(given) or ("" in shares and len(shares) > 1):
        raise ConfigError(f"--false-alarms {' '.join(given)}: expected one SHARE, or LABEL=SHARE for each of several labels")
    return shares.get("", shares)


def _calibrate(args: argparse.Namespace) -> None:
    from contradict import calibration, reports
    from contradict.detector import Detector
    from contradict.readers import read_labelled_pairs

    config = _config(args)
    _check_output(args, (".json",))
    options = {name: getattr(args, name) for name in ("base_rates", "group") if hasattr(args, name)}
    if hasattr(args, "false_alarms"):
        options["false_alarms"] = _false_alarms(args.false_alarms)
    problems: list[Problem] = []
    pairs = read_labelled_pairs(args.input, on_error=config.on_error, problems=problems)
    _report_skipped(problems)
    direction = _direction(config, complete=True)
    model = Detector(config).model
    with _Progress() as progress:
        texts = [(p.premise, p.hypothesis) for p in pairs]
        scores = contradict.score_pairs(texts, model, direction=direction, batch_tokens=config.batch_tokens, progress=progress)
    done = calibration.refit(pairs, scores, model, **options)
    with reports.atomic_path(args.output) as path:
        path.write_text(done.calibrator.to_json(), encoding="utf-8")
    print(f"{model.name} on {args.input}\n{done.table()}")
    print(f"{args.output}: written; use it with --calibration {args.output}", file=sys.stderr)


def _review_import(args: argparse.Namespace) -> None:
    from contradict.ledger import Ledger
    from contradict.readers import read_reviews

    problems: list[Problem] = []
    reviews = read_reviews(args.input, on_error=getattr(args, "on_error", "stop"), problems=problems)
    _report_skipped(problems)
    with Ledger(args.ledger) as ledger:
        changed = ledger.add_reviews(reviews)
    print(f"{args.ledger}: {changed:,} of {len(reviews):,} reviews were new or changed", file=sys.stderr)


def _ledger(args: argparse.Namespace) -> Ledger:
    """A ledger that is there."""
    from contradict.ledger import Ledger

    if not Path(args.ledger).is_file():
        raise InputError([Problem(args.ledger, None, None, "no such ledger; contradict review import makes it")])
    return Ledger(args.ledger)


def _kept_reviews(args: argparse.Namespace) -> list[Review]:
    with _ledger(args) as ledger:
        return list(ledger.reviews().values())


def _review_withdraw(args: argparse.Namespace) -> None:
    with _ledger(args) as ledger:
        withdrawn = ledger.withdraw_reviews(args.keys)
    print(f"{args.ledger}: {withdrawn:,} {'review' if withdrawn == 1 else 'reviews'} withdrawn", file=sys.stderr)


def _review_export(args: argparse.Namespace) -> None:
    from contradict import reports

    _check_output(args, (".jsonl",))
    reviews = _kept_reviews(args)
    records = [review.to_record() for review in reviews]
    if not hasattr(args, "output"):
        reports.write_records(records, [], ".jsonl", sys.stdout.buffer)
        return
    with reports.atomic_path(args.output) as path, path.open("wb") as file:
        reports.write_records(records, [], ".jsonl", file)
    print(f"{args.output}: {len(records):,} labelled pairs", file=sys.stderr)


def _review_list(args: argparse.Namespace) -> None:
    from contradict.schema import pair_key

    reviews = _kept_reviews(args)
    for review in reviews:
        ids = [str(review.extra.get(side, {}).get("id", "?")) for side in ("a", "b")]
        key = pair_key(review.a, review.b)[:_KEY]
        print(f"{key}  {review.reviewed:%Y-%m-%d %H:%M}  {review.label:13}  {ids[0]} x {ids[1]}  {' '.join(review.note.split())}".rstrip())
    dismissed = sum(review.dismissed for review in reviews)
    print(f"{len(reviews):,} reviews, {dismissed:,} of them dismissed", file=sys.stderr)


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
        "-o takes .jsonl, .csv, .parquet, .md and .html, a page to read, filter, review and print.",
        {
            "dest": "inputs",
            "nargs": "+",
            "metavar": "INPUT",
            "help": "articles (.txt, .md, .html, .json, .jsonl, .docx, .pdf) or statements (.jsonl, .csv, .parquet, - for stdin)",
        },
        (
            *("--output", "--format", "--explain", *_ARTICLES, *_SHARED, *_PAIRING),
            *("--embedder", "--min-similarity", "--change-days", *_SCORING, *_LEDGER, "--show-held", "--vocabulary"),
        ),
    ),
    "extract": _Command(
        _extract,
        "turn articles into attributed statements",
        "contradict extract seeds/ceasefire.txt --date 2023-12-23 -o statements.jsonl",
        "Writes JSON Lines on standard output, or .jsonl, .csv, .parquet with -o. Correct them by hand where they are wrong: scan takes "
        "them as they then stand. A file that cannot be read does not stop the others; it is reported at the end, with exit code 1 unless "
        "--on-error is skip. A story that several outlets printed counts once; the column outlets names them.",
        {"dest": "inputs", "nargs": "+", "metavar": "ARTICLE", "help": "articles (.txt, .md, .html, .json, .jsonl, .docx, .pdf)"},
        ("--output", "--explain", *_ARTICLES, *_SHARED),
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
        "Needs the columns premise, hypothesis and label. Prints a table per model; -o writes all figures to a .json, "
        "or as .html a page with plots and worst errors, with a .json and a .csv beside it. "
        "Intervals are 95 %% bootstrap intervals.",
        {"dest": "input", "metavar": "PAIRS", "help": "labelled pairs (.jsonl, .csv, .parquet) or -"},
        ("--output", "--where", "--slice", "--group", "--resamples", *_SHARED, *_SCORING),
    ),
    "calibrate": _Command(
        _calibrate,
        "fit probabilities and threshold to labelled pairs",
        "contradict calibrate seeds/labelled_pairs.jsonl -o calibration.json",
        "Needs the columns premise, hypothesis and label. Writes a calibration.json that --calibration takes, and prints precision, "
        "recall and false alarms before and after, at the base rates that are asked for.",
        {"dest": "input", "metavar": "PAIRS", "help": "labelled pairs (.jsonl, .csv, .parquet) or -"},
        ("--output", "--false-alarms", "--base-rate", "--group", *_SHARED, *_MODEL),
    ),
    "review import": _Command(
        _review_import,
        "read reviews into a ledger",
        "contradict review import reviews.jsonl --ledger ledger.sqlite",
        "Reads what a report page exported. Of two reviews of one pair the later one holds. A dismissed pair stays away in scans "
        "with this ledger until one of its texts changes.",
        {"dest": "input", "metavar": "FILE", "help": "reviews (.jsonl) or -"},
        ("--ledger", "--on-error"),
    ),
    "review export": _Command(
        _review_export,
        "write the reviews of a ledger as labelled pairs",
        "contradict review export --ledger ledger.sqlite -o pairs.jsonl",
        "Writes JSON Lines that evaluate, train, calibrate and review import read.",
        None,
        ("--ledger", "--output"),
    ),
    "review withdraw": _Command(
        _review_withdraw,
        "take reviews back",
        "contradict review withdraw 3f2a9c0d41be --ledger ledger.sqlite",
        "The pair is as if nobody had spoken of it: a dismissed one comes back in the next scan. Older exports do not restore it.",
        {"dest": "keys", "nargs": "+", "metavar": "KEY", "help": "key of a review, or its beginning, as review list shows it"},
        ("--ledger",),
    ),
    "review list": _Command(
        _review_list,
        "list the reviews of a ledger",
        "contradict review list --ledger ledger.sqlite",
        "Names each by the beginning of its key, which withdraw takes, and its statements by their ids.",
        None,
        ("--ledger",),
    ),
    "bench": _Command(
        _bench,
        "measure how fast this machine scores pairs, by backend and dtype",
        "contradict bench --recommend",
        "Scorers take turns on made-up pairs, beside CrossEncoder.predict and the transformers pipeline; then what auto chooses is "
        "looked at by batch budget, length and stage. Takes about a minute. -o writes all figures to a .json.",
        None,
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
        args.run(args)
    except ContradictError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        partial = Path(f"{getattr(args, 'output', '')}.partial")
        kept = f"the same command goes on from {partial}" if partial.is_file() else "nothing was written"
        print(f"interrupted; {kept}", file=sys.stderr)
        return 130
    return 0
