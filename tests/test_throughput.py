from __future__ import annotations

import pytest

from contradict import throughput
from contradict.errors import ConfigError


def test_pairs_are_all_different_and_the_same_for_a_seed():
    pairs = throughput.make_pairs(500)
    assert len(set(pairs)) == 500
    assert pairs == throughput.make_pairs(500)


def test_unknown_scorers_are_named():
    with pytest.raises(ConfigError, match=r"unknown scorer jax-float8; known here: torch-float32"):
        throughput.measure(scorers=["jax-float8"])


@pytest.mark.slow
def test_scorers_agree_and_the_faster_is_recommended():
    results = throughput.measure(scorers=["torch-float32", "cross_encoder"], pairs=16, rounds=1, threads=1)
    scorers = results["scorers"]
    assert scorers["cross_encoder"]["largest_difference"] < 1e-3
    assert scorers["torch-float32"]["times_cross_encoder"]["median"] > 0
    assert "torch-float32" in throughput.table(results)
    assert "--backend torch --dtype float32" in throughput.recommend(results)
