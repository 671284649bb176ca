"""Many articles: copies of one story counted once, extraction spread over processes, one broken article no end.

The articles are gone through twice, each time one at a time, so that memory does not grow with their texts: first to
find which are copies of which, then to extract from the first copy of each.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import pickle
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from contradict.errors import InputError, MissingDependencyError, Problem
from contradict.extraction import extract_statements
from contradict.schema import Article, Statement

__all__ = ["Extractor", "extract_corpus", "find_copies"]

Extractor = Callable[[Article], Iterable[Statement]]
"""The seam for another way to read articles (another language, a large model): article -> statements.

The statements need ids that are unique over all articles, best `f"{article.id}:{n}"`, and the canonical name of the
actor; `span` holds offsets into `Article.text`. With several workers the callable is pickled.
"""

_SHINGLE = 3  # words: an edit touches few shingles, and other articles on the same event share few
_SKETCH = 128  # hashes kept per article; the standard error of the resemblance is at most 0.05
_SAME_STORY = 0.4  # resemblance from which two articles are one story
_SHORT = 40  # shingles below which only equal texts are one story: there a phrase in common weighs too much
_BATCH = 8  # articles a process takes at a time

Progress = Callable[[str, int, int], None]


def find_copies(articles: Iterable[Article]) -> dict[str, str]:
    """Find articles that are edited copies of an earlier one, such as a wire story in two outlets.

    Two texts are copies if the share of three-word shingles that they have in common (Jaccard) is at least 0.4, or,
    under 40 shingles, if they are equal. The share is estimated from the 128 smallest hashes of each text: A. Broder,
    "On the resemblance and containment of documents", 1997.

    Returns:
        Id of each copy -> id of the first article of its story.
    """
    holders: dict[int, list[int]] = {}
    sketches: list[tuple[str, frozenset[int]]] = []
    copies: dict[str, str] = {}
    for article in articles:
        sketch = _sketch(article.text)
        shared = Counter(i for value in sketch for i in holders.get(value, ()))
        for i, _ in shared.most_common(5):
            first, other = sketches[i]
            smallest = sorted(sketch | other)[:_SKETCH]
            least = _SAME_STORY if len(smallest) >= _SHORT else 1.0
            if sum(value in sketch and value in other for value in smallest) >= least * len(smallest):
                copies[article.id] = first
                break
        else:
            for value in sketch:
                holders.setdefault(value, []).append(len(sketches))
            sketches.append((article.id, sketch))
    return copies


def _sketch(text: str) -> frozenset[int]:
    words = re.findall(r"\w+", text.casefold())
    shingles = {" ".join(words[i : i + _SHINGLE]) for i in range(max(len(words) - _SHINGLE + 1, 1))} if words else set()
    hashes = (int.from_bytes(hashlib.blake2b(s.encode("utf-8", "replace"), digest_size=8).digest()) for s in shingles)
    return frozenset(sorted(hashes)[:_SKETCH])


def extract_corpus(
    articles: Callable[[], Iterable[Article]],
    *,
    extractor: Extractor | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    workers: int = 1,
    problems: list[Problem] | None = None,
    progress: Progress | None = None,
) -> Iterator[list[Statement]]:
    """Extract the statements of many articles, those of one story once.

    Args:
        articles: Gives the articles, in the same order each time it is called; it is called twice.
        extractor: Reads one article; None takes `extract_statements`.
        aliases: Canonical name -> other names of an actor, for `extract_statements`.
        workers: Processes; 1 stays in this one.
        problems: Receives the articles that could not be extracted; without it the first such error is raised.
        progress: Called with ("extract", articles done, articles in all).

    Yields:
        The statements of one article after the other. Where other outlets printed the story too, `extra["outlets"]`
        names all of them, the first included (by the id of the article where the outlet is not known).

    Raises:
        MissingDependencyError: The extractor needs a package that is not installed.
        InputError: A worker process was killed.
    """
    read = extractor or functools.partial(extract_statements, aliases=aliases)
    names: dict[str, str] = {}

    def named() -> Iterator[Article]:
        for article in articles():
            names[article.id] = article.outlet or article.id
            yield article

    copies = find_copies(named())
    outlets: dict[str, list[str]] = {}
    for copy, first in copies.items():
        outlets.setdefault(first, [names[first]]).append(names[copy])
    total = len(names) - len(copies)
    firsts = (article for article in articles() if article.id not in copies)
    for done, (article_id, found) in enumerate(_run(firsts, read, workers), start=1):
        if progress is not None:
            progress("extract", done, total)
        if isinstance(found, Exception):
            if problems is None or isinstance(found, MissingDependencyError):
                raise found
            problems.append(Problem(article_id, None, None, f"could not be extracted ({type(found).__name__}); the others were"))
            continue
        printed = list(dict.fromkeys(outlets.get(article_id, ())))
        yield [replace(s, extra={**s.extra, "outlets": printed}) for s in found] if printed else found


_Result = tuple[str, list[Statement] | Exception]


def _extract(articles: Sequence[Article], extractor: Extractor) -> list[_Result]:
    results: list[_Result] = []
    for article in articles:
        try:
            statements = list(extractor(article))
            if not all(isinstance(s, Statement) for s in statements):
                raise TypeError("an extractor must give statements")
            results.append((article.id, statements))
        except Exception as error:  # whatever one article does to an extractor, the others are read
            results.append((article.id, _portable(error)))
    return results


def _portable(error: Exception) -> Exception:
    """The error, or its name if it cannot go from one process to another."""
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(type(error).__name__)
    return error if type(copy) is type(error) else RuntimeError(type(error).__name__)


def _run(articles: Iterator[Article], extractor: Extractor, workers: int) -> Iterator[_Result]:
    """Results in the order of the articles; with several workers only a few batches are under way at a time."""
    if workers == 1:
        for article in articles:
            yield from _extract([article], extractor)
        return
    context = multiprocessing.get_context("spawn")  # a fork would share the locks of threads that are running
    pool = ProcessPoolExecutor(workers, mp_context=context)
    waiting: deque[tuple[list[Article], Future[Any]]] = deque()
    try:
        for batch in _batches(articles):
            waiting.append((batch, pool.submit(_extract, batch, extractor)))
            if len(waiting) >= 3 * workers:
                yield from _finish(*waiting.popleft())
        while waiting:
            yield from _finish(*waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _batches(articles: Iterator[Article]) -> Iterator[list[Article]]:
    batch: list[Article] = []
    for article in articles:
        batch.append(article)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _finish(batch: Sequence[Article], future: Future[Any]) -> Iterator[_Result]:
    try:
        yield from future.result()
    except BrokenProcessPool:
        problem = "or one of the articles after it ended a worker process, as a rule for want of memory; use fewer workers"
        raise InputError([Problem(batch[0].id, None, None, problem)]) from None
