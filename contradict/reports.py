"""Findings -> what people and programs read: a table, Markdown, JSON Lines, CSV, Parquet, a page of HTML.

Reports are the only place where the text of statements is written. Files appear whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from contradict import verdicts
from contradict.errors import ConfigError, InputError, Problem
from contradict.schema import CONFLICTS, RELATIONS, VERDICTS, CandidatePairs, Finding, Offsets, Review, Scores, Statement, pair_key

if TYPE_CHECKING:
    from contradict.detector import Config

__all__ = ["WRITERS", "Report", "atomic_path", "graded", "note_kinds", "write_records", "write_statements"]

_DIGITS = 4  # decimals of every written score: more would differ from machine to machine
_SEPARATOR = " <- "


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


@dataclass(frozen=True, slots=True)
class Report:
    """What a scan found, with everything needed to look again.

    Attributes:
        findings: Conflicts, best first: contradictions and tensions before changes, then by
            probability, then by the statements' ids. Behind them, where the settings show them, the pairs that a gate
            holds back.
        statements: All statements of the scan.
        pairs: Every scored pair.
        scores: Their scores.
        probability: f64[n], their calibrated probability of conflict.
        verdicts: u8[n], index into `VERDICTS`.
        threshold: Probability from which a pair is a finding.
        floor: Probability to which the threshold can move down: what may lie below it was not scored in both directions.
        calibrated: Whether the model came with a fitted calibrator.
        change_days: Days between two dates from which a conflict is a change.
        counts: Statements, candidate, pruned, scored and truncated pairs, skipped inputs.
        timings: Seconds per stage.
        config: All settings.
        models: Names and weight hashes of the models.
        reviews: What people said of pairs before, by `pair_key` of the two texts.
        dismissed: Conflicts that are no findings because a person said they are none.
        held: Pairs that reach the threshold and that a gate holds back, by the name of the reason.
    """

    findings: tuple[Finding, ...]
    statements: Sequence[Statement]
    pairs: CandidatePairs
    scores: Scores
    probability: npt.NDArray[np.float64]
    verdicts: npt.NDArray[np.uint8]
    threshold: float
    floor: float
    calibrated: bool
    change_days: int
    counts: Mapping[str, int]
    timings: Mapping[str, float]
    config: Config
    models: Mapping[str, Any]
    reviews: Mapping[str, Review]
    dismissed: int
    held: Mapping[str, int]

    @classmethod
    def of(
        cls,
        statements: Sequence[Statement],
        pairs: CandidatePairs,
        scores: Scores,
        probability: npt.NDArray[np.float64],
        *,
        threshold: float,
        floor: float,
        calibrated: bool,
        change_days: int,
        counts: Mapping[str, int],
        timings: Mapping[str, float],
        config: Config,
        models: Mapping[str, Any],
        reviews: Mapping[str, Review],
    ) -> Report:
        """Judge scored pairs and collect the findings.

        Those that a person dismissed and the pairs that a gate holds back are counted, and listed where the settings show them.
        """
        codes = verdicts.judge(statements, pairs, scores, probability, threshold=threshold, change_days=change_days)
        rows = np.flatnonzero(probability >= threshold)
        flagged = [_finding(statements, pairs, scores, probability, codes=codes, row=int(row), calibrated=calibrated) for row in rows]
        found = [f for f in flagged if f.verdict in CONFLICTS]
        held = [f for f in flagged if f.verdict not in CONFLICTS]
        kept = found if config.show_dismissed else [f for f in found if not _dismissed(f, reviews)]
        listed = [*kept, *(held if config.show_held else [])]
        listed.sort(key=lambda f: (f.verdict not in CONFLICTS, f.verdict == "change", -f.probability, f.a.id, f.b.id))
        counted = dict(sorted(Counter(f.reasons[0].name for f in held).items()))
        return cls(
            tuple(listed), statements, pairs, scores, probability, codes, threshold, floor, calibrated, change_days, counts, timings,
            config, models, reviews, len(found) - len(kept), counted,
        )  # fmt: skip

    def rethreshold(self, threshold: float) -> Report:
        """The same report at another threshold, higher or lower; nothing is scored again.

        Raises:
            ConfigError: The threshold is below `floor`.
        """
        if threshold < self.floor:
            raise ConfigError(
                f"threshold is {threshold:g}, but below {self.floor:g} pairs were scored in one direction only; "
                "scan with this threshold, or with direction 'both'"
            )
        report = Report.of(
            self.statements, self.pairs, self.scores, self.probability, threshold=threshold, floor=self.floor,
            calibrated=self.calibrated, change_days=self.change_days, counts=self.counts, timings=self.timings, config=self.config,
            models=self.models, reviews=self.reviews,
        )  # fmt: skip
        return report.with_deciding_words({(f.a.id, f.b.id): f.deciding_words for f in self.findings if f.deciding_words is not None})

    def with_deciding_words(self, found: Mapping[tuple[str, str], Mapping[str, Offsets]]) -> Report:
        """The same report with the deciding words of findings, by the ids of their two statements."""
        return replace(self, findings=tuple(replace(f, deciding_words=found.get((f.a.id, f.b.id))) for f in self.findings))

    def write(self, path: str | Path) -> None:
        """Write the findings in the format of the suffix: .jsonl, .csv, .parquet, .md or .html.

        Raises:
            ConfigError: The suffix is unknown.
            InputError: The file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in WRITERS:
            raise ConfigError(f"{path}: unknown suffix {suffix!r}; known: {', '.join(WRITERS)}")
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            WRITERS[suffix](self, file)

    def truncated_ids(self) -> list[tuple[str, str]]:
        """Ids of the pairs that hold a sentence longer than the model reads."""
        rows = np.flatnonzero(self.scores.truncated)
        return [(self.statements[self.pairs.left[row]].id, self.statements[self.pairs.right[row]].id) for row in rows]

    def summary(self) -> str:
        """One paragraph: what was compared, with which model, and what was left out."""
        c = self.counts
        findings = sum(f.verdict in CONFLICTS for f in self.findings)
        lines = [
            f"{_plural(findings, 'finding')} among {_plural(c['scored_pairs'], 'scored pair')} "
            f"({_plural(c['statements'], 'statement')}, {_plural(c['actors'], 'actor')}; threshold {self.threshold:.2f})."
        ]
        if c["pruned_pairs"]:
            lines.append(f"{_plural(c['pruned_pairs'], 'pair')} below similarity {self.config.min_similarity:g} not scored.")
        if c["one_direction_pairs"]:
            lines.append(
                f"{_plural(c['one_direction_pairs'], 'pair')} scored in one direction: the other could not bring them to {self.floor:.2f}."
            )
        if c["truncated_pairs"]:
            lines.append(f"{_plural(c['truncated_pairs'], 'pair')} with a sentence longer than the model reads: its end was not scored.")
        if c["skipped_inputs"]:
            lines.append(f"{_plural(c['skipped_inputs'], 'input problem')} skipped.")
        if c["known_pairs"]:
            lines.append(f"Scores of {_plural(c['known_pairs'], 'pair')} came from the ledger.")
        if self.dismissed:
            lines.append(f"{_plural(self.dismissed, 'finding')} dismissed in the ledger.")
        if self.held:
            names = ", ".join(f"{name} {count:,}" for name, count in self.held.items())
            lines.append(f"{_plural(sum(self.held.values()), 'flagged pair')} held back ({names}).")
        if self.models and not self.calibrated:
            lines.append("The model has no calibration: probabilities are raw scores.")
        lines.append("A finding is a lead to check, not a verdict on anybody's honesty.")
        return " ".join(lines)


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _dismissed(finding: Finding, reviews: Mapping[str, Review]) -> bool:
    if not reviews:
        return False
    review = reviews.get(pair_key(finding.a.text, finding.b.text))
    return review is not None and review.dismissed


def _finding(
    statements: Sequence[Statement],
    pairs: CandidatePairs,
    scores: Scores,
    probability: npt.NDArray[np.float64],
    *,
    codes: npt.NDArray[np.uint8],
    row: int,
    calibrated: bool,
) -> Finding:
    a, b = statements[pairs.left[row]], statements[pairs.right[row]]
    verdict = VERDICTS[codes[row]]
    relations = scores.relations[row]
    known = [r for r in RELATIONS if r in scores.labels]
    directions = {
        name: {r: _rounded(relations[d, RELATIONS.index(r)]) for r in known}
        for d, name in enumerate(("forward", "reverse"))
        if not np.isnan(relations[d, 0])
    }
    similarity = float(pairs.similarity[row])
    evidence = scores.evidence.get(row)
    why = verdicts.reasons(
        a, b, relations, verdict=verdict, truncated=bool(scores.truncated[row]), calibrated=calibrated, sentences=evidence is not None
    )
    return Finding(
        verdict, _rounded(probability[row]), None if np.isnan(similarity) else _rounded(similarity),
        pairs.rules[pairs.rule[row]], directions, why, verdicts.innocent_reading(a, b, verdict=verdict), a, b, evidence=evidence,
    )  # fmt: skip


def _deciding(f: Finding) -> dict[str, list[str]]:
    """The deciding words of both claims, where they were asked for."""
    claims = {"a": f.a.claim, "b": f.b.claim}
    return {side: [claims[side][start:end] for start, end in spans] for side, spans in (f.deciding_words or {}).items() if spans}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place if the block ends well, and goes if it does not.

    Raises:
        InputError: The folder is missing or cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise InputError(
            [Problem(str(path), None, None, f"cannot be written ({error.strerror}); check the folder and its permissions")]
        ) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _json_line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=False, default=str) + "\n").encode()


def _cell(value: Any) -> Any:
    """A value of a flat table: numbers and text stay, lists and objects become text."""
    if isinstance(value, list | tuple):
        return _SEPARATOR.join(value) if all(isinstance(v, str) for v in value) else json.dumps(value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return value


def note_kinds(record: Mapping[str, Any], columns: dict[str, set[type]]) -> None:
    """Add a record's columns, and the types of its cells, to those of the records before it."""
    for column, value in record.items():
        kinds = columns.setdefault(column, set())
        if value is not None:
            kinds.add(type(_cell(value)))


def write_records(
    records: Iterable[Mapping[str, Any]], columns: Sequence[str] | Mapping[str, set[type]], suffix: str, file: IO[bytes]
) -> None:
    """Write flat records as .jsonl, .csv or .parquet.

    Args:
        records: Rows; a missing column is an empty cell. They are read as they are written.
        columns: Columns of the tables in order; with the types of their cells (`note_kinds`), a Parquet table too is
            written without all its rows in memory.
        suffix: Chooses the format.
        file: Where the bytes go.
    """
    if suffix in (".jsonl", ".ndjson"):
        for record in records:
            file.write(_json_line(record))
    elif suffix == ".csv":
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.DictWriter(text, list(columns), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in record.items()} for record in records)
        text.detach()
    elif suffix == ".parquet":
        _write_parquet(records, columns, file)
    else:
        raise ConfigError(f"unknown suffix {suffix!r}; known: .jsonl, .csv, .parquet")


def _write_parquet(records: Iterable[Mapping[str, Any]], columns: Sequence[str] | Mapping[str, set[type]], file: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(columns, Mapping):
        kinds = dict(columns)
    else:
        records, kinds = list(records), {column: set() for column in columns}
        for record in records:
            note_kinds({k: v for k, v in record.items() if k in kinds}, kinds)
    known = {
        frozenset({float}): pa.float64(),
        frozenset({float, int}): pa.float64(),
        frozenset({int}): pa.int64(),
        frozenset({bool}): pa.bool_(),
    }
    types = {column: known.get(frozenset(kind), pa.string()) for column, kind in kinds.items()}
    rows = iter(records)
    with pq.ParquetWriter(file, pa.schema(types)) as writer:
        while True:
            part = list(islice(rows, _ROWS))
            cells = {column: [_cell(record.get(column)) for record in part] for column in types}
            texts = {column: [None if v is None else str(v) for v in cells[column]] for column, t in types.items() if t == pa.string()}
            writer.write_table(pa.table(cells | texts, pa.schema(types)))
            if len(part) < _ROWS:
                return


_ROWS = 65_536  # of a Parquet row group


_STATEMENT_FIELDS = [f.name for f in fields(Statement) if f.name != "extra"]


def _statement_columns(statements: Iterable[Statement]) -> list[str]:
    return [*_STATEMENT_FIELDS, *dict.fromkeys(k for s in statements for k in s.extra)]


def write_statements(statements: Iterable[Statement], suffix: str, file: IO[bytes]) -> None:
    """Write statements as .jsonl (one at a time), .csv or .parquet; `read_statements` reads them back."""
    if suffix in (".jsonl", ".ndjson"):
        for statement in statements:
            file.write(_json_line(statement.to_record()))
        return
    rows = list(statements)
    write_records([s.to_record() for s in rows], _statement_columns(rows), suffix, file)


def write_explanations(statements: Iterable[Statement], file: IO[bytes]) -> None:
    """Write which rule read each statement from which words, as text to look through.

    Args:
        statements: Statements extracted with `explain=True`.
        file: Where the text goes, as UTF-8.
    """
    for s in statements:
        why = s.extra.get("why", {})
        lines = {
            "sentence": s.sentence,
            "frame": f'{why.get("frame")}, cue "{why.get("cue")}"',
            "actor": f'"{s.speaker}" ({why.get("actor")})',
            "content": f'"{s.text}"',
            "channel": why.get("channel") + (f' "{s.channel_evidence}"' if s.channel_evidence else ""),
            "date": f'{s.date} from "{why.get("date")}"' if s.date is not None else None,
            "condition": s.condition,
            "reported by": " <- ".join(s.attribution),
            "claim": s.claim,
        }
        text = [f"{s.id}  {s.actor}, {s.channel}", *(f"  {name:<12}{value}" for name, value in lines.items() if value)]
        file.write(("\n".join(text) + "\n\n").encode())


def graded(report: Report, finding: Finding) -> dict[str, Any]:
    """The record of a finding, with its grade behind the verdict where the settings name a vocabulary."""
    record = finding.to_record()
    if report.config.vocabulary is None:
        return record
    return {"verdict": finding.verdict, "grade": verdicts.VOCABULARIES[report.config.vocabulary](finding)} | record


def _flat(report: Report, finding: Finding) -> dict[str, Any]:
    record = graded(report, finding)
    flat: dict[str, Any] = {k: record[k] for k in ("verdict", "grade", "probability", "similarity", "rule") if k in record}
    for direction, values in finding.scores.items():
        flat |= {f"{direction}_{relation}": value for relation, value in values.items()}
    flat["reasons"] = "; ".join(map(str, finding.reasons))
    flat["innocent_reading"] = finding.innocent_reading
    flat["deciding_words"] = "; ".join(f"{side}: {', '.join(words)}" for side, words in _deciding(finding).items())
    if finding.evidence is not None:
        flat["a_evidence"], flat["b_evidence"] = finding.evidence
    for side in ("a", "b"):
        flat |= {f"{side}_{k}": v for k, v in record[side].items()}
    return flat


def _write_jsonl(report: Report, file: IO[bytes]) -> None:
    for finding in report.findings:
        file.write(_json_line(graded(report, finding)))


def _write_flat(report: Report, file: IO[bytes], suffix: str) -> None:
    known = report.scores.labels or RELATIONS[:3]
    scores = [f"{d}_{r}" for d in ("forward", "reverse") for r in RELATIONS if r in known]
    sides = _statement_columns(s for f in report.findings for s in (f.a, f.b))
    decided = ["a_evidence", "b_evidence"] if any(f.evidence for f in report.findings) else []
    columns = [
        "verdict",
        *(["grade"] if report.config.vocabulary else []),
        "probability",
        "similarity",
        "rule",
        *scores,
        "reasons",
        "innocent_reading",
        "deciding_words",
        *decided,
        *(f"{side}_{c}" for side in "ab" for c in sides),
    ]
    write_records([_flat(report, f) for f in report.findings], columns, suffix, file)


def _reported(statement: Statement) -> str:
    return _SEPARATOR.join(statement.attribution)


def _side(statement: Statement) -> str:
    """Channel, date and venue: "private, 2023-09/2023-12-23, call with donors"."""
    return ", ".join(p for p in (statement.channel, str(statement.date or "undated"), statement.venue) if p)


def _markdown(text: str, bold: Offsets = ()) -> str:
    """Text that Markdown prints as it stands, words at the offsets in bold: nothing in it is markup or breaks out of the line."""

    def plain(part: str) -> str:
        flat = re.sub(r"\s+", " ", part)
        for mark in "\\`*_{}[]<>#|~!":
            flat = flat.replace(mark, "\\" + mark)
        return flat

    out, last = "", 0
    for start, end in bold:
        out += f"{plain(text[last:start])}**{plain(text[start:end])}**"
        last = end
    return (out + plain(text[last:])).strip()


def _told(f: Finding, side: str) -> Offsets:
    """The words of one claim that carry reasons, in order and without overlap."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(span for reason in f.reasons for span in reason.spans.get(side, ())):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return tuple(out)


def _write_markdown(report: Report, file: IO[bytes]) -> None:
    lines = ["# Findings", "", _markdown(report.summary()), ""]
    for number, f in enumerate(report.findings, start=1):
        grade = graded(report, f).get("grade")
        lines += [f"## {number}. {_markdown(f.a.actor)}: {f.verdict}{f', {grade}' if grade else ''} (probability {f.probability:.2f})", ""]
        for side, s in (("a", f.a), ("b", f.b)):
            spans = _told(f, side)
            text = _markdown(s.text, spans if s.claim == s.text else ())
            lines += [f"**{side}** ({_markdown(_side(s))}; id {_markdown(s.id)})", "", f"> {text}", ""]
            if s.claim != s.text:
                lines += [f"Read as: {_markdown(s.claim, spans)}", ""]
            if s.attribution:
                lines += [f"Reported by {_markdown(_reported(s))}.", ""]
            if s.source or s.url:
                lines += [f"Source: {_markdown(' '.join(p for p in (s.source, s.url) if p))}", ""]
        lines += [f"- {_markdown(str(reason))}" for reason in f.reasons]
        lines += [f"- deciding words of {side}: {_markdown(', '.join(words))}" for side, words in _deciding(f).items()]
        lines.append(f"- innocent reading: {_markdown(f.innocent_reading)}")
        lines += [f"- decided by {side}: {_markdown(text)}" for side, text in zip("ab", f.evidence or (), strict=False)]
        for direction, values in f.scores.items():
            lines.append(f"- {direction}: " + ", ".join(f"{relation} {value:.2f}" for relation, value in values.items()))
        lines.append("")
    models = ", ".join(f"{role} {m['name']} ({(m['sha256'] or 'no hash')[:12]})" for role, m in report.models.items())
    lines += [
        "---",
        "",
        f"Made with {_markdown(models) or 'no model'}. Settings: {_markdown(json.dumps(report.config.to_record(), sort_keys=True))}",
        "",
    ]
    file.write("\n".join(lines).encode())


def _write_html(report: Report, file: IO[bytes]) -> None:
    from contradict.dossier import write_html

    write_html(report, file)


WRITERS: dict[str, Callable[[Report, IO[bytes]], None]] = {
    ".jsonl": _write_jsonl,
    ".csv": lambda report, file: _write_flat(report, file, ".csv"),
    ".parquet": lambda report, file: _write_flat(report, file, ".parquet"),
    ".md": _write_markdown,
    ".html": _write_html,
}
"""Writers of findings by suffix."""


def print_table(report: Report, *, width: int | None = None) -> None:
    """Print the findings to standard output as a table, with colour where the terminal has it.

    Args:
        report: What to print.
        width: Columns to use; None for the width of the terminal, or 110 without one.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=width, highlight=False, soft_wrap=False)
    if width is None and not console.is_terminal:
        console = Console(width=110, highlight=False)
    for number, f in enumerate(report.findings, start=1):
        style = {"contradiction": "bold red", "tension": "bold yellow"}.get(f.verdict, "bold")
        title = Text.assemble((f"{number}. ", "bold"), (f.a.actor, "bold"), "  ", (f.verdict, style), f"  probability {f.probability:.2f}")
        table = Table(show_header=False, expand=True, padding=(0, 1), title=title, title_justify="left")
        table.add_column(ratio=2)
        table.add_column(ratio=5)
        for side, s in (("a", f.a), ("b", f.b)):
            about = "\n".join([s.channel, str(s.date or "undated"), *([s.venue] if s.venue else [])])
            claim = Text(s.claim, style="dim" if s.claim != s.text else "")
            for start, end in _told(f, side):
                claim.stylize("underline", start, end)
            for start, end in (f.deciding_words or {}).get(side, ()):
                claim.stylize("bold underline not dim", start, end)
            said = claim if s.claim == s.text else Text.assemble(s.text, "\n= ", claim)
            if s.attribution:
                said.append(f"\nreported by {_reported(s)}", style="italic")
            table.add_row(Text(about), said, end_section=True)
        table.add_row(Text("why"), Text("\n".join(map(str, f.reasons))))
        table.add_row(Text("innocent reading"), Text(f.innocent_reading))
        for side, text in zip("ab", f.evidence or (), strict=False):
            table.add_row(Text(f"decided by {side}"), Text(text))
        console.print(table)
        console.print()
    console.print(Text(report.summary()))
