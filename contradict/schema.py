"""The nouns: what is read, what is paired, what is found.

Small frozen classes for what people look at, numpy columns for what grows with the square of the
number of statements. This module imports numpy and the standard library only.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CHANNELS",
    "CONFLICTS",
    "EFFECTS",
    "NLI_LABELS",
    "RELATIONS",
    "VERDICTS",
    "Article",
    "CandidatePairs",
    "DateRange",
    "Finding",
    "LabelledPair",
    "Offsets",
    "Reason",
    "Review",
    "Scores",
    "Statement",
    "pair_key",
]

CHANNELS = ("public", "private", "unknown")
NLI_LABELS = ("entailment", "neutral", "contradiction")
RELATIONS = ("entailment", "neutral", "contradiction", "tension", "unrelated")
"""What the cross-encoder tells apart. `tension`: not strictly incompatible, but an editor would ask
the actor about the two. `unrelated`: another question. A plain NLI model knows the first three."""
VERDICTS = ("contradiction", "tension", "change", "compatible", "unrelated", "insufficient")
CONFLICTS = ("contradiction", "tension", "change")
"""The verdicts that a report lists as findings."""
EFFECTS = ("gate", "relabel", "note")
"""What a reason does to a pair that the score flags: holds it back, names its verdict, or only stands beside it."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


@dataclass(frozen=True, slots=True, order=True)
class DateRange:
    """A date with the precision that is known: a closed interval of days, open ends allowed.

    Attributes:
        start: First possible day; None when there is no lower bound.
        end: Last possible day; None when there is no upper bound.

    Example:
        >>> str(DateRange.parse("2022-09/2022-11"))
        '2022-09/2022-11'
        >>> DateRange.parse("2023-12").end
        datetime.date(2023, 12, 31)
    """

    start: dt.date | None
    end: dt.date | None

    @classmethod
    def parse(cls, text: str) -> DateRange:
        """Read YYYY, YYYY-MM, YYYY-MM-DD or an interval A/B of these; ".." is an open end (as in EDTF).

        Raises:
            ValueError: The text has another form, names a day that does not exist, or ends before it starts.
        """
        parts = text.strip().split("/")
        if len(parts) > 2:
            raise ValueError(f"{text!r} has more than one '/'")
        (first, last) = (parts[0], parts[-1])
        start = None if first.strip() == ".." else _bounds(first)[0]
        end = None if last.strip() == ".." else _bounds(last)[1]
        if start is None and end is None:
            raise ValueError(f"{text!r} has no end that is known")
        if start is not None and end is not None and end < start:
            raise ValueError(f"{text!r} ends before it starts")
        return cls(start, end)

    def __str__(self) -> str:
        # The coarsest of year, month and day that both ends fit, so that "2023-09/2023-12" stays as it is.
        days = (self.start, self.end)
        for length in (4, 7, 10):
            ends = [".." if day is None else day.isoformat()[:length] for day in days]
            if all(day is None or _bounds(text)[i] == day for i, (day, text) in enumerate(zip(days, ends, strict=True))):
                break
        return ends[0] if ends[0] == ends[1] else "/".join(ends)

    def gap_days(self, other: DateRange) -> int:
        """Days between the two intervals, 0 when they can overlap."""
        if self.end is not None and other.start is not None and other.start > self.end:
            return (other.start - self.end).days
        if other.end is not None and self.start is not None and self.start > other.end:
            return (self.start - other.end).days
        return 0


def _bounds(text: str) -> tuple[dt.date, dt.date]:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not YYYY, YYYY-MM or YYYY-MM-DD")
    year, month, day = (int(g) if g else None for g in match.groups())
    assert year is not None
    try:
        if month is None:
            return dt.date(year, 1, 1), dt.date(year, 12, 31)
        if day is None:
            return dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1])
        return (dt.date(year, month, day),) * 2
    except (ValueError, calendar.IllegalMonthError):
        raise ValueError(f"{text!r} is no date of the calendar") from None


@dataclass(frozen=True, slots=True)
class Article:
    """A text by an outlet in which actors are quoted.

    Attributes:
        id: Name that statements refer to as their `source`.
        text: The raw text; spans are offsets into it.
        date: Day of publication: the anchor for "Thursday" and "last fall".
        outlet: Who published it.
        url: Where it can be found.
        title: Its headline, if known apart from the text.
    """

    id: str
    text: str
    date: DateRange | None = None
    outlet: str | None = None
    url: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What one actor said, as it stands in a source.

    Attributes:
        id: Unique within a scan.
        actor: Canonical name of who holds or said it. An outlet that reports it is never the actor.
        text: Verbatim text.
        channel: "public", "private" or "unknown".
        date: When it was said, with the precision that is known.
        venue: Where or to whom ("news conference", "call with donors").
        attribution: Who reported it, from the outside in ("The New York Times", "two former officials").
        source: Article or document it was taken from.
        url: Link to the source.
        span: Start and end of `text` in the article, in characters.
        speaker: The actor as written ("he", "the Russian president").
        proposition: Standalone sentence for the NLI model; `text` serves when it is missing.
        condition: Condition attached to it ("until Russia's goals are achieved").
        hedge: Words that weaken it ("may", "reportedly").
        channel_evidence: Words of the source that tell the channel.
        sentence: The sentence around `text`, as printed.
        extra: Columns this package does not know, carried through unchanged.
    """

    id: str
    actor: str
    text: str
    channel: str = "unknown"
    date: DateRange | None = None
    venue: str | None = None
    attribution: tuple[str, ...] = ()
    source: str | None = None
    url: str | None = None
    span: tuple[int, int] | None = None
    speaker: str | None = None
    proposition: str | None = None
    condition: str | None = None
    hedge: str | None = None
    channel_evidence: str | None = None
    sentence: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def claim(self) -> str:
        """The sentence that is embedded and scored."""
        return self.proposition or self.text

    def to_record(self) -> dict[str, Any]:
        """A JSON-ready record; fields without a value are left out, extra columns come last."""
        record: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "extra" or value is None or value == ():
                continue
            record[f.name] = str(value) if isinstance(value, DateRange) else list(value) if isinstance(value, tuple) else value
        return record | dict(self.extra)


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two texts with the relation a person gave them.

    Attributes:
        premise: First text.
        hypothesis: Second text.
        label: A relation or verdict; `evaluation.LABELS` lists the names that are known.
        id: Name of the pair.
        extra: Other columns; evaluation can slice by them.
    """

    premise: str
    hypothesis: str
    label: str
    id: str
    extra: Mapping[str, Any] = field(default_factory=dict)


def pair_key(a: str, b: str) -> str:
    """SHA-256 of two texts, whichever comes first: the name under which a person's word on the pair is kept.

    Example:
        >>> pair_key("It rains.", "It is dry.") == pair_key("It is dry.", "It rains.")
        True
    """
    return hashlib.sha256(json.dumps(sorted((a, b))).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Review:
    """What a person said of a pair.

    Attributes:
        a: Verbatim text of one statement.
        b: Verbatim text of the other.
        label: The verdict that the person gave, one of `VERDICTS`.
        reviewed: When, in UTC: of two reviews of one pair the later one holds.
        note: Why, in the person's words.
        extra: What else was known of the pair: both statements, the verdict and the probability that were shown.
    """

    a: str
    b: str
    label: str
    reviewed: dt.datetime
    note: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dismissed(self) -> bool:
        """Whether the pair is no conflict, and so stays away from findings."""
        return self.label not in CONFLICTS

    def to_record(self) -> dict[str, Any]:
        """A JSON-ready record that `read_reviews` and `read_labelled_pairs` read."""
        first, second = self.extra.get("a", {}), self.extra.get("b", {})
        record = {"id": pair_key(self.a, self.b), "premise": self.a, "hypothesis": self.b}
        record |= {"label": self.label, "note": self.note, "reviewed": self.reviewed.isoformat(timespec="milliseconds")}
        return record | dict(self.extra) | {"a": dict(first) | {"text": self.a}, "b": dict(second) | {"text": self.b}}


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """Pairs worth scoring, as columns of equal length n.

    Attributes:
        left: i64[n], index of the earlier statement of each pair.
        right: i64[n], index of the later one.
        rule: u8[n], index into `rules`: the first rule that made the pair.
        rules: Names of the rules in their order.
        similarity: f32[n], cosine of the two claims; NaN where nothing was embedded.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    rule: npt.NDArray[np.uint8]
    rules: tuple[str, ...]
    similarity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.left.tolist(), self.right.tolist(), strict=True)

    def take(self, rows: npt.NDArray[Any]) -> CandidatePairs:
        """The pairs at the given rows (indices or a mask)."""
        return CandidatePairs(self.left[rows], self.right[rows], self.rule[rows], self.rules, self.similarity[rows])


@dataclass(frozen=True, slots=True)
class Scores:
    """What the cross-encoder says of n pairs.

    Attributes:
        relations: f32[n, 2, 5], probabilities over `RELATIONS` for (pair, direction); direction 0 reads
            left as the premise, 1 reads right as the premise. Columns of relations that the model does not
            know are 0. Direction 1 is NaN where only one direction was scored.
        labels: The relations that the model knows.
        truncated: bool[n], whether the model's length limit cut the pair.
        evidence: Row of a pair that was too long to be read whole -> the sentences of its left and right text that
            decided: the pair has the scores of the two sentences that conflict most.
    """

    relations: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    truncated: npt.NDArray[np.bool_]
    evidence: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.relations)

    @property
    def nli(self) -> npt.NDArray[np.float32]:
        """f32[n, 2, 3], the plain three-way view: what the model holds if it is not a tension.

        `unrelated` is neutral in the sense of NLI; `tension`, which NLI does not know, is left out and
        the rest brought to a sum of 1.
        """
        r = self.relations
        view = np.stack([r[..., 0], r[..., 1] + r[..., 4], r[..., 2]], axis=-1)
        total: npt.NDArray[np.float32] = view / np.maximum(view.sum(-1, keepdims=True), np.float32(1e-9))
        return total

    def conflict(self) -> npt.NDArray[np.float32]:
        """f32[n], raw probability of contradiction or tension, the mean over the directions scored."""
        both = self.relations[..., 2] + self.relations[..., 3]
        mean: npt.NDArray[np.float32] = np.nanmean(both, axis=1)
        return mean

    def mean(self) -> npt.NDArray[np.float32]:
        """f32[n, 5], mean over the directions scored."""
        mean: npt.NDArray[np.float32] = np.nanmean(self.relations, axis=1)
        return mean


Offsets = tuple[tuple[int, int], ...]
"""Offsets (start, end) in a claim."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A feature of a pair that speaks for a finding or against it.

    Attributes:
        name: One of `verdicts.REASONS`, where its meaning is told.
        effect: What it did to this pair, one of `EFFECTS`.
        detail: What was seen, in words.
        spans: Side that it concerns ("a", "b") -> the words in that side's claim; empty where no words of the claim carry it.
    """

    name: str
    effect: str
    detail: str
    spans: Mapping[str, Offsets] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"

    def to_record(self) -> dict[str, Any]:
        """A JSON-ready record."""
        spans = {side: [list(span) for span in found] for side, found in self.spans.items()}
        return {"name": self.name, "effect": self.effect, "detail": self.detail, "spans": spans}


@dataclass(frozen=True, slots=True)
class Finding:
    """A pair that somebody should look at.

    Attributes:
        verdict: One of `VERDICTS`.
        probability: Calibrated probability that the pair is a contradiction or a tension.
        similarity: Cosine of the two claims; None where nothing was embedded.
        rule: Name of the pairing rule that made the pair.
        scores: "forward" and "reverse": relation -> probability.
        reasons: Named features that speak for or against, those that changed the verdict first.
        innocent_reading: The strongest reading under which both statements hold, one sentence.
        a: The earlier statement.
        b: The later statement.
        deciding_words: Offsets (start, end) in the claims of "a" and "b" of the words that decide the score; None where
            they were not asked for.
        evidence: The sentences of a and b that decided, where the two were too long to be read whole.
    """

    verdict: str
    probability: float
    similarity: float | None
    rule: str
    scores: Mapping[str, Mapping[str, float]]
    reasons: tuple[Reason, ...]
    innocent_reading: str
    a: Statement
    b: Statement
    deciding_words: Mapping[str, Offsets] | None = None
    evidence: tuple[str, str] | None = None

    def to_record(self) -> dict[str, Any]:
        """A JSON-ready record in the documented order of fields."""
        decided = {} if self.evidence is None else {"evidence": list(self.evidence)}
        return {
            "verdict": self.verdict,
            "probability": self.probability,
            "similarity": self.similarity,
            "rule": self.rule,
            "scores": {direction: dict(values) for direction, values in self.scores.items()},
            "reasons": [reason.to_record() for reason in self.reasons],
            "innocent_reading": self.innocent_reading,
            "deciding_words": self.deciding_words and {side: [list(span) for span in spans] for side, spans in self.deciding_words.items()},
            **decided,
            "a": self.a.to_record(),
            "b": self.b.to_record(),
        }
