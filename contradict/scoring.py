"""Pairs of texts -> relation probabilities from a cross-encoder, in one direction, in both, or in the second only where it matters.

Equal pairs are scored once. Rows are sorted by length within large chunks and batched by a token
budget, so that little is spent on padding and memory stays flat; the next chunk is tokenised while the
model reads this one. A text that the model cannot read whole is split into sentences: the pairs of
sentences are scored in the same stream, and the two that conflict most decide (the maximum over
sentence pairs of SummaC, Laban et al. 2022).

Conflict is the mean of both directions, so a pair whose first direction says c can reach (c + 1) / 2 at most.
Where that is below what matters, "needed" spares the second direction, and no pair that matters is lost.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from contradict.backends import CrossEncoder, load_model, token_batches
from contradict.errors import ConfigError
from contradict.schema import RELATIONS, Scores

__all__ = ["DIRECTIONS", "default_budget", "leaves_open", "score_pairs", "split_sentences"]

DIRECTIONS = ("forward", "both", "needed")
"""(premise, hypothesis) alone; with (hypothesis, premise); with it only where the first leaves open whether the pair matters."""
_FIRST = 512  # pairs tokenised before the model starts
_CHUNK = 8192  # pairs tokenised together from then on
_MARKS = 4  # tokens that stand around and between two texts, at most
_REPORT = 16  # batches between two calls of `progress`
_ROUNDING = 1e-5  # of float32 sums and means, so that the bound errs on the side of scoring

# A sentence ends at . ! ? (and closing quotes) before a space and an opening of the next; titles, initials and
# the like ("Mr.", "U.S.", "No. 5") do not end one.
_SENTENCE_END = re.compile(
    r"""(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bNo\.)(?<!\bMrs\.)(?<!\bGen\.)(?<!\bSen\.)(?<!\bRep\.)(?<!\bGov\.)"""
    r"""(?:(?<=[.!?])|(?<=[.!?]["'”’)\]]))\s+(?=["'“‘(\[]*[A-Z0-9])|\n+"""
)


def split_sentences(text: str) -> list[str]:
    """Sentences of a text in order, by punctuation; a text without any is one sentence."""
    return [part for part in (piece.strip() for piece in _SENTENCE_END.split(text)) if part] or [text]


def default_budget(encoder: CrossEncoder) -> int:
    """Most tokens of a batch, padding included, where nothing else is said: more than that is no faster."""
    return 32768 if encoder.device.startswith("cuda") else 2048


def leaves_open(relations: npt.NDArray[np.float32], level: float) -> npt.NDArray[np.bool_]:
    """bool[n], which pairs can still reach a conflict of `level` after their first direction, f32[n, 5]."""
    first = relations[:, RELATIONS.index("contradiction")] + relations[:, RELATIONS.index("tension")]
    return first >= 2 * level - 1 - _ROUNDING


def score_pairs(
    pairs: Iterable[tuple[str, str]],
    model: CrossEncoder | str | None = None,
    *,
    direction: str = "both",
    level: float = 0.5,
    batch_tokens: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Scores:
    """Score pairs of texts.

    Args:
        pairs: (premise, hypothesis) texts.
        model: A loaded model, a folder or hub id, or None for the shipped one.
        direction: "both" scores (premise, hypothesis) and (hypothesis, premise); "forward" the first only; "needed" the
            second only where the first leaves open whether the pair reaches `level`.
        level: With "needed", the raw conflict that matters (`Calibrator.level` gives that of a probability): a pair that
            reaches it has the scores of "both", every other pair stays below it. At 0.5 or less nothing is spared.
        batch_tokens: Most tokens of a batch, padding included; None for 2048 on a CPU and 32768 on a GPU.
            Results do not depend on it beyond float rounding.
        progress: Called with ("score", pairs done, pairs in all); both directions of a pair count as two, and a direction
            that is spared counts as done.

    Returns:
        Scores of the pairs in their order; those of texts too long for the model are decided by two of their sentences.

    Raises:
        ConfigError: `direction`, `level` or `batch_tokens` is out of range.
        ModelError: The model cannot be used.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f"direction is {direction!r}; expected one of {', '.join(DIRECTIONS)}")
    if not 0 <= level <= 1:
        raise ConfigError(f"level is {level}; expected a conflict from 0 to 1")
    encoder = model if isinstance(model, CrossEncoder) else load_model(model)
    budget = batch_tokens if batch_tokens is not None else default_budget(encoder)
    if budget < 1:
        raise ConfigError(f"batch_tokens is {budget}; expected 1 or more")
    whole = list(pairs)
    parts, start = _split_long(whole, encoder)
    asked = parts if direction == "forward" else [*parts, *((b, a) for a, b in parts)]
    unique: dict[tuple[str, str], int] = {}
    where = np.array([unique.setdefault(pair, len(unique)) for pair in asked], dtype=np.int64)
    where = where.reshape(1 if direction == "forward" else 2, len(parts))
    texts = list(unique)
    probabilities = np.full((len(texts), len(RELATIONS)), np.nan, dtype=np.float32)
    cut = np.zeros(len(texts), dtype=bool)

    def score(rows: npt.NDArray[np.int64], before: int) -> None:
        def report(done: int) -> None:
            if progress is not None:
                progress("score", before + done, len(texts))

        report(0)
        probabilities[rows], cut[rows] = _score_unique([texts[row] for row in rows], encoder, budget, report)

    spared = np.zeros(len(parts), dtype=bool)
    if direction == "needed":
        firsts = np.unique(where[0])
        score(firsts, 0)
        spared = ~leaves_open(probabilities[where[0]], level)
        rest = np.setdiff1d(where[1, ~spared], firsts)
        score(rest, len(texts) - len(rest))
    else:
        score(np.arange(len(texts)), 0)
    relations = np.full((len(parts), 2, len(RELATIONS)), np.nan, dtype=np.float32)
    for side, rows in enumerate(where):
        relations[:, side] = probabilities[rows]
    # A direction that another pair needed is left out all the same: what is said of a pair depends on it alone.
    relations[spared, 1] = np.nan
    truncated = np.logical_or.reduce(cut[where], axis=0)
    scores = Scores(relations, encoder.labels, truncated)
    if len(parts) == len(whole):
        return scores
    conflict = scores.conflict()
    decisive = np.array([a + int(conflict[a:b].argmax()) for a, b in itertools.pairwise(start)], dtype=np.int64)
    evidence = {int(row): parts[decisive[row]] for row in np.flatnonzero(np.diff(start) > 1)}
    return Scores(relations[decisive], encoder.labels, np.logical_or.reduceat(truncated, start[:-1]), evidence)


def _split_long(pairs: list[tuple[str, str]], encoder: CrossEncoder) -> tuple[list[tuple[str, str]], npt.NDArray[np.int64]]:
    """The pairs, those that are too long as all pairs of their sentences, and i64[n + 1] where each pair's parts start.

    Of two texts, only one that takes more than half of what the model reads is split, so that the other keeps its context.
    """
    room = encoder.max_length - _MARKS
    # A token is at least one byte, so that few pairs have to be counted.
    rows = [row for row, (a, b) in enumerate(pairs) if len(a.encode()) + len(b.encode()) > room]
    if not rows:
        return pairs, np.arange(len(pairs) + 1)
    lengths = encoder.count_tokens([text for row in rows for text in pairs[row]]).reshape(-1, 2)
    long = {row: tokens for row, tokens in zip(rows, lengths, strict=True) if tokens.sum() > room}
    parts: list[tuple[str, str]] = []
    start = [0]
    for row, pair in enumerate(pairs):
        sides = zip(pair, long.get(row, (0, 0)), strict=True)
        left, right = (split_sentences(text) if tokens > room // 2 else [text] for text, tokens in sides)
        parts += [(a, b) for a in left for b in right]
        start.append(len(parts))
    return parts, np.array(start, dtype=np.int64)


def _chunks(count: int) -> Iterator[slice]:
    """Rows that are tokenised together: a small chunk first, so that the model does not wait."""
    start, size = 0, _FIRST
    while start < count:
        yield slice(start, min(start + size, count))
        start, size = start + size, _CHUNK


def _score_unique(
    pairs: Sequence[tuple[str, str]], encoder: CrossEncoder, budget: int, report: Callable[[int], None]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """f32[n, 5] probabilities over `RELATIONS` and bool[n] whether a pair was cut."""
    columns = np.array([RELATIONS.index(label) for label in encoder.labels])
    out = np.zeros((len(pairs), len(RELATIONS)), dtype=np.float32)
    cut = np.zeros(len(pairs), dtype=bool)
    done = 0
    with ThreadPoolExecutor(1) as tokenizer:  # a thread is enough: the tokenizers release the interpreter
        chunks = _chunks(len(pairs))
        chunk = next(chunks, None)
        tokenized = tokenizer.submit(encoder.tokenize, pairs[chunk]) if chunk else None
        while chunk is not None and tokenized is not None:
            encoded, cut[chunk] = tokenized.result()
            start, chunk = chunk.start, next(chunks, None)
            tokenized = tokenizer.submit(encoder.tokenize, pairs[chunk]) if chunk else None
            lengths = [len(ids) for ids in encoded["input_ids"]]
            for number, rows in enumerate(token_batches(lengths, budget)):
                logits = encoder.logits({name: [values[i] for i in rows] for name, values in encoded.items()})
                weights = np.exp(logits - logits.max(axis=1, keepdims=True))
                out[np.ix_(rows + start, columns)] = weights / weights.sum(axis=1, keepdims=True)
                done += len(rows)
                if number % _REPORT == 0 or done == len(pairs):
                    report(done)
    return out, cut
