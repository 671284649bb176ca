from __future__ import annotations

import json
import subprocess
import sys

import pytest

from contradict import throughput
from contradict.errors import ConfigError
from tests.conftest import ROOT


def test_pairs_are_all_different_and_the_same_for_a_seed():
    pairs = throughput.make_pairs(500)
    assert len(set(pairs)) == 500
    assert pairs == throughput.make_pairs(500)


def test_unknown_scorers_are_named():
    with pytest.raises(ConfigError, match=r"unknown scorer jax-float8; known here: torch-float32"):
        throughput.measure(scorers=["jax-float8"])


def test_pairs_of_a_length_are_all_different_and_about_that_long(model):
    for length in throughput.LENGTHS:
        pairs = throughput._pairs_of_length(length)
        assert len(set(pairs)) == len(pairs)
        tokens = [len(ids) for ids in model.tokenize(pairs)[0]["input_ids"]]
        assert sum(tokens) / len(tokens) == pytest.approx(length, rel=0.3)


def test_the_profile_looks_at_every_budget_length_and_stage(model, monkeypatch):
    monkeypatch.setattr(throughput, "_LENGTH_TOKENS", 64)
    profile = throughput._profile(model, throughput.make_pairs(40))
    assert list(profile["pairs_per_second_by_batch_tokens"]) == [str(size) for size in throughput.BUDGETS]
    assert list(profile["tokens_per_second_by_length"]) == [str(length) for length in throughput.LENGTHS]
    assert set(profile["seconds_by_stage"]) == {"read", "tokenise", "infer", "write", "whole"}
    assert 0 <= profile["padding"] < 0.1


def test_a_faster_batch_budget_is_recommended():
    scorers = {"torch-float32": {"pairs_per_second": {"median": 100.0}}, "auto-both": {"way": "torch-float32"}}
    speed = {"512": 80.0, "1024": 120.0, "2048": 100.0}
    results = {"scorers": scorers, "profile": {"batch_tokens": 2048, "pairs_per_second_by_batch_tokens": speed}}
    said = throughput.recommend(results)
    assert "--backend torch --dtype float32 (what auto chooses): 100 pairs/s" in said
    assert "--batch-tokens 1024 is 1.20 times as fast" in said
    assert "batch-tokens" not in throughput.recommend(results | {"profile": None})


@pytest.mark.slow
def test_scorers_agree_and_the_faster_is_recommended():
    results = throughput.measure(
        scorers=["torch-float32", "cross_encoder", "auto-needed", "cross_encoder-both"], pairs=16, rounds=1, threads=1
    )
    scorers = results["scorers"]
    assert scorers["cross_encoder"]["largest_difference"] < 1e-3
    assert scorers["cross_encoder-both"]["largest_difference"] < 1e-3
    assert 0 <= scorers["auto-needed"]["second_directions"] <= 1
    assert scorers["auto-needed"]["times_cross_encoder"]["median"] > 0
    assert results["profile"]["batch_tokens"] == 2048
    assert "seconds by stage" in throughput.table(results)
    assert scorers["torch-float32"]["times_cross_encoder"]["median"] > 0
    assert "torch-float32" in throughput.table(results)
    assert "--backend torch --dtype float32" in throughput.recommend(results)


@pytest.mark.slow
def test_pairs_stream_in_flat_memory_and_survive_being_killed(tmp_path):
    out = tmp_path / "streaming.json"
    command = [sys.executable, "benchmarks/streaming.py", "--pairs", "20000", "--kills", "2", "-o", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(out.read_text())
    assert record["same_bytes"]
    assert record["killed_at"]
    assert record["peak_rss_mib"] < 1536
