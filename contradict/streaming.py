"""A file of pairs -> the same file with scores, in chunks: memory stays flat, and a run that was interrupted goes on.

The input is read three times: to check all of it before any work is done, to score it, and to write it with its
figures. In between, the figures lie in `OUTPUT.partial`: one line that names the pairs, the model and the settings,
then a record of fixed size per pair. A run that finds such a file, with the line that it would write itself, scores
only what is missing; as chunks and batches are the same, the output is the same, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from contradict import reports, verdicts
from contradict.backends import CrossEncoder
from contradict.calibration import Calibrator
from contradict.errors import InputError, Problem
from contradict.readers import iter_pairs, read_pairs
from contradict.schema import NLI_LABELS, RELATIONS, VERDICTS, Scores
from contradict.scoring import score_pairs

__all__ = ["Scored", "score_file"]

_CHUNK = 16_384  # pairs scored together; part of what makes an interrupted run go on alike
_FIGURES = np.dtype([("relations", "<f4", (2, len(RELATIONS))), ("truncated", "?"), ("split", "?")])
_DIGITS = 4

Rows = Iterator[tuple[tuple[str, str], dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Scored:
    """What was done to a file of pairs.

    Attributes:
        pairs: Pairs scored.
        resumed: Of these, pairs whose scores an interrupted run had left.
        split: Pairs too long for the model, decided by two of their sentences.
        truncated: Pairs with a sentence that the model could not read whole.
    """

    pairs: int
    resumed: int
    split: int
    truncated: int


def score_file(
    source: str | Path,
    output: str | Path | IO[bytes],
    model: CrossEncoder,
    *,
    direction: str = "both",
    calibration: str | None = None,
    threshold: float | None = None,
    batch_tokens: int | None = None,
    on_error: str = "stop",
    problems: list[Problem] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Scored:
    """Score the pairs of a file and write them, every column kept, with their figures.

    Args:
        source: Pairs (.jsonl, .csv, .parquet), or "-" for JSON Lines on standard input.
        output: Path (.jsonl, .csv, .parquet), written whole or not at all; or an open file for JSON Lines.
        model: A loaded model.
        direction: "both", "forward" or "needed": then the cells of a direction that could not bring a pair to the threshold
            are empty.
        calibration: File made by `contradict calibrate`; None takes the model's own.
        threshold: Probability from which a pair is flagged; None takes that of the calibration.
        batch_tokens: Most tokens of a batch; None picks by device.
        on_error: "stop" raises all problems of the input before anything is scored, "skip" leaves bad rows out.
        problems: With "skip", receives what was skipped.
        progress: Called with ("score", done, total), both directions of a pair counted as two.

    Raises:
        InputError: Something is wrong with the input, or a column has the name of one that is added.
    """
    rows = _rows(source, on_error, problems)
    columns: dict[str, set[type]] = {}
    digest, count = hashlib.sha256(), 0
    for pair, record in rows():
        reports.note_kinds(record, columns)
        digest.update(json.dumps(pair).encode())
        count += 1
    added = [*NLI_LABELS, *(f"{label}_reverse" for label in NLI_LABELS if direction != "forward"), "probability", "verdict"]
    if clash := [c for c in added if c in columns]:
        raise InputError([Problem(str(source), None, ", ".join(clash), "is a column that this command adds; rename yours")])
    calibrator = Calibrator.of(model, calibration)
    limit = threshold if threshold is not None else calibrator.threshold
    options: dict[str, Any] = {"direction": direction, "level": calibrator.level(limit), "batch_tokens": batch_tokens}
    # The threshold decides what is scored only where directions are spared.
    settings = options if direction == "needed" else options | {"level": None}
    identity = (digest.hexdigest(), count, model.name, model.fingerprint, model.device, model.backend, model.dtype, settings)
    header = hashlib.sha256(json.dumps(identity).encode()).hexdigest().encode() + b"\n"

    path = None if hasattr(output, "write") else Path(str(output))
    with _partial(path, header, count) as partial:
        resumed = (os.fstat(partial.fileno()).st_size - len(header)) // _FIGURES.itemsize
        rest = islice(rows(), resumed, None)
        sides = 1 if direction == "forward" else 2
        for done in range(resumed, count, _CHUNK):
            texts = [pair for pair, _ in islice(rest, _CHUNK)]

            def report(stage: str, part: int, total: int, done: int = done, n: int = len(texts)) -> None:
                if progress is not None:
                    progress(stage, sides * done + round(sides * n * part / total), sides * count)

            scores = score_pairs(texts, model, progress=report, **options)
            figures = np.zeros(len(texts), dtype=_FIGURES)
            figures["relations"], figures["truncated"] = scores.relations, scores.truncated
            figures["split"][list(scores.evidence)] = True
            partial.write(figures.tobytes())
            partial.flush()

        kinds = columns | {name: {float} for name in added[:-1]} | {added[-1]: {str}}
        counts = {"split": 0, "truncated": 0}
        partial.seek(len(header))

        def scored() -> Iterator[Mapping[str, Any]]:
            source_rows = rows()
            while data := partial.read(_CHUNK * _FIGURES.itemsize):
                figures = np.frombuffer(data, dtype=_FIGURES)
                for name in counts:
                    counts[name] += int(figures[name].sum())
                scores = Scores(figures["relations"], model.labels, figures["truncated"])
                probability = calibrator.probability(scores.conflict())
                part = list(islice(source_rows, len(scores)))
                codes = verdicts.classify([pair for pair, _ in part], scores, probability, threshold=limit)
                nli = scores.nli.reshape(len(scores), -1)[:, : len(added) - 2]
                for values, p, code, (_, record) in zip(nli, probability, codes, part, strict=True):
                    shown = [*(None if np.isnan(v) else round(float(v), _DIGITS) for v in (*values, p)), VERDICTS[code]]
                    yield record | dict(zip(added, shown, strict=True))

        if path is None:
            reports.write_records(scored(), kinds, ".jsonl", output)  # type: ignore[arg-type]
        else:
            with reports.atomic_path(path) as temporary, temporary.open("wb") as file:
                reports.write_records(scored(), kinds, path.suffix.lower(), file)
    if path is not None:
        _partial_path(path).unlink()
    return Scored(count, resumed, **counts)


def _rows(source: str | Path, on_error: str, problems: list[Problem] | None) -> Callable[[], Rows]:
    """A function that reads the good rows anew each time; the first reading settles what is wrong with the file."""
    if str(source) == "-":  # can be read once only
        pairs, records = read_pairs("-", on_error=on_error, problems=problems)
        return lambda: iter(zip(pairs, records, strict=True))
    settled = False

    def read() -> Rows:
        nonlocal settled
        heard, settled = settled, True
        return iter_pairs(source, on_error="skip" if heard else on_error, problems=[] if heard else problems)

    return read


def _partial_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


@contextmanager
def _partial(path: Path | None, header: bytes, count: int) -> Iterator[IO[bytes]]:
    """The file of figures, open at its end: what an interrupted run left, cut to whole chunks, or a new one."""
    if path is None:
        with tempfile.TemporaryFile() as file:
            file.write(header)
            file.flush()
            yield file
        return
    place = _partial_path(path)
    with place.open("r+b" if place.exists() else "w+b") as file:
        good = file.read(len(header)) == header
        rows = (os.fstat(file.fileno()).st_size - len(header)) // _FIGURES.itemsize if good else 0
        rows = rows if rows == count else rows // _CHUNK * _CHUNK
        file.truncate(len(header) + rows * _FIGURES.itemsize if good else 0)
        file.seek(0)
        file.write(header)
        file.seek(0, os.SEEK_END)
        file.flush()
        yield file
