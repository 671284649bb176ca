"""Statements -> candidate pairs, without any model.

A rule has a block key (only statements with the same key meet; a null key meets nothing) and a
filter over numpy columns. Rules run in order; each pair is made once, by the first rule that finds
it. Counting costs no model, so a user can see what a scan would score before paying for it. The way
of thinking is that of record linkage (blocking rules, see Christen, "Data Matching", 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contradict.errors import ConfigError
from contradict.schema import CHANNELS, CandidatePairs, Statement

__all__ = ["RULES", "Block", "Columns", "Rule", "candidate_pairs", "count_pairs", "largest_blocks"]

_Mask = npt.NDArray[np.bool_]
_Index = npt.NDArray[np.int64]

_PRIVATE, _PUBLIC = CHANNELS.index("private"), CHANNELS.index("public")
_FAR = 10_000_000  # days: an open end of a date
_STRIDE = 2_000_000  # pairs filtered at a time, so that a large block does not fill the memory


@dataclass(frozen=True, slots=True)
class Columns:
    """Statements as columns, each of length n.

    Attributes:
        actor: Codes of the actors' names; -1 for a null name.
        channel: Index into `CHANNELS`.
        start: First possible day as a proleptic ordinal; far in the past when unknown.
        end: Last possible day; far in the future when unknown.
        dated: Whether there is a date at all.
        source: Codes of the sources; -1 without one.
        group: Whether the actor is a group such as "Western officials".
        claim: Codes of the claims, so that equal texts have equal codes.
        span_start: Start of the span, -1 without one.
        span_end: End of the span, -1 without one.
    """

    actor: _Index
    channel: _Index
    start: _Index
    end: _Index
    dated: _Mask
    source: _Index
    group: _Mask
    claim: _Index
    span_start: _Index
    span_end: _Index

    @classmethod
    def of(cls, statements: Sequence[Statement]) -> Columns:
        """Columns of a list of statements."""

        def codes(values: list[str | None]) -> _Index:
            names: dict[str, int] = {}
            return np.array([-1 if not v else names.setdefault(v, len(names)) for v in values], dtype=np.int64)

        dates = [s.date for s in statements]
        return cls(
            actor=codes([" ".join(s.actor.split()).casefold() for s in statements]),
            channel=np.array([CHANNELS.index(s.channel) for s in statements], dtype=np.int64),
            start=np.array([d.start.toordinal() if d and d.start else -_FAR for d in dates], dtype=np.int64),
            end=np.array([d.end.toordinal() if d and d.end else _FAR for d in dates], dtype=np.int64),
            dated=np.array([d is not None for d in dates], dtype=bool),
            source=codes([s.source for s in statements]),
            group=np.array([str(s.extra.get("group")).casefold() == "true" for s in statements], dtype=bool),  # CSV holds text
            claim=codes([" ".join(s.claim.split()).casefold() for s in statements]),
            span_start=np.array([s.span[0] if s.span else -1 for s in statements], dtype=np.int64),
            span_end=np.array([s.span[1] if s.span else -1 for s in statements], dtype=np.int64),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Which statements are worth comparing.

    Attributes:
        name: Name in reports and on the command line.
        key: Columns -> i64[n] block codes; -1 meets nothing.
        where: (columns, left, right, window in days or None) -> which of the pairs to keep.
        says: One line for `--help` and reports.
    """

    name: str
    key: Callable[[Columns], _Index]
    where: Callable[[Columns, _Index, _Index, int | None], _Mask]
    says: str


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a rule.

    Attributes:
        actor: Its actor.
        statements: How many statements are in it.
        pairs: How many pairs the rule makes of it.
    """

    actor: str
    statements: int
    pairs: int


def _cross_channel(columns: Columns, left: _Index, right: _Index, window: int | None) -> _Mask:
    a, b = columns.channel[left], columns.channel[right]
    crossed: _Mask = ((a == _PRIVATE) & (b == _PUBLIC)) | ((a == _PUBLIC) & (b == _PRIVATE))
    return crossed


def _within_window(columns: Columns, left: _Index, right: _Index, window: int | None) -> _Mask:
    if window is None:
        return np.ones(len(left), dtype=bool)
    gap = np.maximum(columns.start[left], columns.start[right]) - np.minimum(columns.end[left], columns.end[right])
    return (gap <= window) | ~columns.dated[left] | ~columns.dated[right]


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("private_public", lambda c: c.actor, _cross_channel, "one side private, the other public, at any distance in time"),
        Rule("same_actor", lambda c: c.actor, _within_window, "any two statements within the time window; undated ones always"),
    )
}
"""Pairing rules by name, in their default order."""


def _worth(columns: Columns, left: _Index, right: _Index) -> _Mask:
    """What holds for every rule: two different claims, not one inside the other, no group across sources."""
    same_source = (columns.source[left] == columns.source[right]) & (columns.source[left] >= 0)
    spans = (columns.span_start[left] >= 0) & (columns.span_start[right] >= 0)
    overlap = (columns.span_start[left] < columns.span_end[right]) & (columns.span_start[right] < columns.span_end[left])
    group = columns.group[left] | columns.group[right]
    worth: _Mask = (columns.claim[left] != columns.claim[right]) & ~(same_source & spans & overlap) & ~(group & ~same_source)
    return worth


def _blocks(key: _Index) -> Iterator[_Index]:
    """Members of each block with more than one statement, in the order of their first member."""
    order = np.argsort(key, kind="stable")
    order = order[key[order] >= 0]
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    blocks = [block for block in np.split(order, cuts) if len(block) > 1]
    yield from sorted(blocks, key=lambda block: int(block[0]))


def _pairs_of(members: _Index) -> Iterator[tuple[_Index, _Index]]:
    """All pairs of a block, in slabs of about `_STRIDE` pairs."""
    n = len(members)
    rows = max(1, _STRIDE // n)
    for start in range(0, n - 1, rows):
        i, j = np.nonzero(np.arange(n)[None, :] > np.arange(start, min(start + rows, n - 1))[:, None])
        yield members[i + start], members[j]


def _generate(columns: Columns, rules: Sequence[Rule], window: int | None) -> Iterator[tuple[int, int, _Index, _Index]]:
    """(rule, block's first statement, left, right), each pair by the first rule that finds it."""
    for r, rule in enumerate(rules):
        for members in _blocks(rule.key(columns)):
            for left, right in _pairs_of(members):
                keep = _worth(columns, left, right) & rule.where(columns, left, right, window)
                for earlier in rules[:r]:
                    code = earlier.key(columns)
                    same = (code[left] == code[right]) & (code[left] >= 0)
                    keep &= ~(same & earlier.where(columns, left, right, window))
                yield r, int(members[0]), left[keep], right[keep]


def _chosen(rules: Sequence[str | Rule] | None) -> list[Rule]:
    chosen = []
    for rule in RULES.values() if rules is None else rules:
        if isinstance(rule, str) and rule not in RULES:
            raise ConfigError(f"unknown pairing rule {rule!r}; known: {', '.join(RULES)}")
        chosen.append(RULES[rule] if isinstance(rule, str) else rule)
    if not chosen:
        raise ConfigError("no pairing rule is given; name at least one")
    return chosen


def candidate_pairs(
    statements: Sequence[Statement], *, rules: Sequence[str | Rule] | None = None, window_days: int | None = 365
) -> CandidatePairs:
    """Pairs of statements of one actor that are worth scoring.

    Never paired: a statement with itself or with an equal text, a statement with one whose span
    overlaps it in the same source, a group ("Western officials") with itself in another source.

    Args:
        statements: The statements, actors resolved.
        rules: Names of `RULES` or rules, in order; None for all.
        window_days: Largest gap between two dates for rules that heed it; None for no limit.

    Returns:
        The pairs, the earlier statement left (by first possible day; input order where a date is
        missing or equal), in the order of rule, left, right. Similarity is NaN.

    Raises:
        ConfigError: A rule's name is unknown, or none is given.
    """
    chosen = _chosen(rules)
    columns = Columns.of(statements)
    made = list(_generate(columns, chosen, window_days))
    left = np.concatenate([m[2] for m in made]) if made else np.zeros(0, dtype=np.int64)
    right = np.concatenate([m[3] for m in made]) if made else np.zeros(0, dtype=np.int64)
    rule = np.concatenate([np.full(len(m[2]), m[0], dtype=np.uint8) for m in made]) if made else np.zeros(0, dtype=np.uint8)
    both = columns.dated[left] & columns.dated[right]
    flip = both & (columns.start[left] > columns.start[right])
    left, right = np.where(flip, right, left), np.where(flip, left, right)
    order = np.lexsort((right, left, rule))
    similarity = np.full(len(left), np.nan, dtype=np.float32)
    return CandidatePairs(left[order], right[order], rule[order], tuple(r.name for r in chosen), similarity)


def count_pairs(
    statements: Sequence[Statement], *, rules: Sequence[str | Rule] | None = None, window_days: int | None = 365
) -> dict[str, int]:
    """How many pairs each rule adds to those of the rules before it; their sum is what is scored.

    Raises:
        ConfigError: A rule's name is unknown, or none is given.
    """
    chosen = _chosen(rules)
    counts = {rule.name: 0 for rule in chosen}
    for r, _, left, _ in _generate(Columns.of(statements), chosen, window_days):
        counts[chosen[r].name] += len(left)
    return counts


def largest_blocks(
    statements: Sequence[Statement],
    *,
    rules: Sequence[str | Rule] | None = None,
    window_days: int | None = 365,
    most: int = 5,
) -> dict[str, list[Block]]:
    """The blocks with the most pairs per rule, largest first.

    Raises:
        ConfigError: A rule's name is unknown, or none is given.
    """
    chosen = _chosen(rules)
    columns = Columns.of(statements)
    tallies: dict[str, dict[int, int]] = {rule.name: {} for rule in chosen}
    for r, first, left, _ in _generate(columns, chosen, window_days):
        tally = tallies[chosen[r].name]
        tally[first] = tally.get(first, 0) + len(left)
    out = {}
    for rule in chosen:
        key = rule.key(columns)
        ranked = sorted(tallies[rule.name].items(), key=lambda item: (-item[1], item[0]))[:most]
        out[rule.name] = [Block(statements[i].actor, int((key == key[i]).sum()), n) for i, n in ranked if n]
    return out
