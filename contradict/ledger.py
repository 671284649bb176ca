"""What was scored before and what people said of pairs, in one SQLite file.

Scores are kept by the content of the ordered pair, the hash of the weights and what computed them, so a second scan scores
only what is new. Reviews are kept by the content of the two texts in either order, so an edited text
is a new pair and comes back. The file may be used by several processes at once (SQLite's write-ahead
log); a process that is killed loses at most the pairs that it was scoring.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from contradict.errors import ConfigError, InputError, Problem
from contradict.schema import RELATIONS, Review, Scores, pair_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contradict.backends import CrossEncoder

__all__ = ["Ledger"]

_Floats = npt.NDArray[np.float32]
_Bools = npt.NDArray[np.bool_]

_VERSION = 1
_SCHEMA = """
CREATE TABLE models (number INTEGER PRIMARY KEY, weights TEXT NOT NULL UNIQUE);
CREATE TABLE scores (
    pair BLOB NOT NULL,
    model INTEGER NOT NULL REFERENCES models,
    relations BLOB NOT NULL,
    truncated INTEGER NOT NULL,
    PRIMARY KEY (pair, model)
) WITHOUT ROWID;
CREATE TABLE reviews (
    pair TEXT PRIMARY KEY,
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    label TEXT NOT NULL,
    note TEXT NOT NULL,
    reviewed TEXT NOT NULL,
    extra TEXT NOT NULL
) WITHOUT ROWID;
"""
_WAIT = 60.0  # seconds that a process waits for another one's write
_ASKED = 500  # pairs looked up by one query, below SQLite's limit of variables
_CHUNK = 4096  # pairs scored between two writes: what a killed process loses at most


class Ledger:
    """An open ledger file; a context manager.

    Args:
        path: The file; it is made when it is missing.

    Raises:
        InputError: The file cannot be opened or is no ledger.

    Example:
        >>> with Ledger("ledger.sqlite") as ledger:  # doctest: +SKIP
        ...     scores, known = ledger.score_pairs(pairs, model)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        with self._named_errors():
            self._file = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
            try:
                self._file.execute("PRAGMA journal_mode = WAL")
                self._settle_schema()
            except BaseException:
                self._file.close()
                raise

    def _settle_schema(self) -> None:
        with self._writing():
            (version,) = self._file.execute("PRAGMA user_version").fetchone()
            (tables,) = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if version == 0 and tables == 0:
                for statement in _SCHEMA.split(";"):
                    self._file.execute(statement)
                self._file.execute(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION:
                raise sqlite3.DatabaseError(f"its format is {version}, this version reads {_VERSION}")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._file.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise InputError([Problem(self.path, None, None, f"cannot be used as a ledger ({error}); check it or name another")]) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """All or nothing: other processes see the writes of the block together, or none of them."""
        with self._named_errors():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._file.execute("COMMIT")
            except BaseException:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                raise

    # Scores

    def score_pairs(
        self,
        pairs: Iterable[tuple[str, str]],
        model: CrossEncoder,
        *,
        direction: str = "both",
        level: float = 0.5,
        batch_tokens: int | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> tuple[Scores, int]:
        """Score pairs of texts as `scoring.score_pairs` does, but only those that the ledger does not hold.

        A model without a fingerprint (a hub id, whose weights may change) is neither looked up nor kept.

        Args:
            pairs: n (premise, hypothesis) texts.
            model: The loaded model.
            direction: "both", "forward" or "needed".
            level: With "needed", the raw conflict that matters.
            batch_tokens: Most tokens of a batch.
            progress: Called with ("score", pairs done, pairs in all).

        Returns:
            The scores, and how many of the n pairs came from the ledger whole, as far as they were needed.

        Raises:
            ConfigError: `direction`, `level` or `batch_tokens` is out of range.
            InputError: The file can no longer be read or written.
        """
        from contradict import scoring

        if direction not in scoring.DIRECTIONS:
            raise ConfigError(f"direction is {direction!r}; expected one of {', '.join(scoring.DIRECTIONS)}")
        forward = list(pairs)
        if not model.fingerprint:
            plain = scoring.score_pairs(forward, model, direction=direction, level=level, batch_tokens=batch_tokens, progress=progress)
            return plain, 0
        n = len(forward)
        asked = [*forward, *((b, a) for a, b in forward)]
        both = np.full((2 * n, len(RELATIONS)), np.nan, dtype=np.float32)  # first all pairs as they are given, then turned round
        cut, known, split = np.zeros(2 * n, dtype=bool), np.ones(2 * n, dtype=bool), np.zeros(2 * n, dtype=bool)

        def fetch(rows: npt.NDArray[np.int64], before: int) -> int:
            def tell(done: int, total: int) -> None:
                if progress is not None:
                    progress("score", before + done, before + total)

            found = self._known_or_scored([asked[row] for row in rows], model, batch_tokens, tell)
            both[rows], cut[rows], known[rows], split[rows], new = found
            return new

        scored = fetch(np.arange(2 * n if direction == "both" else n), 0)
        if direction == "needed":
            fetch(n + np.flatnonzero(scoring.leaves_open(both[:n], level) & ~split[:n]), scored)
        relations = both.reshape(2, n, len(RELATIONS)).transpose(1, 0, 2)
        truncated = cut[:n] | cut[n:]
        # Sentences decide for both directions of a pair together, so pairs that are split are not kept one direction at a time.
        long = np.flatnonzero(split[:n] | split[n:])
        parts = scoring.score_pairs([forward[i] for i in long], model, direction=direction, level=level, batch_tokens=batch_tokens)
        relations[long], truncated[long] = parts.relations, parts.truncated
        evidence = {int(long[row]): sentences for row, sentences in parts.evidence.items()}
        return Scores(relations, model.labels, truncated, evidence), int((known[:n] & known[n:]).sum())

    def _known_or_scored(
        self, asked: Sequence[tuple[str, str]], model: CrossEncoder, batch_tokens: int | None, tell: Callable[[int, int], None]
    ) -> tuple[_Floats, _Bools, _Bools, _Bools, int]:
        """f32[n, 5] relations of ordered pairs, bool[n] truncated, bool[n] held before, bool[n] split, and how many were scored."""
        from contradict import scoring

        unique: dict[tuple[str, str], int] = {}
        where = np.array([unique.setdefault(pair, len(unique)) for pair in asked], dtype=np.int64)
        texts = list(unique)
        weights = f"{model.fingerprint} {model.backend} {model.dtype}"
        relations, truncated, known = self._scores(texts, weights)
        split = np.zeros(len(texts), dtype=bool)
        missing = np.flatnonzero(~known)
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]

            def report(_: str, done: int, __: int, start: int = start) -> None:
                tell(start + done, len(missing))

            new = scoring.score_pairs([texts[i] for i in chunk], model, direction="forward", batch_tokens=batch_tokens, progress=report)
            relations[chunk], truncated[chunk] = new.relations[:, 0], new.truncated
            split[chunk[list(new.evidence)]] = True
            whole = chunk[~split[chunk]]
            self._keep([texts[i] for i in whole], weights, relations[whole], truncated[whole])
        return relations[where], truncated[where], known[where], split[where], len(missing)

    def _scores(self, pairs: Sequence[tuple[str, str]], weights: str) -> tuple[_Floats, _Bools, _Bools]:
        """f32[n, 5] relations, bool[n] truncated and bool[n] whether the ledger holds the pair."""
        relations = np.zeros((len(pairs), len(RELATIONS)), dtype=np.float32)
        truncated, known = np.zeros(len(pairs), dtype=bool), np.zeros(len(pairs), dtype=bool)
        row = {_ordered_key(pair): i for i, pair in enumerate(pairs)}
        keys = list(row)
        for start in range(0, len(keys), _ASKED):
            some = keys[start : start + _ASKED]
            marks = ",".join("?" * len(some))
            query = f"SELECT pair, relations, truncated FROM scores JOIN models ON model = number WHERE weights = ? AND pair IN ({marks})"  # noqa: S608
            with self._named_errors():
                found = self._file.execute(query, (weights, *some)).fetchall()
            for key, values, cut in found:
                i = row[key]
                relations[i], truncated[i], known[i] = np.frombuffer(values, dtype="<f4"), bool(cut), True
        return relations, truncated, known

    def _keep(
        self,
        pairs: Sequence[tuple[str, str]],
        weights: str,
        relations: _Floats,
        truncated: _Bools,
    ) -> None:
        with self._writing():
            self._file.execute("INSERT OR IGNORE INTO models (weights) VALUES (?)", (weights,))
            (model,) = self._file.execute("SELECT number FROM models WHERE weights = ?", (weights,)).fetchone()
            self._file.executemany(
                "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)",
                (
                    (_ordered_key(pair), model, values.astype("<f4").tobytes(), int(cut))
                    for pair, values, cut in zip(pairs, relations, truncated, strict=True)
                ),
            )

    # Reviews

    def add_reviews(self, reviews: Iterable[Review]) -> int:
        """Keep reviews; of two of one pair the later one holds, whichever is added first.

        Returns:
            How many were new or changed what was there.
        """
        changed = 0
        with self._writing():
            for review in reviews:
                row = (
                    pair_key(review.a, review.b), review.a, review.b, review.label, review.note,
                    review.reviewed.isoformat(timespec="milliseconds"), json.dumps(dict(review.extra), sort_keys=True),
                )  # fmt: skip
                changed += self._file.execute(
                    "INSERT INTO reviews VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pair) DO UPDATE SET a = excluded.a, b = excluded.b, "
                    "label = excluded.label, note = excluded.note, reviewed = excluded.reviewed, extra = excluded.extra "
                    # The rest of the row breaks ties, so that the order of two imports never matters.
                    "WHERE (excluded.reviewed, excluded.label, excluded.note, excluded.a, excluded.extra) "
                    "> (reviews.reviewed, reviews.label, reviews.note, reviews.a, reviews.extra)",
                    row,
                ).rowcount
        return changed

    def withdraw_reviews(self, keys: Iterable[str]) -> int:
        """Take reviews back, as if nobody had spoken of the pair; only its key and the time stay.

        Importing an older review again does not bring it back, a later one does.

        Args:
            keys: `pair_key` of the reviews, or the beginning of it that no other review shares.

        Returns:
            How many were taken back.

        Raises:
            InputError: A key fits no review or several; then none is taken back.
        """
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        problems, found = [], []
        with self._writing():
            known = [key for (key,) in self._file.execute("SELECT pair FROM reviews WHERE label != ''")]
            for given in dict.fromkeys(keys):
                fits = [key for key in known if given and key.startswith(given)]
                if len(fits) == 1:
                    found += fits
                else:
                    what = f"{given!r} fits {len(fits) or 'no'} reviews; contradict review list names them"
                    problems.append(Problem(self.path, None, "key", what))
            if problems:
                raise InputError(problems)
            self._file.executemany(
                "UPDATE reviews SET a = '', b = '', label = '', note = '', extra = '{}', reviewed = max(reviewed, ?) WHERE pair = ?",
                [(now, key) for key in set(found)],
            )
        return len(set(found))

    def reviews(self) -> dict[str, Review]:
        """All reviews by `pair_key`, the oldest first."""
        with self._named_errors():
            rows = self._file.execute(
                "SELECT pair, a, b, label, reviewed, note, extra FROM reviews WHERE label != '' ORDER BY reviewed, pair"
            ).fetchall()
        return {
            key: Review(a, b, label, dt.datetime.fromisoformat(reviewed), note, json.loads(extra))
            for key, a, b, label, reviewed, note, extra in rows
        }


def _ordered_key(pair: tuple[str, str]) -> bytes:
    return hashlib.sha256(json.dumps(pair).encode()).digest()
