"""Date phrases of running text -> closed intervals of days.

"on Thursday", "last fall" and "since at least September" are read against the day of publication, "that year", "the
same year" and "the following spring" against the year last named in the sentence or paragraph. A phrase that needs a
year which neither supports gives nothing: no year is guessed. Spring is March to May, summer June to August, fall
September to November, winter December to February of the next year. Times of day and times that only an event fixes
("since the invasion") are not read.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .schema import DateRange

__all__ = ["DatePhrase", "find_dates"]

_MONTHS = {name: i for i, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)}
_WEEKDAYS = {name: i for i, name in enumerate(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])}
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_NUMBERS = {
    n: i for i, n in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 1)
} | {"a": 1, "an": 1}

_MONTH = (
    r"(?P<month>Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?|July?|Aug(?:ust|\.)?|Sept(?:ember|\.)?|Sep\.?"
    r"|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_BOUND = r"(?:(?P<bound>since|after|before|until|till|by|from)\s+(?:at\s+least\s+)?)?"
_YEAR = r"(?P<year>(?:1[89]|20)\d\d)"
_SEASON = r"(?P<season>spring|summer|autumn|fall|winter)"
_THAT = r"(?P<that>(?:that|the\s+same|that\s+same)\s+year)"
_LAST = r"(?P<lastyear>last\s+year)"
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(_NUMBERS)})"


def _pattern(body: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){_BOUND}(?:the\s+)?(?:(?:early|late|mid)[- ]+)?{body}(?!\w|-\w)", re.IGNORECASE)


# Order matters: the first pattern that matches at a place wins there.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("iso", re.compile(r"(?<![\d-])(?P<iso>\d{4}-\d{2}-\d{2})(?![\d-])")),
    ("day", _pattern(rf"{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+{_YEAR}|\s+(?:of\s+)?{_THAT})?")),
    ("day", _pattern(rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR}|\s+(?:of\s+)?{_THAT})?")),
    ("month", _pattern(rf"{_MONTH}(?:,?\s+(?:of\s+)?{_YEAR}|\s+(?:of\s+)?{_THAT}|\s+of\s+{_LAST})")),
    ("following", re.compile(
        rf"(?<!\w)the\s+(?:following|next)\s+(?:(?P<following>year|month)|{_SEASON}|{_MONTH})(?!\w)", re.IGNORECASE)),
    ("season", _pattern(rf"{_SEASON}\s+(?:of\s+)?(?:{_YEAR}|{_THAT}|{_LAST})")),
    ("season", _pattern(rf"{_LAST}\s+in\s+the\s+{_SEASON}")),
    ("season", re.compile(rf"(?<!\w)(?P<last>last|this\s+past|this)\s+{_SEASON}(?!\w)", re.IGNORECASE)),
    ("month", re.compile(rf"(?<!\w){_BOUND}(?P<last>last\s+){_MONTH}(?!\w)", re.IGNORECASE)),
    ("weekday", re.compile(
        rf"(?<!\w){_BOUND}(?P<last>last\s+)?(?P<weekday>(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)(?!\w)",
    )),
    ("ago", _pattern(rf"{_COUNT}\s+(?P<unit>day|week|month|year)s?\s+(?:ago|earlier\s+than\s+today)")),
    ("later", _pattern(rf"{_COUNT}\s+(?P<unit>hour|day|week|month|year)s?\s+later")),
    ("same", re.compile(
        r"(?<!\w)(?P<same>(?:at|around)\s+(?:that|the\s+same)\s+time|the\s+same\s+(?:day|week|month|session|meeting|time|call|speech)"
        r"|that\s+same\s+(?:day|week|month)|(?<=\w\s)then(?=[\s,.]*(?:that|$|[,.])))(?!\w)", re.IGNORECASE)),
    ("year", re.compile(rf"(?<!\w){_BOUND}{_THAT}(?!\w)", re.IGNORECASE)),
    ("period", re.compile(rf"(?<!\w){_BOUND}(?:earlier\s+)?(?P<which>last|this)\s+(?P<unit>week|month|year)(?!\w)", re.IGNORECASE)),
    ("today", re.compile(r"(?<![\w])(?P<today>[Tt]oday|[Tt]onight|[Yy]esterday|(?:this|This) (?:morning|afternoon|evening))(?!\w)")),
    ("year", re.compile(rf"(?<!\w)(?:(?P<bound>since|after|before|until|till|by|from)|in|during|of)\s+{_YEAR}(?![\w-])", re.IGNORECASE)),
    ("month", re.compile(
        rf"(?<!\w)(?:(?P<bound>since|after|before|until|till|by|from)(?:\s+at\s+least)?|in|during|of|late|early|mid)\s+"
        rf"(?:(?:late|early|mid)[- ]+)?{_MONTH}(?!\w|\s+\d|\s+of\s+that)",
        re.IGNORECASE)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatePhrase:
    """A date phrase and what it means.

    Attributes:
        start: First character of the phrase.
        end: Character after it.
        date: The interval it stands for.
        year: The year that the phrase names itself, None if it was worked out.
    """

    start: int
    end: int
    date: DateRange
    year: int | None = None


def find_dates(
    text: str, anchor: dt.date | None, *, before: Sequence[DatePhrase] = (), previous: DateRange | None = None
) -> list[DatePhrase]:
    """Read all date phrases of a text.

    Args:
        text: A sentence or part of one.
        anchor: Day of publication; without it "Thursday" and a month without a year give nothing.
        before: Phrases of the paragraph up to the text: what "that year" and "the following spring" go on from.
        previous: Date of what was told before, for "a week later" and "at that time".

    Returns:
        Phrases in text order, not overlapping.
    """
    found: list[DatePhrase] = []
    # First the phrases that name their year: the others may mean it.
    for own_year in (True, False):
        for kind, pattern in _PATTERNS:
            for match in pattern.finditer(text):
                if any(match.start() < f.end and f.start < match.end() for f in found):
                    continue
                groups = {k: v for k, v in match.groupdict().items() if v}
                if ("year" in groups) is not own_year or ("month" in groups and not groups["month"][0].isupper()):
                    continue
                named = [*(f for f in before if f.year), *(f for f in found if f.year and (f.end <= match.start() or "that" not in groups))]
                if kind == "following":
                    named = [f for f in named if f in before or f.end <= match.start()]
                date = _resolve(kind, groups, anchor, named[-1] if named else None, previous)
                if date is not None:
                    found.append(DatePhrase(match.start(), match.end(), date, int(groups["year"]) if "year" in groups else None))
        found.sort(key=lambda f: f.start)
    return found


def _resolve(
    kind: str, g: dict[str, str], anchor: dt.date | None, named: DatePhrase | None, previous: DateRange | None
) -> DateRange | None:
    try:
        date = _following(g, named) if kind == "following" else _interval(kind, g, anchor, named.year if named else None, previous)
    except (ValueError, OverflowError):
        return None  # "June 31", or a year out of the calendar
    if date is None or date.start is None or date.end is None:
        return date
    match g.get("bound", "").casefold():
        case "since" | "from":
            return DateRange(date.start, anchor if anchor is not None and anchor >= date.start else None)
        case "after":
            return DateRange(date.end, anchor if anchor is not None and anchor >= date.end else None)
        case "before":
            return DateRange(None, date.start - dt.timedelta(1))
        case "until" | "till" | "by":
            return DateRange(None, date.end)
    return date


def _interval(kind: str, g: dict[str, str], anchor: dt.date | None, year: int | None, previous: DateRange | None) -> DateRange | None:
    if kind == "iso":
        return DateRange.parse(g["iso"])
    named = int(g["year"]) if "year" in g else year if "that" in g else None
    if "that" in g and named is None:
        return None
    if kind == "year":
        return DateRange.parse(f"{named:04d}")
    if "lastyear" in g:
        if anchor is None:
            return None
        named = anchor.year - 1
    if kind in ("day", "month"):
        month = _MONTHS[g["month"][:3].casefold()]
        first, last = int(g.get("day", 1)), int(g.get("day", 0))
        chosen = named if named is not None else _year_for(month, first, anchor, year)
        if chosen is None:
            return None
        return DateRange(dt.date(chosen, month, first), dt.date(chosen, month, last or calendar.monthrange(chosen, month)[1]))
    if kind == "season":
        return _season(_SEASONS[g["season"].casefold()], named, anchor)
    if kind == "later":
        return _shifted(previous, g)
    if kind == "same":
        return _same(g["same"].casefold(), previous)
    if anchor is None:
        return None
    if kind == "weekday":
        back = (anchor.weekday() - _WEEKDAYS[g["weekday"][:3].casefold()]) % 7
        day = anchor - dt.timedelta(back or (7 if "last" in g else 0))
        return DateRange(day, day)
    if kind == "today":
        day = anchor - dt.timedelta(g["today"].casefold() == "yesterday")
        return DateRange(day, day)
    if kind == "ago":
        return _ago(anchor, _number(g["count"]), g["unit"].casefold())
    return _period(anchor, g["which"].casefold() == "last", g["unit"].casefold())


def _following(g: dict[str, str], named: DatePhrase | None) -> DateRange | None:
    """The first year, month or season that begins after the date last named."""
    if named is None or named.date.end is None:
        return None
    end = named.date.end
    if "season" in g:
        month = _SEASONS[g["season"].casefold()]
        return _season(month, end.year if (month, 1) > (end.month, end.day) else end.year + 1, None)
    if g.get("following", "").casefold() == "year":
        return DateRange.parse(f"{end.year + 1:04d}")
    month = _MONTHS[g["month"][:3].casefold()] if "month" in g else end.month % 12 + 1
    return DateRange.parse(f"{end.year if month > end.month else end.year + 1:04d}-{month:02d}")


def _year_for(month: int, day: int, anchor: dt.date | None, year: int | None) -> int | None:
    """The year of a month that is named without one: the year set by the context, else the last time it came round."""
    if year is not None:
        return year
    if anchor is None:
        return None
    return anchor.year if (month, day) <= (anchor.month, anchor.day) else anchor.year - 1


def _season(month: int, year: int | None, anchor: dt.date | None) -> DateRange | None:
    def of(y: int) -> DateRange:
        end_year, end_month = (y + 1, 2) if month == 12 else (y, month + 2)
        return DateRange(dt.date(y, month, 1), dt.date(end_year, end_month, calendar.monthrange(end_year, end_month)[1]))

    if year is not None:
        return of(year)
    if anchor is None:
        return None
    recent = next(r for r in (of(anchor.year), of(anchor.year - 1), of(anchor.year - 2)) if r.start is not None and r.start <= anchor)
    assert recent.start is not None
    assert recent.end is not None
    if (anchor - recent.end).days < 45:
        # "last fall" written in December can be either of two.
        return DateRange(of(recent.start.year - 1).start, min(recent.end, anchor))
    return recent


def _shifted(previous: DateRange | None, g: dict[str, str]) -> DateRange | None:
    if previous is None or previous.start is None or previous.end is None:
        return None
    unit = g["unit"].casefold()
    step = dt.timedelta({"hour": 0, "day": 1, "week": 7, "month": 30, "year": 365}[unit] * _number(g["count"]))
    slack = dt.timedelta({"hour": 0, "day": 0, "week": 3, "month": 15, "year": 180}[unit])
    return DateRange(previous.start + step - slack, previous.end + step + slack)


def _same(words: str, previous: DateRange | None) -> DateRange | None:
    if previous is None or previous.start is None or previous.end is None:
        return previous
    if words.endswith("week"):
        monday = previous.start - dt.timedelta(previous.start.weekday())
        return DateRange(monday, previous.end + dt.timedelta(6 - previous.end.weekday()))
    return previous


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word.casefold()]


def _ago(anchor: dt.date, count: int, unit: str) -> DateRange:
    if unit == "year":
        return DateRange.parse(f"{anchor.year - count:04d}")
    if unit == "month":
        months = anchor.year * 12 + anchor.month - 1 - count
        return DateRange.parse(f"{months // 12:04d}-{months % 12 + 1:02d}")
    day = anchor - dt.timedelta(count * (7 if unit == "week" else 1))
    slack = dt.timedelta(3 if unit == "week" else 0)
    return DateRange(day - slack, day + slack)


def _period(anchor: dt.date, last: bool, unit: str) -> DateRange:
    if unit == "week":
        monday = anchor - dt.timedelta(anchor.weekday() + (7 if last else 0))
        return DateRange(monday, monday + dt.timedelta(6) if last else anchor)
    if unit == "month":
        first = anchor.replace(day=1)
        before = first - dt.timedelta(1)
        return DateRange(before.replace(day=1), before) if last else DateRange(first, anchor)
    return DateRange.parse(f"{anchor.year - 1:04d}") if last else DateRange(dt.date(anchor.year, 1, 1), anchor)
