"""Config and Detector: the whole way from statements to findings.

`Detector.scan` is the composition pair -> embed and prune -> score -> judge and nothing more. Only the
detector holds models.
"""

from __future__ import annotations

import dataclasses
import logging
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from contradict import backends, embedding, pairing
from contradict.actors import actor_resolver, resolve_actors
from contradict.calibration import Calibrator
from contradict.corpus import Extractor, extract_corpus
from contradict.errors import ConfigError, InputError, Problem
from contradict.explanation import explain
from contradict.ledger import Ledger
from contradict.readers import article_source, holds_articles, read_statements
from contradict.reports import Report
from contradict.schema import Article, DateRange, Review, Scores, Statement
from contradict.scoring import DIRECTIONS, score_pairs
from contradict.verdicts import VOCABULARIES

__all__ = ["MANY_PAIRS", "NEAR", "Config", "Detector", "scan"]

MANY_PAIRS = 2000
"""Scored pairs from which a scan spares second directions that cannot matter; with fewer it would be no faster to speak of."""
NEAR = 0.05
"""Probability below the threshold within which pairs keep both directions all the same, so that the threshold can move down."""

_log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of a scan; the flags of the command line and the keys of a TOML file.

    Attributes:
        model: Cross-encoder: folder, hub id, or None for the shipped one.
        embedder: Bi-encoder: folder, hub id, or None for the shipped one.
        device: "cpu", "cuda", "cuda:1", "mps"; None picks CUDA where there is one.
        threads: CPU threads; None leaves torch's default.
        batch_tokens: Most tokens of a batch; None picks by device.
        backend: What runs the cross-encoder: "torch", "onnx", "openvino", or "auto" for the fastest that is installed.
        dtype: Number format in which it computes, or "auto" for the fastest that keeps the accuracy.
        rules: Pairing rules in order.
        window_days: Largest gap in days for rules that heed it; None for no limit.
        min_similarity: Cosine below which a pair is not scored.
        threshold: Calibrated probability from which a pair is flagged; None takes the model's own.
        direction: "both", "forward", "needed" (`score_pairs`), or "auto": "both", and "needed" in a scan of more than
            `MANY_PAIRS` pairs. Findings are the same either way.
        change_days: Days between two dates from which a conflict is called a change.
        explain: Whether to find the words that decide each finding; a finding of n words costs n scored pairs.
        workers: Processes that read articles.
        on_error: "stop" at bad input, or "skip" it and go on.
        calibration: File made by `contradict calibrate`; None takes the model's own.
        ledger: SQLite file that remembers scores and reviews; None for none.
        show_dismissed: Whether pairs that the ledger holds as dismissed are findings all the same.
        show_held: Whether flagged pairs that a gate holds back (`verdicts.gate`) are listed behind the findings.
        vocabulary: Other names in which exports also grade findings (`verdicts.VOCABULARIES`); None for none.

    Raises:
        ConfigError: A value is out of range.
    """

    model: str | None = None
    embedder: str | None = None
    device: str | None = None
    threads: int | None = None
    batch_tokens: int | None = None
    backend: str = "auto"
    dtype: str = "auto"
    rules: tuple[str, ...] = tuple(pairing.RULES)
    window_days: int | None = 365
    min_similarity: float = 0.1
    threshold: float | None = None
    direction: str = "auto"
    change_days: int = 180
    explain: bool = False
    workers: int = 1
    on_error: str = "stop"
    calibration: str | None = None
    ledger: str | None = None
    show_dismissed: bool = False
    show_held: bool = False
    vocabulary: str | None = None

    def __post_init__(self) -> None:
        def expect(good: bool, name: str, what: str) -> None:
            if not good:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {what}")

        def whole(value: object) -> bool:
            return type(value) is int

        def real(value: object) -> bool:
            return type(value) in (int, float)

        for name in ("model", "embedder", "device", "calibration", "ledger"):
            expect(getattr(self, name) is None or isinstance(getattr(self, name), str), name, "text")
        for name in ("threads", "batch_tokens"):
            value = getattr(self, name)
            expect(value is None or (type(value) is int and value >= 1), name, "a whole number of at least 1")
        expect(self.backend in ("auto", *backends.DTYPES), "backend", f"one of auto, {', '.join(backends.DTYPES)}")
        dtypes = dict.fromkeys(dtype for known in backends.DTYPES.values() for dtype in known)
        expect(self.dtype in ("auto", *dtypes), "dtype", f"one of auto, {', '.join(dtypes)}")
        expect(isinstance(self.rules, tuple) and len(self.rules) > 0, "rules", f"one or more of {', '.join(pairing.RULES)}")
        for rule in self.rules:
            if rule not in pairing.RULES:
                raise ConfigError(f"unknown pairing rule {rule!r}; known: {', '.join(pairing.RULES)}")
        expect(self.window_days is None or (whole(self.window_days) and self.window_days >= 0), "window_days", "days, or none for no limit")
        expect(real(self.min_similarity) and -1 <= self.min_similarity <= 1, "min_similarity", "a cosine from -1 to 1")
        expect(self.threshold is None or (real(self.threshold) and 0 <= self.threshold <= 1), "threshold", "a probability from 0 to 1")
        expect(self.direction in ("auto", *DIRECTIONS), "direction", f"one of auto, {', '.join(DIRECTIONS)}")
        expect(whole(self.change_days) and self.change_days >= 0, "change_days", "days")
        expect(whole(self.workers) and self.workers >= 1, "workers", "a whole number of at least 1")
        expect(self.on_error in ("stop", "skip"), "on_error", "stop or skip")
        expect(self.vocabulary is None or self.vocabulary in VOCABULARIES, "vocabulary", f"one of {', '.join(VOCABULARIES)}")
        for name in ("explain", "show_dismissed", "show_held"):
            expect(type(getattr(self, name)) is bool, name, "true or false")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Config:
        """A config from the keys of a TOML table; lists become tuples, "none" lifts the time window.

        Raises:
            ConfigError: A key is unknown or a value is out of range.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"unknown setting {', '.join(unknown)}; known: {', '.join(known)}")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        if plain.get("window_days") == "none":
            plain["window_days"] = None
        return cls(**plain)

    @classmethod
    def from_toml(cls, path: str | Path) -> Config:
        """A config from a TOML file.

        Raises:
            ConfigError: The file cannot be read, is not TOML, or holds a bad setting.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: is not TOML ({error})") from error
        try:
            return cls.from_mapping(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def to_record(self) -> dict[str, Any]:
        """A JSON-ready record of every setting."""
        return dataclasses.asdict(self)


class Detector:
    """Finds contradictions among statements; loads its models on first use.

    Args:
        config: All settings; single settings may be given by name instead of or on top of it.

    Example:
        >>> detector = Detector(threshold=0.8)
        >>> report = detector.scan(statements)  # doctest: +SKIP
    """

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        if unknown := sorted(set(settings) - {f.name for f in fields(Config)}):
            raise ConfigError(f"unknown setting {', '.join(unknown)}; known: {', '.join(f.name for f in fields(Config))}")
        if isinstance(settings.get("rules"), list | str):
            settings["rules"] = (settings["rules"],) if isinstance(settings["rules"], str) else tuple(settings["rules"])
        self.config = dataclasses.replace(config or Config(), **settings)

    @property
    def model(self) -> backends.CrossEncoder:
        """The cross-encoder."""
        c = self.config
        return backends.load_model(c.model, device=c.device, threads=c.threads, backend=c.backend, dtype=c.dtype)

    @property
    def embedder(self) -> backends.BiEncoder:
        """The bi-encoder."""
        return backends.load_embedder(self.config.embedder, device=self.config.device, threads=self.config.threads)

    def scan(self, statements: Sequence[Statement], *, skipped: Sequence[Problem] = (), progress: Progress | None = None) -> Report:
        """Pair, prune, score and judge statements.

        Args:
            statements: Statements whose actors are resolved; ids must be unique.
            skipped: Input problems to be named in the report.
            progress: Called with (stage, done, total).

        Returns:
            The report; it keeps every scored pair, so that its threshold can move, down to its floor, without scoring again.

        Raises:
            ModelError: A model cannot be used.
            ConfigError: Two statements have one id.
        """
        statements = list(statements)
        ids = [s.id for s in statements]
        if len(set(ids)) < len(ids):
            raise ConfigError(f"the id {next(i for i in ids if ids.count(i) > 1)!r} is used twice; ids must be unique")
        config = self.config
        timings: dict[str, float] = {}
        clock = _Clock(timings)
        candidates = pairing.candidate_pairs(statements, rules=config.rules, window_days=config.window_days)
        clock.lap("pair")
        models: dict[str, Any] = {}
        reviews: dict[str, Review] = {}
        known = 0
        floor = 0.0
        if len(candidates):
            embedder = self.embedder
            clock.lap("load")
            pairs = embedding.measure_similarity(statements, candidates, embedder, progress=progress)
            pairs = embedding.prune(pairs, config.min_similarity)
            clock.lap("embed")
            model = self.model
            clock.lap("load")
            calibrator = Calibrator.of(model, config.calibration)
            threshold = config.threshold if config.threshold is not None else calibrator.threshold
            if config.direction == "auto":
                config = dataclasses.replace(config, direction="needed" if len(pairs) > MANY_PAIRS else "both")
            if config.direction == "needed":
                floor = max(0.0, threshold - NEAR)
            options: dict[str, Any] = {"direction": config.direction, "level": calibrator.level(floor)}
            options |= {"batch_tokens": config.batch_tokens, "progress": progress}
            texts = [(statements[i].claim, statements[j].claim) for i, j in pairs]
            if config.ledger is None:
                scores = score_pairs(texts, model, **options)
            else:
                with Ledger(config.ledger) as ledger:
                    scores, known = ledger.score_pairs(texts, model, **options)
                    reviews = ledger.reviews()
            clock.lap("score")
            models = {
                "model": {
                    "name": model.name,
                    "sha256": model.fingerprint,
                    "relations": list(model.labels),
                    "device": model.device,
                    "backend": model.backend,
                    "dtype": model.dtype,
                },
                "embedder": {"name": embedder.name, "sha256": embedder.fingerprint},
            }
        else:
            pairs, calibrator = candidates, Calibrator()
            threshold = config.threshold if config.threshold is not None else calibrator.threshold
            scores = Scores(np.zeros((0, 2, 5), dtype=np.float32), (), np.zeros(0, dtype=bool))
        probability = calibrator.probability(scores.conflict()) if len(scores) else np.zeros(0)
        report = Report.of(
            statements,
            pairs,
            scores,
            probability,
            threshold=threshold,
            floor=floor,
            calibrated=bool(calibrator.fitted),
            change_days=config.change_days,
            counts={
                "statements": len(statements),
                "actors": len({s.actor for s in statements}),
                "candidate_pairs": len(candidates),
                "pruned_pairs": len(candidates) - len(pairs),
                "scored_pairs": len(pairs),
                "known_pairs": known,
                "one_direction_pairs": int(np.isnan(scores.relations[:, 1, 0]).sum()) if config.direction == "needed" else 0,
                "truncated_pairs": int(scores.truncated.sum()),
                "skipped_inputs": len(skipped),
            },
            timings=timings,
            config=dataclasses.replace(config, threshold=threshold),
            models=models,
            reviews=reviews,
        )
        if not (config.explain and report.findings):
            return report
        claims = [(f.a.claim, f.b.claim) for f in report.findings]
        direction = "forward" if config.direction == "forward" else "both"  # findings have both wherever both were asked for
        told = explain(claims, self.model, direction=direction, batch_tokens=config.batch_tokens, progress=progress)
        clock.lap("explain")
        return report.with_deciding_words({(f.a.id, f.b.id): words.offsets() for f, words in zip(report.findings, told, strict=True)})


class _Clock:
    """Adds the seconds since the last lap to a stage."""

    def __init__(self, timings: dict[str, float]) -> None:
        self.timings = timings
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.timings[stage] = self.timings.get(stage, 0.0) + now - self.last
        self.last = now


def read_inputs(
    inputs: Iterable[str | Path],
    *,
    date: DateRange | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    extractor: Extractor | None = None,
    workers: int = 1,
    on_error: str = "stop",
    problems: list[Problem] | None = None,
    progress: Progress | None = None,
) -> list[Statement]:
    """Statements of a mix of article and statement files, actors resolved.

    Statements that were extracted before (they have a `channel_rule`) are taken as they stand in the file, with the
    corrections that somebody made in it: only `aliases` changes their actors.

    Args:
        inputs: Paths; `readers.holds_articles` tells which hold articles, the others hold statements.
        date: Day of publication of the articles.
        aliases: Canonical name -> other names of an actor.
        extractor: Reads one article; None takes `extract_statements`.
        workers: Processes that read articles.
        on_error: "stop" or "skip".
        problems: With "skip", receives what was skipped.
        progress: Called with ("extract", articles done, articles in all).

    Raises:
        InputError: Something is wrong and `on_error` is "stop".
    """
    paths = [str(p) for p in inputs]
    articles = [p for p in paths if holds_articles(p)]
    tables = [p for p in paths if p not in articles]
    found: list[Problem] = []
    given = read_statements(tables, on_error="skip", problems=found) if tables else []
    options: dict[str, Any] = {"extractor": extractor, "aliases": aliases, "workers": workers, "progress": progress}
    extracted = extract_corpus(article_source(articles, found, date=date), problems=found, **options) if articles else ()
    statements = resolve_actors([*given, *(s for told in extracted for s in told)], aliases)
    if found and on_error == "stop":
        raise InputError(found)
    if problems is not None:
        problems.extend(found)
    by_alias = actor_resolver([], aliases)
    corrected = {s.id: by_alias(s) for s in given if "channel_rule" in s.extra}
    return [corrected.get(s.id, s) for s in statements]


def scan(
    source: str | Path | Sequence[str | Path] | Sequence[Statement] | Sequence[Article],
    *,
    date: str | DateRange | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    extractor: Extractor | None = None,
    config: Config | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Report:
    """Find contradictions in articles or statements: read, extract, pair, score, judge.

    Args:
        source: A path, several paths, statements or articles.
        date: Day of publication of articles, the anchor for "Thursday" or "last fall".
        aliases: Canonical name -> other names of an actor.
        extractor: Reads the statements of one article; None takes `extract_statements`. See `corpus.Extractor`.
        config: All settings.
        progress: Called with (stage, done, total).
        **settings: Single settings of `Config` by name.

    Returns:
        The report, findings best first.

    Example:
        >>> import contradict as ct
        >>> report = ct.scan("seeds/ceasefire.txt", date="2023-12-23")  # doctest: +SKIP
        >>> print(report.findings[0].verdict)  # doctest: +SKIP
        contradiction
    """
    detector = Detector(config, **settings)
    anchor = DateRange.parse(date) if isinstance(date, str) else date
    problems: list[Problem] = []
    items: list[Any] = [source] if isinstance(source, str | Path | Statement | Article) else list(source)
    if all(isinstance(item, Statement) for item in items):
        statements = resolve_actors(items, aliases)
    elif all(isinstance(item, Article) for item in items):
        told = extract_corpus(lambda: items, extractor=extractor, aliases=aliases, workers=detector.config.workers, progress=progress)
        statements = resolve_actors([s for one in told for s in one], aliases)
    else:
        statements = read_inputs(
            items,
            date=anchor,
            aliases=aliases,
            extractor=extractor,
            workers=detector.config.workers,
            on_error=detector.config.on_error,
            problems=problems,
            progress=progress,
        )
    for problem in problems:
        _log.warning("skipped: %s", problem)
    return detector.scan(statements, skipped=problems, progress=progress)
