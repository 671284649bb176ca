"""Scores, dates, channels, conditions -> a typed verdict with its reasons.

The verdict starts from the calibrated probability of conflict. Named features may re-label a pair or
stand beside it as a reason; none drops a pair. "change" is a conflict between two times, not a lie.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from contradict.schema import RELATIONS, VERDICTS, CandidatePairs, Scores, Statement

__all__ = ["classify", "innocent_reading", "judge", "reasons"]

_CODE = {name: i for i, name in enumerate(VERDICTS)}
_FEWEST_WORDS = 3
_NUMBER = re.compile(r"(?<![\w.,])(\d+(?:[.,]\d+)*)(?!\w)(?:[\s-]+(?:million|billion|thousand|more|new|other|%))*[\s-]*(%|[A-Za-z]+)?")
_NEGATION = re.compile(r"\b(?:no|not|never|none|nobody|nothing|nor|neither|without|cannot|\w+n['’]t)\b", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(?:until|unless|if|only if|only when|provided|providing|on condition that|as long as|so long as|in exchange for|in return for)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:may|might|could|perhaps|possibly|probably|likely|reportedly|apparently|seems?|appears?|suggests?|considering|open to"
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
_DISAGREE = 0.5  # difference of the two directions' conflict scores worth telling


def classify(scores: Scores, probability: npt.NDArray[np.float64], *, threshold: float) -> npt.NDArray[np.uint8]:
    """Verdicts of pairs of which only the texts are known.

    A pair at or above the threshold is a `contradiction` or a `tension`, whichever relation is more
    probable. Below it, the pair is `unrelated` or `compatible`, or `insufficient` when the model could
    not read the whole of it.

    Args:
        scores: Scores of n pairs.
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
    """Verdicts of pairs of statements: those of `classify`, seen with dates and length.

    A conflict with more than `change_days` between the two dates is a `change`. A claim of fewer than
    three words is `insufficient`, whatever the model says of it.

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
    out = classify(scores, probability, threshold=threshold)
    for row in np.flatnonzero(probability >= threshold):
        a, b = statements[pairs.left[row]], statements[pairs.right[row]]
        if a.date is not None and b.date is not None and a.date.gap_days(b.date) > change_days:
            out[row] = _CODE["change"]
    short = np.array([len(s.claim.split()) < _FEWEST_WORDS for s in statements], dtype=bool)
    out[short[pairs.left] | short[pairs.right]] = _CODE["insufficient"]
    return out


def _only_one(pattern: re.Pattern[str], field: str | None, a: Statement, b: Statement) -> tuple[str, str] | None:
    """("a" or "b", the words) when just one side carries a feature, by its field or in its claim."""
    found = []
    for s in (a, b):
        match = pattern.search(s.claim)
        value = getattr(s, field) if field else None
        found.append(value or (match.group() if match else ""))
    if bool(found[0]) == bool(found[1]):
        return None
    return ("a", found[0]) if found[0] else ("b", found[1])


def _numbers(s: Statement) -> dict[str, str]:
    """Numbers of a claim, each with the word behind it: what it counts."""
    return {match[1]: (match[2] or "").lower() for match in _NUMBER.finditer(s.claim)}


def _listed(numbers: dict[str, str]) -> str:
    return ", ".join(sorted(numbers))


def reasons(
    a: Statement,
    b: Statement,
    relations: npt.NDArray[np.float32],
    *,
    verdict: str,
    truncated: bool,
    calibrated: bool,
    sentences: bool = False,
) -> tuple[str, ...]:
    """What speaks for a finding and what against it, each as "name: words".

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
    channels = {a.channel, b.channel}
    if channels == {"private", "public"}:
        out.append("channels: one side was said in private, the other in public")
    elif "unknown" in channels:
        out.append("channel_unknown: where one side was said is not known")
    if a.date is None or b.date is None:
        out.append("date_unknown: one side has no date, so a change of mind between the two cannot be told")
    elif gap := a.date.gap_days(b.date):
        later = "; a change of position rather than a double face" if verdict == "change" else ""
        out.append(f"dates_apart: the two are {gap} days apart{later}")
    else:
        out.append("dates_overlap: the two can be of the same time")
    if one := _only_one(_CONDITION, "condition", a, b):
        out.append(f"condition: only {one[0]} is bound to a condition ({one[1]})")
    if one := _only_one(_HEDGE, "hedge", a, b):
        out.append(f"hedge: only {one[0]} is hedged ({one[1]})")
    if one := _only_one(_NEGATION, None, a, b):
        out.append(f"negation: only {one[0]} is negated ({one[1]})")
    if one := _only_one(_MODAL, None, a, b):
        out.append(f"modality: only {one[0]} says what ought to be ({one[1]})")
    if one := _only_one(_QUANTIFIER, None, a, b):
        out.append(f"quantifier: only {one[0]} says how many or how much ({one[1]})")
    if one := _only_one(_OTHERS_VIEW, None, a, b):
        out.append(f"others_view: {one[0]} may tell what somebody else thinks ({one[1]})")
    numbers = [_numbers(s) for s in (a, b)]
    if all(numbers) and numbers[0].keys() != numbers[1].keys():
        out.append(f"numbers: {_listed(numbers[0])} against {_listed(numbers[1])}")
    for side, s in (("a", a), ("b", b)):
        if s.attribution:
            out.append(f"reported: {side} is known through {' <- '.join(s.attribution)}")
    conflict = relations[:, 2] + relations[:, 3]
    if not np.isnan(conflict[1]) and abs(float(conflict[0] - conflict[1])) > _DISAGREE:
        out.append("directions_disagree: the model sees the conflict from one side only")
    if sentences:
        out.append("sentences: the texts are too long to be read whole; the two sentences that conflict most decided")
    if truncated:
        out.append("truncated: a sentence is longer than the model reads; its end was not scored")
    if not calibrated:
        out.append("uncalibrated: this model has no calibration.json, so the probability is its raw score")
    return tuple(out)


def innocent_reading(a: Statement, b: Statement, *, verdict: str) -> str:
    """The strongest reading under which both statements of a finding hold, from what is known about them.

    The features are asked in the order in which editors accept them: another time, a condition, another measure,
    somebody else's view, a hedge, a wish beside a fact, an indirect report.

    Args:
        a: The earlier statement.
        b: The later one.
        verdict: The verdict.

    Returns:
        One sentence.
    """
    gap = a.date.gap_days(b.date) if a.date and b.date else 0
    if gap and verdict == "change":
        return f"The two are {gap} days apart: the position may have changed in between, for reasons that were given."
    if one := _only_one(_CONDITION, "condition", a, b):
        return f"{one[0]} is bound to a condition ({one[1]}): where it is not met, or already met, the two may both hold."
    first, second = _numbers(a), _numbers(b)
    units = set(first.values()), set(second.values())
    if first and second and first.keys() != second.keys() and not units[0] & units[1]:
        return f"The numbers may count different things: {_listed(first)} in a, {_listed(second)} in b."
    if one := _only_one(_OTHERS_VIEW, None, a, b):
        return f"{one[0]} may tell what somebody else thinks ({one[1]}), not the actor's own view."
    if one := _only_one(_HEDGE, "hedge", a, b):
        return f"{one[0]} is hedged ({one[1]}): it leaves room for what the other says."
    if one := _only_one(_MODAL, None, a, b):
        return f"{one[0]} says what ought to be ({one[1]}), the other what is or will be."
    if one := _only_one(_QUANTIFIER, None, a, b):
        return f"{one[0]} speaks of a part or a bound ({one[1]}): the other may concern the rest."
    if gap:
        return f"The two are {gap} days apart: what happened in between may account for both."
    for side, s in (("a", a), ("b", b)):
        if s.attribution:
            return f"{side} is known only through {' <- '.join(s.attribution)}: it may have been said otherwise or in another sense."
    if a.date is None or b.date is None:
        return "One side has no date: the two may belong to different times."
    return "No date, condition, number or hedge sets the two apart; read both in their context."
