"""A report -> one self-contained page: read, filter, review and print it without a network.

What people said goes into the page as JSON only and is put in place by the page's script as text nodes; a
content security policy lets no other script, style, image or connection in.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import IO, TYPE_CHECKING, Any

import contradict
from contradict.reports import graded
from contradict.schema import VERDICTS, Finding, Review, Statement, pair_key

if TYPE_CHECKING:
    from jinja2 import Environment

    from contradict.reports import Report

__all__ = ["FLOOR", "render_page", "write_html"]

FLOOR = 0.1
"""Probability below which a scored pair is not in the page, unless the report's threshold is lower still."""


def write_html(report: Report, file: IO[bytes]) -> None:
    """Write a report as one page of HTML.

    The page holds every pair that would be a finding at `FLOOR`, or at the floor of the report where that is higher,
    dismissed ones and those that a gate holds back included, so that its reader can move the threshold; it opens at
    the threshold of the report.
    """
    floor = min(max(FLOOR, report.floor), report.threshold)
    everything = replace(report, config=replace(report.config, show_dismissed=True, show_held=True)).rethreshold(floor)
    data = _data(everything, report.threshold, floor)
    page = render_page(
        "report",
        summary=report.summary(),
        data=data,
        floor=floor,
        calibrated=report.calibrated,
        models=report.models,
        settings=json.dumps(report.config.to_record(), sort_keys=True),
    )
    file.write(page.encode("utf-8", errors="replace"))


def render_page(name: str, *, data: Mapping[str, Any] | None = None, **values: Any) -> str:
    """A page of `templates`, its style and script inlined and allowed by hash.

    Args:
        name: Name of the template, and of its script where there is one.
        data: What the script reads, put into the page as JSON.
        **values: What the template shows; all of it is escaped.
    """
    from markupsafe import Markup

    folder = resources.files("contradict") / "templates"
    css = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / f"{name}.js").read_text(encoding="utf-8") if data is not None else None
    allowed = ["default-src 'none'", f"style-src {_hash(css)}", "base-uri 'none'", "form-action 'none'"]
    if script is not None:
        allowed.insert(1, f"script-src {_hash(script)}")
    return _templates().get_template(f"{name}.html.j2").render(
        policy=Markup("; ".join(allowed)),  # noqa: S704 - hashes only
        css=Markup(css),  # noqa: S704 - a file of this package
        script=None if script is None else Markup(script),  # noqa: S704 - a file of this package
        data=None if data is None else Markup(_inert(data)),  # noqa: S704 - see _inert
        version=contradict.__version__,
        **values,
    )  # fmt: skip


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(loader=PackageLoader("contradict"), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(data: Mapping[str, Any]) -> str:
    """JSON in which no text can end the element it stands in or open another."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _data(report: Report, threshold: float, floor: float) -> dict[str, Any]:
    """Statements once, and findings that index them; the id names what is held, so that reviews meet the same pairs again."""
    statements: dict[str, int] = {}
    records: list[dict[str, Any]] = []
    for finding in report.findings:
        for s in (finding.a, finding.b):
            if s.id not in statements:
                statements[s.id] = len(records)
                records.append(_statement(s))
    # Cards show rounded probabilities; the slider must decide as the report does, which does not round.
    ids = [s.id for s in report.statements]
    exact = {(ids[i], ids[j]): float(p) for (i, j), p in zip(report.pairs, report.probability, strict=True)}
    found = [graded(report, f) | _placed(f, statements, report.reviews) | {"exact": exact[f.a.id, f.b.id]} for f in report.findings]
    model = report.models.get("model", {})
    content = {
        "statements": records,
        "findings": found,
        "threshold": threshold,
        "floor": floor,
        "verdicts": VERDICTS,
        "model": model.get("sha256"),
    }
    pairs = [(f["key"], f["probability"]) for f in found]
    return {"id": hashlib.sha256(json.dumps([model.get("sha256"), pairs]).encode()).hexdigest(), **content}


def _statement(s: Statement) -> dict[str, Any]:
    """What a card shows of a statement; columns that this package does not know stay out of the page."""
    record = replace(s, extra={}).to_record()
    if s.claim != s.text:
        record["claim"] = s.claim
    if s.date is not None:
        record |= {end: day.isoformat() for end, day in (("start", s.date.start), ("end", s.date.end)) if day is not None}
    return record


def _placed(f: Finding, statements: Mapping[str, int], reviews: Mapping[str, Review]) -> dict[str, Any]:
    """What the page keeps of a finding beside its record: its key, where its statements stand, what was said of it."""
    key = pair_key(f.a.text, f.b.text)
    record: dict[str, Any] = {"key": key, "a": statements[f.a.id], "b": statements[f.b.id]}
    if review := reviews.get(key):
        record["review"] = {"label": review.label, "note": review.note, "reviewed": review.reviewed.isoformat(timespec="milliseconds")}
    return record
