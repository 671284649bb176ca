"""Files -> articles, statements, labelled pairs, rows to score.

Every problem of a file is collected before anything is raised, with file, line and field, so that a
user mends a file in one go. With `on_error="skip"` the good records are returned and the problems
are handed to `problems`. Encodings: UTF-8 with or without BOM; of articles in text and HTML any, found out from their
bytes. Line ends of any kind.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import logging
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contradict.errors import InputError, MissingDependencyError, Problem
from contradict.schema import CHANNELS, VERDICTS, Article, DateRange, LabelledPair, Review, Statement

__all__ = [
    "ARTICLE_SUFFIXES",
    "READERS",
    "article_source",
    "holds_articles",
    "iter_articles",
    "iter_pairs",
    "read_articles",
    "read_labelled_pairs",
    "read_pairs",
    "read_records",
    "read_reviews",
    "read_statements",
]

_log = logging.getLogger(__name__)

Row = tuple[int, dict[str, Any]]
"""A record with the line (text formats) or row (tables) it stands on, from 1."""

_SEPARATOR = " <- "  # between the links of a reporter chain in formats without lists
_TEXT_FIELDS = ("venue", "source", "url", "speaker", "proposition", "condition", "hedge", "channel_evidence", "sentence")
_KNOWN = {"id", "actor", "text", "channel", "date", "attribution", "span", *_TEXT_FIELDS}


def _read_bytes(path: str, problems: list[Problem]) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        problems.append(Problem(path, None, None, "no such file; check the spelling and the folder"))
    except IsADirectoryError:
        problems.append(Problem(path, None, None, "is a folder; name the files in it"))
    except OSError as error:
        problems.append(Problem(path, None, None, f"cannot be read ({error.strerror}); check its permissions"))
    return b""


def _decode(path: str, data: bytes, problems: list[Problem]) -> str:
    """UTF-8 text of a file, or "" with a problem that says where the text stops being text."""
    bad = data.find(b"\0")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = error.start if bad < 0 else min(bad, error.start)
        text = ""
    if bad >= 0:
        line = data.count(b"\n", 0, bad) + 1
        problems.append(Problem(path, line, None, "is not UTF-8 text (a binary file or another encoding); save it as UTF-8"))
        return ""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_text(path: str, problems: list[Problem]) -> str:
    before = len(problems)
    data = _read_bytes(path, problems)
    text = _decode(path, data, problems) if len(problems) == before else ""
    if len(problems) == before and not text.strip():
        problems.append(Problem(path, None, None, "is empty; expected at least one record"))
        return ""
    return text


def _guess_encoding(path: str, data: bytes, problems: list[Problem]) -> str:
    """Text of an article: UTF-8, else the encoding that its bytes speak for; every line end a newline."""
    unsure: list[Problem] = []
    text = _decode(path, data, unsure)
    if not unsure:
        return text
    from charset_normalizer import from_bytes

    best = from_bytes(data).best() if b"\0" not in data or data[:2] in (b"\xff\xfe", b"\xfe\xff") else None
    if best is None:
        problems.extend(unsure)
        return ""
    _log.info("%s: read as %s", path, best.encoding)
    return str(best).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _lines(path: str, problems: list[Problem]) -> Iterator[str]:
    """Lines of a UTF-8 file, read as they are asked for; what is no text ends them with a problem."""
    if path == "-":
        yield from io.StringIO(_read_text(path, problems))
        return
    blank = True
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for line in file:
                if "\0" in line:
                    break
                blank = blank and not line.strip()
                yield line
            else:
                if blank:
                    problems.append(Problem(path, None, None, "is empty; expected at least one record"))
                return
    except OSError:
        _read_bytes(path, problems)  # names what is wrong
        return
    except UnicodeDecodeError:
        pass
    _decode(path, _read_bytes(path, problems), problems)  # names the line


def _read_jsonl(path: str, problems: list[Problem]) -> Iterator[Row]:
    yield from _json_lines(path, _lines(path, problems), problems)


def _json_lines(path: str, lines: Iterable[str], problems: list[Problem]) -> Iterator[Row]:
    # Only "\n" ends a line: JSON strings may hold other characters that str.splitlines() breaks at.
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(Problem(path, number, None, f"is not JSON ({error.msg} at column {error.colno}); expected one object per line"))
        except RecursionError:
            problems.append(Problem(path, number, None, "is nested too deeply; expected one flat object per line"))
        else:
            if isinstance(record, dict):
                yield number, record
            else:
                problems.append(Problem(path, number, None, f"holds a JSON {type(record).__name__}; expected one object per line"))


def _read_csv(path: str, problems: list[Problem]) -> Iterator[Row]:
    before = len(problems)
    # Fields of any length are legal; the module's own limit would stop at 131,072 characters.
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(_lines(path, problems), strict=True)
    try:
        header = reader.fieldnames or []
        if len(problems) > before:
            return
        if len(set(header)) < len(header):
            twice = sorted({name for name in header if header.count(name) > 1})
            problems.append(Problem(path, 1, ", ".join(twice), "is named twice in the header; give each column its own name"))
            return
        for record in reader:
            if None in record:
                problems.append(Problem(path, reader.line_num, None, f"has more fields than the {len(header)} of the header"))
                continue
            yield reader.line_num, {k: v for k, v in record.items() if v not in (None, "")}
    except csv.Error as error:  # in the header or in any record
        problems.append(Problem(path, reader.line_num, None, f"is not CSV ({error}); quote fields that hold commas, quotes or line ends"))


def _read_parquet(path: str, problems: list[Problem]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    before = len(problems)
    if not Path(path).is_file():
        _read_bytes(path, problems)  # names what is wrong
    elif Path(path).stat().st_size == 0:
        problems.append(Problem(path, None, None, "is empty; expected a Parquet table"))
    if len(problems) > before:
        return
    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        problems.append(
            Problem(path, None, None, f"is not a Parquet file ({type(error).__name__}); write it with pyarrow, pandas or DuckDB")
        )
        return
    number = 0
    for batch in table.iter_batches(batch_size=10_000):
        for record in batch.to_pylist():
            number += 1
            yield number, {k: v for k, v in record.items() if v is not None and not (isinstance(v, float) and math.isnan(v))}


READERS: dict[str, Callable[[str, list[Problem]], Iterator[Row]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""Record readers by suffix; "-" is JSON Lines on standard input."""


def read_records(path: str | Path, problems: list[Problem]) -> Iterator[Row]:
    """Records of a .jsonl, .csv or .parquet file (or "-") with their line; problems are appended."""
    name = str(path)
    reader = _read_jsonl if name == "-" else READERS.get(Path(name).suffix.lower())
    if reader is None:
        known = ", ".join(dict.fromkeys([*READERS, *ARTICLE_SUFFIXES]))
        problems.append(
            Problem(name, None, None, f"has an unknown suffix {Path(name).suffix!r}; known: {known}, or - for JSON Lines on stdin")
        )
        return
    yield from reader(name, problems)


def _settle(problems: Sequence[Problem], on_error: str, sink: list[Problem] | None) -> None:
    """Raise the problems, or hand them over when the caller wants to go on."""
    if not problems:
        return
    if on_error != "skip":
        raise InputError(problems)
    if sink is not None:
        sink.extend(problems)
    else:
        for problem in problems:
            _log.warning("skipped: %s", problem)


class _Record:
    """Reads the fields of one record and files what is wrong with them."""

    def __init__(self, path: str, line: int, record: Mapping[str, Any], problems: list[Problem]) -> None:
        self.path, self.line, self.record, self.problems = path, line, record, problems
        self.good = True

    def wrong(self, field: str, message: str) -> None:
        self.problems.append(Problem(self.path, self.line, field, message))
        self.good = False

    def required(self, field: str) -> str:
        value = self.record.get(field)
        if value is None:
            self.wrong(field, "is missing; expected text" + self._near(field))
        elif not isinstance(value, str):
            self.wrong(field, f"is {type(value).__name__}; expected text")
        elif not value.strip():
            self.wrong(field, "is blank; expected text")
        else:
            return value
        return ""

    def _near(self, field: str) -> str:
        near = [k for k in self.record if isinstance(k, str) and k.strip().lower() == field]
        return f" (the record has {near[0]!r}: rename it)" if near else ""

    def identifier(self, default: str) -> str:
        value = self.record.get("id", default)
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.wrong("id", f"is {type(value).__name__}; expected text or a whole number")
            return default
        if not str(value).strip():
            self.wrong("id", "is blank; expected text")
        return str(value)

    def optional(self, field: str) -> str | None:
        value = self.record.get(field)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.wrong(field, f"is {type(value).__name__}; expected text")
            return None
        return value


def _statement(row: _Record) -> Statement | None:
    record = row.record
    id_ = row.identifier("")
    if "id" not in record:
        row.wrong("id", "is missing; expected text")
    actor, text = row.required("actor"), row.required("text")
    channel = record.get("channel") or "unknown"
    if channel not in CHANNELS:
        row.wrong("channel", f"is {channel!r}; expected one of {', '.join(CHANNELS)}")
    date = None
    value = record.get("date")
    if value not in (None, ""):
        try:
            date = DateRange.parse(str(value))
        except ValueError as error:
            row.wrong("date", f"{error}; expected YYYY, YYYY-MM, YYYY-MM-DD or an interval A/B")
    attribution: tuple[str, ...] = ()
    value = record.get("attribution")
    if isinstance(value, str):
        attribution = tuple(part for part in value.split(_SEPARATOR) if part.strip())
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        attribution = tuple(value)
    elif value is not None:
        row.wrong("attribution", f"is {type(value).__name__}; expected text, or a list of reporters from the outside in")
    span = None
    value = record.get("span")
    if value not in (None, ""):
        try:
            start, end = json.loads(value) if isinstance(value, str) else value
            if not (type(start) is int and type(end) is int and 0 <= start <= end):
                raise ValueError
            span = (start, end)
        except (TypeError, ValueError):
            row.wrong("span", "is no pair of offsets; expected [start, end] in characters of the article")
    texts = {name: row.optional(name) for name in _TEXT_FIELDS}
    if not row.good:
        return None
    extra = {k: v for k, v in record.items() if k not in _KNOWN}
    return Statement(id=id_, actor=actor, text=text, channel=channel, date=date, attribution=attribution, span=span, extra=extra, **texts)


def read_statements(
    source: str | Path | Iterable[str | Path], *, on_error: str = "stop", problems: list[Problem] | None = None
) -> list[Statement]:
    """Read statements from .jsonl, .csv or .parquet files; "-" is JSON Lines on standard input.

    Args:
        source: One path or several; ids must be unique over all of them.
        on_error: "stop" raises all problems of all files together, "skip" keeps the good records.
        problems: With "skip", receives what was skipped; without it, problems are logged.

    Raises:
        InputError: Something is wrong and `on_error` is "stop".
    """
    paths = [source] if isinstance(source, str | Path) else list(source)
    found: list[Problem] = []
    statements: list[Statement] = []
    seen: dict[str, str] = {}
    for path in paths:
        for line, record in read_records(path, found):
            statement = _statement(_Record(str(path), line, record, found))
            if statement is None:
                continue
            if statement.id in seen:
                found.append(
                    Problem(str(path), line, "id", f"{statement.id!r} was used before at {seen[statement.id]}; ids must be unique")
                )
                continue
            seen[statement.id] = f"{path}:{line}"
            statements.append(statement)
    _settle(found, on_error, problems)
    return statements


_NO_LABEL = "is missing; expected the relation of the pair, e.g. entailment, neutral or contradiction"


def iter_pairs(
    path: str | Path, *, on_error: str = "stop", problems: list[Problem] | None = None
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Read pairs to score, as `read_pairs` does, one by one: what is wrong is raised or handed over after the last.

    Yields:
        The (premise, hypothesis) texts and the whole record.

    Raises:
        InputError: Something is wrong and `on_error` is "stop".
    """
    found: list[Problem] = []
    for line, record in read_records(path, found):
        row = _Record(str(path), line, record, found)
        pair = row.required("premise"), row.required("hypothesis")
        if row.good:
            yield pair, record
    _settle(found, on_error, problems)


def read_pairs(
    path: str | Path, *, on_error: str = "stop", problems: list[Problem] | None = None
) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
    """Read pairs to score: `premise` and `hypothesis` are required, every column is kept.

    Returns:
        The (premise, hypothesis) texts and, in the same order, the whole records.

    Raises:
        InputError: Something is wrong and `on_error` is "stop".
    """
    rows = list(iter_pairs(path, on_error=on_error, problems=problems))
    return [pair for pair, _ in rows], [record for _, record in rows]


def read_labelled_pairs(path: str | Path, *, on_error: str = "stop", problems: list[Problem] | None = None) -> list[LabelledPair]:
    """Read labelled pairs: `premise`, `hypothesis`, `label`, optional `id`; other columns go to `extra`.

    Records with two statements `a` and `b` that hold a `text` each, instead of premise and
    hypothesis, are read too: labelled statement pairs are kept that way.

    Raises:
        InputError: Something is wrong and `on_error` is "stop".
    """
    found: list[Problem] = []
    pairs = []
    for line, record in read_records(path, found):
        if "premise" not in record and isinstance(record.get("a"), dict) and isinstance(record.get("b"), dict):
            sides = {"premise": record["a"].get("text"), "hypothesis": record["b"].get("text")}
            flat = {k: v for k, v in (record | sides).items() if k not in ("a", "b")}
        else:
            flat = record
        row = _Record(str(path), line, flat, found)
        premise, hypothesis = row.required("premise"), row.required("hypothesis")
        label = flat.get("label")
        if not isinstance(label, str) or not label:
            row.wrong("label", _NO_LABEL)
            label = ""
        id_ = row.identifier(f"{line}")
        if row.good:
            extra = {k: v for k, v in flat.items() if k not in ("premise", "hypothesis", "label", "id")}
            pairs.append(LabelledPair(premise, hypothesis, label, id_, extra))
    _settle(found, on_error, problems)
    return pairs


def read_reviews(path: str | Path, *, on_error: str = "stop", problems: list[Problem] | None = None) -> list[Review]:
    """Read what people said of pairs: `a` and `b` with a `text` each, `label`, `reviewed`, optional `note`.

    A report page and a ledger write them; other columns go to `extra`.

    Raises:
        InputError: Something is wrong and `on_error` is "stop".
    """
    found: list[Problem] = []
    reviews = []
    for line, record in read_records(path, found):
        row = _Record(str(path), line, record, found)
        texts = [_side_text(row, side) for side in ("a", "b")]
        label = row.required("label")
        if label and label not in VERDICTS:
            row.wrong("label", f"is no verdict; expected one of {', '.join(VERDICTS)}")
        written = row.required("reviewed")
        note = row.optional("note") or ""
        when = dt.datetime.min
        try:
            if written:
                when = dt.datetime.fromisoformat(written)
                when = when.replace(tzinfo=when.tzinfo or dt.UTC).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            row.wrong("reviewed", "is no time; expected one such as 2024-05-01T09:30:00Z")
        if row.good:
            extra = {k: v for k, v in record.items() if k not in ("id", "label", "note", "reviewed")}
            reviews.append(Review(texts[0], texts[1], label, when, note, extra))
    _settle(found, on_error, problems)
    return reviews


def _side_text(row: _Record, side: str) -> str:
    value = row.record.get(side)
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str) or not text.strip():
        row.wrong(side, "is no statement; expected an object with a text")
        return ""
    return text


_ARTICLE_KEYS: dict[str, tuple[str, ...]] = {
    "id": ("id", "guid", "uuid"),
    "text": ("text", "body", "content", "maintext", "articleBody", "article_body", "article"),
    "title": ("title", "headline"),
    "date": (
        "date",
        "published",
        "published_at",
        "publishedAt",
        "publication_date",
        "pub_date",
        "pubDate",
        "date_published",
        "datePublished",
        "date_publish",
    ),
    "outlet": ("outlet", "publisher", "publication", "newspaper", "site_name", "sitename", "source_name", "source"),
    "url": ("url", "link", "canonical_url", "canonical_link", "source_url"),
}
"""Keys under which articles carry their fields; the first that has a value counts."""


def _article_of(record: Mapping[str, Any], path: str, line: int | None, name: str, problems: list[Problem]) -> Article | None:
    """An article from a JSON object; what is wrong with it is filed."""
    before = len(problems)
    values: dict[str, str | None] = {}
    for field, keys in _ARTICLE_KEYS.items():
        key = next((k for k in keys if record.get(k) not in (None, "", [])), None)
        value = record.get(key) if key is not None else None
        if isinstance(value, Mapping):
            value = value.get("name")  # schema.org: {"@type": "Organization", "name": ...}
        if isinstance(value, list) and field == "text" and all(isinstance(part, str) for part in value):
            value = "\n\n".join(value)
        if isinstance(value, int) and field in ("id", "date") and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            problems.append(Problem(path, line, key, f"is {type(value).__name__}; expected text"))
            value = None
        values[field] = value
    if not (values["text"] or "").strip():
        known = ", ".join(_ARTICLE_KEYS["text"])
        if len(problems) == before:
            problems.append(Problem(path, line, "text", f"is missing; an article has its text under one of: {known}"))
        return None
    date = None
    if values["date"] is not None:
        try:
            date = DateRange.parse(values["date"][:10] if len(values["date"]) > 10 and values["date"][10] in "T " else values["date"])
        except ValueError as error:
            problems.append(Problem(path, line, "date", f"{error}; expected YYYY-MM-DD, with or without a time"))
    if len(problems) > before:
        return None
    return Article(values["id"] or name, values["text"] or "", date, values["outlet"], values["url"], values["title"])


def _json_articles(path: str, name: str, data: bytes, problems: list[Problem]) -> Iterator[Article]:
    text = _decode(path, data, problems)
    try:
        value = json.loads(text) if text else []
    except json.JSONDecodeError as error:
        problems.append(Problem(path, error.lineno, None, f"is not JSON ({error.msg}); expected an article, or a list of articles"))
        return
    except RecursionError:
        problems.append(Problem(path, None, None, "is nested too deeply; expected an article, or a list of articles"))
        return
    if isinstance(value, dict) and isinstance(value.get("articles"), list):
        value = value["articles"]
    for number, record in enumerate(value if isinstance(value, list) else [value], start=1):
        if not isinstance(record, dict):
            problems.append(Problem(path, None, str(number), f"is {type(record).__name__}; expected an object with a text"))
            continue
        own = name if not isinstance(value, list) else f"{name}#{number}"
        article = _article_of(record, path, None, own, problems)
        if article is not None:
            yield article


def _jsonl_articles(path: str, name: str, data: bytes, problems: list[Problem]) -> Iterator[Article]:
    for line, record in _json_lines(path, _decode(path, data, problems).split("\n"), problems):
        article = _article_of(record, path, line, f"{name}#{line}", problems)
        if article is not None:
            yield article


def _html_article(path: str, name: str, data: bytes, problems: list[Problem]) -> Iterator[Article]:
    try:
        import trafilatura
    except ImportError:
        raise MissingDependencyError("trafilatura", "articles", "reading HTML") from None
    page = trafilatura.bare_extraction(_guess_encoding(path, data, problems), with_metadata=True, include_comments=False)
    if page is not None and page.text:
        published = DateRange.parse(page.date) if page.date else None
        yield Article(name, page.text, published, outlet=page.sitename, url=page.url, title=page.title)


def _text_article(path: str, name: str, data: bytes, problems: list[Problem]) -> Iterator[Article]:
    yield Article(name, _guess_encoding(path, data, problems))


def _docx_article(path: str, name: str, data: bytes, problems: list[Problem]) -> Iterator[Article]:
    try:
        import docx
    except ImportError:
        raise MissingDependencyError("python-docx", "documents", "reading Word files") from None
    try:
        document = docx.Document(io.BytesIO(data))
    except Exception as error:  # the library lets errors of zipfile, lxml and its own through
        problems.append(Problem(path, None, None, f"is not a Word document ({type(error).__name__}); save it as .docx or .txt"))
        return
    blocks: list[str] = []
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            blocks += ["\t".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            blocks.append(block.text)
        blocks += _boxed_text(block._element)
    notes = [rel.target_part.blob for rel in document.part.rels.values() if rel.reltype.endswith(("/footnotes", "/endnotes"))]
    blocks += [text for note in notes for text in _note_text(note)]
    yield Article(name, "\n".join(blocks), title=document.core_properties.title or None)


_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def _boxed_text(element: Any) -> Iterator[str]:
    """Paragraphs in the text boxes of a Word element, each box once (old programs get a second copy as a fallback)."""
    for box in element.iter(f"{_W}txbxContent"):
        if not any(above.tag.endswith("}Fallback") for above in box.iterancestors()):
            yield from ("".join(t.text or "" for t in p.iter(f"{_W}t")) for p in box.iter(f"{_W}p"))


def _note_text(part: bytes) -> Iterator[str]:
    """Paragraphs of the footnotes or endnotes of a Word file, without its separator lines."""
    from docx.oxml import parse_xml

    for p in parse_xml(part).iter(f"{_W}p"):
        text = "".join(t.text or "" for t in p.iter(f"{_W}t"))
        if text.strip():
            yield text


def _pdf_article(path: str, name: str, data: bytes, problems: list[Problem]) -> Iterator[Article]:
    try:
        import pypdf
    except ImportError:
        raise MissingDependencyError("pypdf", "documents", "reading PDF") from None
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            problems.append(Problem(path, None, None, "is locked with a password; save it without one or as .txt"))
            return
        pages = [page.extract_text() for page in reader.pages]
        title = reader.metadata.title if reader.metadata else None
    except Exception as error:  # a broken file can raise almost anything out of the parser
        problems.append(Problem(path, None, None, f"is not a readable PDF ({type(error).__name__}); save it as .txt"))
        return
    if not any(page.strip() for page in pages):
        problems.append(Problem(path, None, None, "holds no text, as scanned pages do; run text recognition over it first"))
        return
    yield Article(name, _reflowed("\n".join(pages)), title=title or None)


def _reflowed(text: str) -> str:
    """Paragraphs of a text whose lines break where the page ended.

    A line goes on in the next one unless it is blank or both short (under 3/4 of the longest) and at the end of a
    sentence; a word cut by a hyphen is joined.
    """
    lines = [line.strip() for line in text.split("\n")]
    longest = max(map(len, lines), default=0)
    out = ""
    for line in lines:
        if not line:
            out = out.rstrip() + "\n\n"
        elif re.search(r"[a-z]-$", out) and line[:1].islower():
            out = out[:-1] + line
        else:
            out += (" " if out and not out.endswith("\n") else "") + line
        if 0 < len(line) < 0.75 * longest and re.search(r"[.!?][\"”'’)]*$", line):
            out += "\n"
    return out.strip()


ARTICLE_SUFFIXES: dict[str, Callable[[str, str, bytes, list[Problem]], Iterator[Article]]] = {
    ".txt": _text_article,
    ".md": _text_article,
    ".html": _html_article,
    ".htm": _html_article,
    ".json": _json_articles,
    ".jsonl": _jsonl_articles,
    ".ndjson": _jsonl_articles,
    ".docx": _docx_article,
    ".pdf": _pdf_article,
}
"""Article readers by suffix: (path, default id, bytes of the file, problems) -> articles."""


def holds_articles(path: str | Path) -> bool:
    """Whether a file holds articles: by its suffix, and JSON Lines by its first record, which names an actor if it is a statement."""
    suffix = Path(path).suffix.lower()
    if suffix not in READERS:
        return suffix in ARTICLE_SUFFIXES
    if suffix not in ARTICLE_SUFFIXES:
        return False
    ignored: list[Problem] = []
    try:
        with Path(path).open("rb") as file:
            first = next((line for line in file if line.strip()), b"")
    except OSError:
        return False
    record = next(iter(_json_lines(str(path), [first.decode("utf-8-sig", "replace")], ignored)), (0, {}))[1]
    return "actor" not in record and any(record.get(key) for key in _ARTICLE_KEYS["text"])


def iter_articles(paths: Iterable[str | Path], problems: list[Problem], *, date: DateRange | None = None) -> Iterator[Article]:
    """Read articles one after the other, so that memory holds one file at a time; what is wrong is filed in `problems`.

    Args:
        paths: Files; their suffixes choose the reader.
        problems: Receives what is wrong with a file or record; the others are read all the same.
        date: Day of publication of all of them, stronger than what a file says of itself.

    Raises:
        MissingDependencyError: A format needs a package that is not installed.
    """
    names = [str(p) for p in paths]
    same_name = Counter(Path(p).name for p in names)
    seen: dict[str, str] = {}
    for path in names:
        reader = ARTICLE_SUFFIXES.get(Path(path).suffix.lower())
        if reader is None:
            problems.append(Problem(path, None, None, f"has an unknown suffix; articles are {', '.join(ARTICLE_SUFFIXES)}"))
            continue
        before, count = len(problems), 0
        data = _read_bytes(path, problems)
        name = Path(path).name
        for article in reader(path, name if same_name[name] == 1 else path, data, problems) if len(problems) == before else ():
            if not article.text.strip():
                continue
            count += 1
            if article.id in seen:
                problems.append(Problem(path, None, "id", f"{article.id!r} was used before in {seen[article.id]}; ids must be unique"))
                continue
            seen[article.id] = path
            yield replace(article, date=date or article.date)
        if not count and len(problems) == before:
            problems.append(Problem(path, None, None, "holds no article text; save the page with its text or as .txt"))


def article_source(
    paths: Iterable[str | Path], problems: list[Problem], *, date: DateRange | None = None
) -> Callable[[], Iterator[Article]]:
    """What reads the files anew each time it is called, for `extract_corpus`; problems are filed the first time only."""
    names, sinks = [str(p) for p in paths], iter([problems])
    return lambda: iter_articles(names, next(sinks, []), date=date)


def read_articles(
    source: str | Path | Iterable[str | Path],
    *,
    date: DateRange | None = None,
    on_error: str = "stop",
    problems: list[Problem] | None = None,
) -> list[Article]:
    """Read articles from .txt, .md, .html, .json, .jsonl, .docx or .pdf files.

    Args:
        source: One path or several. The file name is the id of an article that has none; of files with the same
            name the whole path is.
        date: Day of publication of all of them, stronger than what a file says of itself.
        on_error: "stop" raises all problems together, "skip" keeps the good articles.
        problems: With "skip", receives what was skipped.

    Raises:
        InputError: Something is wrong and `on_error` is "stop".
        MissingDependencyError: A format needs a package that is not installed.
    """
    found: list[Problem] = []
    articles = list(iter_articles([source] if isinstance(source, str | Path) else source, found, date=date))
    _settle(found, on_error, problems)
    return articles
