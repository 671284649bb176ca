"""Scores, dates, channels, conditions -> a typed verdict with its reasons.

The verdict starts from the calibrated probability of conflict. Named features then hold a pair back, re-label it or
stand beside it; each is a `Reason` with the words that carry it, and none drops a pair unseen. "change" is a conflict
between two times, not a lie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contradict.schema import CONFLICTS, RELATIONS, VERDICTS, CandidatePairs, Finding, Offsets, Reason, Scores, Statement

__all__ = ["REASONS", "VOCABULARIES", "Feature", "classify", "flip_o_meter", "gate", "innocent_reading", "judge", "reasons"]


class Feature(NamedTuple):
    """What a reason's name stands for.

    Attributes:
        effect: The most that it does, one of `EFFECTS`; "gate" and "relabel" change a verdict.
        says: When it holds.
    """

    effect: str
    says: str


REASONS: Mapping[str, Feature] = MappingProxyType(
    {
        "equal_wording": Feature("gate", "the two claims differ in case and punctuation only: `compatible`"),
        "too_short": Feature("gate", "a claim has fewer than three words: `insufficient`"),
        "dates_apart": Feature("relabel", "the two dates cannot overlap; more than `--change-days` apart, a conflict is a `change`"),
        "dates_overlap": Feature("note", "the two can be of the same time"),
        "date_unknown": Feature("note", "a side has no date"),
        "channels": Feature("note", "one side was said in private, the other in public"),
        "channel_unknown": Feature("note", "where a side was said is not known"),
        "condition": Feature("note", "only one side is bound to a condition"),
        "hedge": Feature("note", "only one side is hedged"),
        "negation": Feature("note", "only one side is negated"),
        "modality": Feature("note", "only one side says what ought to be"),
        "quantifier": Feature("note", "only one side says how many or how much in words"),
        "question": Feature("note", "only one side is a question"),
        "others_view": Feature("note", "only one side may tell what somebody else thinks"),
        "numbers": Feature("note", "both sides hold numbers, and they differ"),
        "units": Feature("note", "both sides hold numbers, and they count different things"),
        "times": Feature("note", "both sides name days, months, seasons or years, and none in common"),
        "reported": Feature("note", "a side is known through somebody else"),
        "directions_disagree": Feature("note", "the model sees the conflict from one side only"),
        "sentences": Feature("note", "the texts are too long to be read whole; the two sentences that conflict most decided"),
        "truncated": Feature("note", "a sentence is longer than the model reads"),
        "uncalibrated": Feature("note", "the model has no calibration.json, so the probability is its raw score"),
    }
)
"""Every reason that a finding can carry, in the order in which findings list them."""

_CODE = {name: i for i, name in enumerate(VERDICTS)}
_FEWEST_WORDS = 3
_NUMBER = re.compile(r"(?<![\w.,])(\d+(?:[.,]\d+)*)(?!\w)(?:[\s-]+(?:million|billion|thousand|more|new|other|%))*[\s-]*(%|[A-Za-z]+)?")
_NEGATION = re.compile(r"\b(?:no|not|never|none|nobody|nothing|nor|neither|without|cannot|\w+n['’]t)\b", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(?:until|unless|if|only if|only when|provided|providing|on condition that|as long as|so long as|in exchange for|in return for)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:(?-i:may)|might|could|perhaps|possibly|probably|likely|reportedly|apparently|seems?|appears?|suggests?|considering|open to"
    r"|not ruled out)\b",
    re.IGNORECASE,
)
_MODAL = re.compile(r"\b(?:must|should|ought|need(?:s|ed)? to|ha(?:s|ve|d) to|supposed to)\b", re.IGNORECASE)
_QUANTIFIER = re.compile(
    r"\b(?:all|every|each|most|many|several|some|few|half|a (?:majority|minority)|only|at least|at most|up to|(?:more|fewer|less) than)\b",
    re.IGNORECASE,
)
_OTHERS_VIEW = re.compile(
    r"\b(?:critics?|opponents?|rivals?|they|people|some|others|the (?:press|papers?|media|opposition|rumou?rs?)) "
    r"(?:say|says|said|claim|claims|claimed|think|thinks|thought|believe|believes|believed|accuse|accuses|accused|argue|argues|argued)\b"
    r"|\b(?:rumou?rs? that|so-called|quoted?|in the words of)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|January|February|March|April|May|June|July|August|September|October|November|December"
    r"|spring|summer|autumn|winter|(?:1[89]|20)\d\d)\b"
)
_QUESTION = re.compile(r"\?[\"'”’)\]]*\s*$")
_PUNCTUATION = re.compile(r"[.,;:!?…'\"“”‘’«»()\[\]–—-](?!\d)")
_DISAGREE = 0.5  # difference of the two directions' conflict scores worth telling
_HELD = {"equal_wording": "compatible", "too_short": "insufficient"}


def _wording(text: str) -> str:
    """A text without case and punctuation; marks before a digit stay, as they are part of the number."""
    return " ".join(_PUNCTUATION.sub("", text.casefold()).split())


def gate(a: str, b: str) -> Reason | None:
    """What holds a pair back from being flagged, whatever the model says of it.

    Other features were measured as gates and are none: among written pairs that have them conflicts are about as
    frequent as among all (`benchmarks/features.py`).

    Args:
        a: One claim.
        b: The other.

    Returns:
        The reason, or None for a pair on which the score decides.
    """
    short = {side: () for side, text in (("a", a), ("b", b)) if _is_short(text)}
    if short:
        return _reason("too_short", f"{' and '.join(short)} has fewer than {_FEWEST_WORDS} words", short, effect="gate")
    if _wording(a) == _wording(b):
        return _reason("equal_wording", "the two differ in case and punctuation only", {"a": (), "b": ()}, effect="gate")
    return None


def _is_short(text: str) -> bool:
    return len(text.split()) < _FEWEST_WORDS


def classify(
    texts: Sequence[tuple[str, str]], scores: Scores, probability: npt.NDArray[np.float64], *, threshold: float
) -> npt.NDArray[np.uint8]:
    """Verdicts of pairs of which only the texts are known.

    A pair at or above the threshold is a `contradiction` or a `tension`, whichever relation is more
    probable, unless `gate` holds it back. Below it, the pair is `unrelated` or `compatible`, or `insufficient` when the
    model could not read the whole of it. A text of fewer than three words is `insufficient` in any case.

    Args:
        texts: n pairs of texts.
        scores: Their scores.
        probability: f64[n], calibrated probability of conflict.
        threshold: Probability from which a pair is flagged.

    Returns:
        u8[n], index into `VERDICTS`.
    """
    mean = scores.mean()
    tension = mean[:, RELATIONS.index("tension")] > mean[:, RELATIONS.index("contradiction")]
    unrelated = mean.argmax(axis=1) == RELATIONS.index("unrelated")
    out = np.where(unrelated, _CODE["unrelated"], _CODE["compatible"])
    out = np.where(scores.truncated, _CODE["insufficient"], out)
    out = np.where(probability >= threshold, np.where(tension, _CODE["tension"], _CODE["contradiction"]), out)
    short = {text: _is_short(text) for pair in texts for text in pair}
    out[np.array([short[a] or short[b] for a, b in texts], dtype=bool)] = _CODE["insufficient"]
    for row in np.flatnonzero(probability >= threshold).tolist():
        if held := gate(*texts[row]):
            out[row] = _CODE[_HELD[held.name]]
    return out.astype(np.uint8)


def judge(
    statements: Sequence[Statement],
    pairs: CandidatePairs,
    scores: Scores,
    probability: npt.NDArray[np.float64],
    *,
    threshold: float,
    change_days: int,
) -> npt.NDArray[np.uint8]:
    """Verdicts of pairs of statements: those of `classify`, seen with dates.

    A conflict with more than `change_days` between the two dates is a `change`.

    Args:
        statements: What the pairs index.
        pairs: n pairs.
        scores: Their scores.
        probability: f64[n], calibrated probability of conflict.
        threshold: Probability from which a pair is flagged.
        change_days: Days between two dates from which a conflict is a change.

    Returns:
        u8[n], index into `VERDICTS`.
    """
    out = classify([(statements[i].claim, statements[j].claim) for i, j in pairs], scores, probability, threshold=threshold)
    for row in np.flatnonzero(np.isin(out, [_CODE[verdict] for verdict in CONFLICTS])):
        a, b = statements[pairs.left[row]], statements[pairs.right[row]]
        if _gap_days(a, b) > change_days:
            out[row] = _CODE["change"]
    return out


def _gap_days(a: Statement, b: Statement) -> int:
    return 0 if a.date is None or b.date is None else a.date.gap_days(b.date)


def _reason(name: str, detail: str, spans: Mapping[str, Offsets] | None = None, *, effect: str = "note") -> Reason:
    return Reason(name, effect, detail, spans or {})


class _OneSide(NamedTuple):
    """A feature that one side carries and the other lacks: which side, by which words, and where they stand in its claim."""

    side: str
    words: str
    offsets: Offsets

    @property
    def spans(self) -> dict[str, Offsets]:
        return {self.side: self.offsets}


def _only_one(pattern: re.Pattern[str], field: str | None, a: Statement, b: Statement) -> _OneSide | None:
    """The side that alone carries a feature, by its field or in its claim."""
    found = []
    for side, s in (("a", a), ("b", b)):
        offsets = tuple(match.span() for match in pattern.finditer(s.claim))
        value = getattr(s, field) if field else None
        if value:
            at = s.claim.find(value)
            found.append(_OneSide(side, value, ((at, at + len(value)),) if at >= 0 else offsets))
        elif offsets:
            found.append(_OneSide(side, s.claim[slice(*offsets[0])], offsets))
    return found[0] if len(found) == 1 else None


class _Number(NamedTuple):
    """A number as written, the word behind it (what it counts), and where it stands."""

    value: str
    unit: str
    offsets: tuple[int, int]


def _numbers(s: Statement) -> list[_Number]:
    return [_Number(match[1], (match[2] or "").lower(), match.span(1)) for match in _NUMBER.finditer(s.claim)]


def _listed(numbers: Sequence[_Number]) -> str:
    return ", ".join(sorted({number.value for number in numbers}))


def _other_numbers(first: Sequence[_Number], second: Sequence[_Number]) -> str | None:
    """The reason that two sides give by numbers that differ: "numbers" of one measure, "units" of two; None for none."""
    if not first or not second or {n.value for n in first} == {n.value for n in second}:
        return None
    return "numbers" if {n.unit for n in first} & {n.unit for n in second} else "units"


_ONE_SIDED = (
    ("condition", _CONDITION, "condition", "is bound to a condition"),
    ("hedge", _HEDGE, "hedge", "is hedged"),
    ("negation", _NEGATION, None, "is negated"),
    ("modality", _MODAL, None, "says what ought to be"),
    ("quantifier", _QUANTIFIER, None, "says how many or how much"),
    ("question", _QUESTION, None, "is a question"),
    ("others_view", _OTHERS_VIEW, None, "may tell what somebody else thinks"),
)


def reasons(
    a: Statement,
    b: Statement,
    relations: npt.NDArray[np.float32],
    *,
    verdict: str,
    truncated: bool,
    calibrated: bool,
    sentences: bool = False,
) -> tuple[Reason, ...]:
    """What speaks for a finding and what against it: the features of `REASONS` that hold, those that changed the verdict first.

    Args:
        a: The earlier statement.
        b: The later one.
        relations: f32[2, 5], the pair's scores; the second row is NaN when one direction was scored.
        verdict: The verdict.
        truncated: Whether the model could not read the whole pair.
        calibrated: Whether the probability comes from a fitted calibrator.
        sentences: Whether the scores are those of two sentences of texts that are too long to be read whole.
    """
    out = []
    if held := gate(a.claim, b.claim):
        out.append(held)
    if gap := _gap_days(a, b):
        later = "; a change of position rather than a double face" if verdict == "change" else ""
        out.append(_reason("dates_apart", f"the two are {gap} days apart{later}", effect="relabel" if later else "note"))
    elif a.date is None or b.date is None:
        out.append(_reason("date_unknown", "one side has no date, so a change of mind between the two cannot be told"))
    else:
        out.append(_reason("dates_overlap", "the two can be of the same time"))
    channels = {a.channel, b.channel}
    if channels == {"private", "public"}:
        out.append(_reason("channels", "one side was said in private, the other in public"))
    elif "unknown" in channels:
        out.append(_reason("channel_unknown", "where one side was said is not known"))
    for name, pattern, field, says in _ONE_SIDED:
        if one := _only_one(pattern, field, a, b):
            words = "" if name == "question" else f" ({one.words})"
            out.append(_reason(name, f"only {one.side} {says}{words}", one.spans))
    first, second = _numbers(a), _numbers(b)
    if differ := _other_numbers(first, second):
        detail = f"{_listed(first)} against {_listed(second)}" + ("; they may count different things" if differ == "units" else "")
        out.append(_reason(differ, detail, {"a": tuple(n.offsets for n in first), "b": tuple(n.offsets for n in second)}))
    times = [list(_TIME.finditer(s.claim)) for s in (a, b)]
    named = [{match.group() for match in found} for found in times]
    if all(named) and not named[0] & named[1]:
        detail = " against ".join(", ".join(dict.fromkeys(match.group() for match in found)) for found in times)
        out.append(_reason("times", detail, {side: tuple(m.span() for m in found) for side, found in zip("ab", times, strict=True)}))
    for side, s in (("a", a), ("b", b)):
        if s.attribution:
            out.append(_reason("reported", f"{side} is known through {' <- '.join(s.attribution)}", {side: ()}))
    conflict = relations[:, 2] + relations[:, 3]
    if not np.isnan(conflict[1]) and abs(float(conflict[0] - conflict[1])) > _DISAGREE:
        out.append(_reason("directions_disagree", "the model sees the conflict from one side only"))
    if sentences:
        out.append(_reason("sentences", "the texts are too long to be read whole; the two sentences that conflict most decided"))
    if truncated:
        out.append(_reason("truncated", "a sentence is longer than the model reads; its end was not scored"))
    if not calibrated:
        out.append(_reason("uncalibrated", "this model has no calibration.json, so the probability is its raw score"))
    return tuple(out)


def innocent_reading(a: Statement, b: Statement, *, verdict: str) -> str:
    """The strongest reading under which both statements of a finding hold, from what is known about them.

    The features are asked in the order in which editors accept them: another time, a condition, another measure,
    somebody else's view, a question, a hedge, a wish beside a fact, an indirect report.

    Args:
        a: The earlier statement.
        b: The later one.
        verdict: The verdict.

    Returns:
        One sentence.
    """
    gap = _gap_days(a, b)
    if _wording(a.claim) == _wording(b.claim):
        return "The two say the same in the same words."
    if gap and verdict == "change":
        return f"The two are {gap} days apart: the position may have changed in between, for reasons that were given."
    if one := _only_one(_CONDITION, "condition", a, b):
        return f"{one.side} is bound to a condition ({one.words}): where it is not met, or already met, the two may both hold."
    first, second = _numbers(a), _numbers(b)
    if _other_numbers(first, second) == "units":
        return f"The numbers may count different things: {_listed(first)} in a, {_listed(second)} in b."
    if one := _only_one(_OTHERS_VIEW, None, a, b):
        return f"{one.side} may tell what somebody else thinks ({one.words}), not the actor's own view."
    if one := _only_one(_QUESTION, None, a, b):
        return f"{one.side} asks and does not state: it commits the actor to nothing."
    if one := _only_one(_HEDGE, "hedge", a, b):
        return f"{one.side} is hedged ({one.words}): it leaves room for what the other says."
    if one := _only_one(_MODAL, None, a, b):
        return f"{one.side} says what ought to be ({one.words}), the other what is or will be."
    if one := _only_one(_QUANTIFIER, None, a, b):
        return f"{one.side} speaks of a part or a bound ({one.words}): the other may concern the rest."
    if gap:
        return f"The two are {gap} days apart: what happened in between may account for both."
    for side, s in (("a", a), ("b", b)):
        if s.attribution:
            return f"{side} is known only through {' <- '.join(s.attribution)}: it may have been said otherwise or in another sense."
    if a.date is None or b.date is None:
        return "One side has no date: the two may belong to different times."
    return "No date, condition, number or hedge sets the two apart; read both in their context."


def flip_o_meter(finding: Finding) -> str | None:
    """The grade that PolitiFact's Flip-O-Meter has for a finding.

    It grades how consistent somebody was over time, so a conflict has a grade only where the two dates cannot overlap:
    "Full Flop" for a contradiction and "Half Flip" for a tension, whether or not they are so far apart that the verdict
    is `change`. A conflict of one time, or of a time that is not known, is no flip in its sense and has None; so has what
    is `insufficient`. What is compatible is "No Flip".
    """
    if finding.verdict not in CONFLICTS:
        return "No Flip" if finding.verdict == "compatible" else None
    if not _gap_days(finding.a, finding.b):
        return None
    sums = {relation: sum(scores.get(relation, 0.0) for scores in finding.scores.values()) for relation in ("contradiction", "tension")}
    return "Half Flip" if sums["tension"] > sums["contradiction"] else "Full Flop"


VOCABULARIES: Mapping[str, Callable[[Finding], str | None]] = MappingProxyType({"flip-o-meter": flip_o_meter})
"""Grades of other scales by the name of the scale."""
