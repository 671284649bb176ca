"""Which words of a pair decide its conflict score.

Each word is masked in turn and the pair scored again (leave-one-out, Li, Monroe and Jurafsky, "Understanding
neural networks through representation erasure", 2016): a word decides as much as the score falls without it. It
asks nothing of a model but scores, so every backend can be explained, and masking the words it names moves the
score more than masking others does (tests/test_explanation.py holds it to that).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contradict.backends import CrossEncoder, load_model
from contradict.scoring import score_pairs

__all__ = ["Explanation", "Span", "explain", "mask_words"]

_WORD = re.compile(r"\w+(?:[.,'’-]\w+)*")
_SHARE = 0.6  # of what all deciding words weigh together
_FEWEST = 0.08  # share of the heaviest word below which a word is noise


@dataclass(frozen=True, slots=True)
class Span:
    """Words that stand together and decide together.

    Attributes:
        start: Offset of the first character in the text.
        end: Offset behind the last.
        weight: By how much the log-odds of conflict fall without them, summed over the words.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The deciding words of a pair.

    Attributes:
        a: Spans of the first text, in its order.
        b: Spans of the second.
    """

    a: tuple[Span, ...]
    b: tuple[Span, ...]

    def offsets(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Start and end of the spans, by side."""
        return {side: tuple((s.start, s.end) for s in spans) for side, spans in (("a", self.a), ("b", self.b))}


def words(text: str) -> list[tuple[int, int]]:
    """Offsets of the words of a text; a number with its separators and a hyphenated word are one."""
    return [match.span() for match in _WORD.finditer(text)]


def mask_words(text: str, spans: Sequence[tuple[int, int]], mask: str) -> str:
    """The text with each span replaced by `mask`."""
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + mask + text[end:]
    return text


def _spans(found: Sequence[tuple[int, int]], weight: npt.NDArray[np.float64], chosen: npt.NDArray[np.bool_]) -> tuple[Span, ...]:
    """Neighbouring chosen words as one span."""
    out: list[Span] = []
    last = -2
    for i in np.flatnonzero(chosen).tolist():
        start, end = found[i]
        if i == last + 1:
            out[-1] = Span(out[-1].start, end, out[-1].weight + float(weight[i]))
        else:
            out.append(Span(start, end, float(weight[i])))
        last = i
    return tuple(out)


def explain(
    pairs: Sequence[tuple[str, str]],
    model: CrossEncoder | str | None = None,
    *,
    direction: str = "both",
    batch_tokens: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Explanation]:
    """Find the words that decide the conflict score of each pair.

    The heaviest words are taken until they hold three fifths of the weight of all that lower the score when masked.

    Args:
        pairs: (premise, hypothesis) texts.
        model: A loaded model, a folder or hub id, or None for the shipped one.
        direction: As in `score_pairs`; the weights belong to the score of that call.
        batch_tokens: As in `score_pairs`.
        progress: Called with ("explain", masked pairs done, masked pairs in all).

    Returns:
        One explanation for each pair. A pair of n words costs n scored pairs.
    """
    encoder = model if isinstance(model, CrossEncoder) else load_model(model)
    found = [(words(a), words(b)) for a, b in pairs]
    masked: list[tuple[str, str]] = []
    for (a, b), (in_a, in_b) in zip(pairs, found, strict=True):
        masked.append((a, b))
        masked += [(mask_words(a, [span], encoder.mask), b) for span in in_a]
        masked += [(a, mask_words(b, [span], encoder.mask)) for span in in_b]

    def count(_: str, done: int, total: int) -> None:
        if progress is not None:
            progress("explain", done, total)

    raw = score_pairs(masked, encoder, direction=direction, batch_tokens=batch_tokens, progress=count).conflict().astype(np.float64)
    odds = np.log(np.clip(raw, 1e-6, 1)) - np.log(np.clip(1 - raw, 1e-6, 1))
    out = []
    start = 0
    for in_a, in_b in found:
        size = len(in_a) + len(in_b)
        weight = odds[start] - odds[start + 1 : start + 1 + size]
        start += 1 + size
        order = np.argsort(-weight, kind="stable")
        heavy = np.maximum(weight[order], 0)
        before = np.concatenate([[0.0], np.cumsum(heavy)[:-1]]) if size else np.zeros(0)
        keep = (before < _SHARE * heavy.sum()) & (heavy > _FEWEST * heavy[:1].sum())
        chosen = np.zeros(size, dtype=bool)
        chosen[order[keep]] = True
        cut = len(in_a)
        out.append(Explanation(_spans(in_a, weight[:cut], chosen[:cut]), _spans(in_b, weight[cut:], chosen[cut:])))
    return out
