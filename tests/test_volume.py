from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def volume(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("volume", BENCHMARKS / "volume.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mixed_articles_are_no_copies_of_each_other(volume):
    from contradict import Article
    from contradict.corpus import find_copies

    records = list(volume.mixed_articles(BENCHMARKS / "written_articles", 60))
    assert find_copies(Article(r["id"], r["text"]) for r in records) == {}
    assert all(3_000 <= len(r["text"]) < 4_500 for r in records)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_articles(volume, tmp_path):
    figures = volume.measure(list(volume.mixed_articles(BENCHMARKS / "written_articles", 300)), tmp_path)
    peaks = figures["peak_mib"]
    assert peaks[-1] < 1.15 * max(peaks[:4])
