"""Many articles: copies, workers, broken articles, another extractor."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contradict as ct
from contradict.corpus import extract_corpus, find_copies
from contradict.errors import MissingDependencyError, Problem
from contradict.schema import Article, Statement
from tests.conftest import SEEDS

STORY = (SEEDS / "ceasefire.txt").read_text(encoding="utf-8")
OTHER = (SEEDS / "README.md").read_text(encoding="utf-8")


def one_per_article(article: Article) -> list[Statement]:
    """An extractor for tests, at the top of the module so that workers can import it."""
    if "broken" in article.text:
        raise ValueError(article.text)
    return [Statement(f"{article.id}:0", "Ada Orlan", article.text, source=article.id)]


def needs_a_package(article: Article) -> list[Statement]:
    raise MissingDependencyError("nothing", "articles", "reading " + article.id)


def edited(text: str, share: float, seed: int) -> str:
    """The text with a share of its words put in other words, and another headline."""
    rng = random.Random(seed)
    return "Another headline\n\n" + " ".join("edited" if rng.random() < share else word for word in text.split())


@pytest.mark.parametrize("seed", range(5))
def test_an_edited_copy_is_found_and_another_story_is_not(seed):
    articles = [
        Article("a", STORY),
        Article("b", edited(STORY, 0.08, seed)),
        Article("c", OTHER),
        Article("d", STORY[: len(STORY) * 3 // 4]),
    ]
    assert find_copies(articles) == {"b": "a", "d": "a"}


def test_half_rewritten_is_another_article():
    assert find_copies([Article("a", STORY), Article("b", edited(STORY, 0.5, 0))]) == {}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6))
def test_every_copy_points_to_an_earlier_article_that_is_no_copy(texts):
    articles = [Article(str(i), text) for i, text in enumerate([*texts, *texts])]
    copies = find_copies(articles)
    for copy, first in copies.items():
        assert int(first) < int(copy)
        assert first not in copies
    assert all(str(i + len(texts)) in copies for i, text in enumerate(texts) if any(c.isalnum() for c in text))


def test_a_story_of_two_outlets_counts_once_and_names_both():
    articles = [
        Article("a", STORY, ct.DateRange.parse("2023-12-23"), outlet="The Courier"),
        Article("b", edited(STORY, 0.05, 1), ct.DateRange.parse("2023-12-23"), outlet="The Gazette"),
        Article("c", "Inge Holt said that the port is shut."),
    ]
    alone = ct.extract_statements([articles[0], articles[2]])
    told = [s for one in extract_corpus(lambda: articles) for s in one]
    assert [s.id for s in told] == [s.id for s in alone]
    assert {tuple(s.extra.get("outlets", ())) for s in told if s.source == "a"} == {("The Courier", "The Gazette")}
    assert all("outlets" not in s.extra for s in told if s.source == "c")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_article_is_named_and_the_others_are_read(workers):
    articles = [Article(f"{i}", f"story number {i} " * i + ("broken" if i == 7 else "")) for i in range(1, 30)]
    problems: list[Problem] = []
    seen: list[int] = []
    told = list(
        extract_corpus(
            lambda: articles,
            extractor=one_per_article,
            workers=workers,
            problems=problems,
            progress=lambda stage, done, total: seen.append(total - done),
        )
    )
    copies = find_copies(articles)
    assert [s.source for one in told for s in one] == [a.id for a in articles if a.id not in copies and a.id != "7"]
    assert [(p.path, "broken" in str(p)) for p in problems] == [("7", False)]
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_missing_package_ends_the_run(workers):
    with pytest.raises(MissingDependencyError, match="nothing"):
        list(extract_corpus(lambda: [Article("a", "x")], extractor=needs_a_package, workers=workers, problems=[]))


def test_an_extractor_that_gives_something_else_is_refused():
    problems: list[Problem] = []
    assert list(extract_corpus(lambda: [Article("a", "x")], extractor=lambda article: [article], problems=problems)) == []
    assert [p.path for p in problems] == ["a"]


def test_articles_are_held_one_batch_at_a_time():
    alive: set[str] = set()
    most = 0

    class Counted(str):
        def __del__(self):
            alive.discard(str(self))

    def articles():
        nonlocal most
        for i in range(300):
            text = Counted(f"text {i}")
            alive.add(str(text))
            most = max(most, len(alive))
            yield Article(str(i), text)

    assert sum(len(told) for told in extract_corpus(articles, extractor=lambda a: [Statement(a.id, "A", "x")])) == 300
    assert most <= 4


def test_scan_takes_another_extractor(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"id": str(i), "body": f"A text of its own, number {i}."}) for i in range(3)))
    report = ct.scan(path, extractor=one_per_article, device="cpu")
    assert [s.id for s in report.statements] == ["0:0", "1:0", "2:0"]
    articles = ct.read_articles(path)
    assert ct.scan(articles, extractor=one_per_article, device="cpu").statements == report.statements
