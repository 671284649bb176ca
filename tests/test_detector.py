from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import contradict as ct
from contradict import detector
from contradict.errors import ConfigError, InputError
from contradict.schema import CONFLICTS, VERDICTS
from tests.conftest import SEEDS


@pytest.fixture(scope="module")
def report(seed_statements):
    return ct.scan(seed_statements, device="cpu")


def test_findings_are_conflicts_of_one_actor_best_first(report):
    assert report.findings
    ranks = [(f.verdict == "change", -f.probability) for f in report.findings]
    assert ranks == sorted(ranks)
    for finding in report.findings:
        assert finding.verdict in CONFLICTS
        assert finding.a.actor == finding.b.actor
        assert finding.probability >= report.threshold - 1e-4
        assert set(finding.scores) == {"forward", "reverse"}
        assert finding.reasons


def test_founding_case_is_found_among_statements(report):
    """Private interest in a cease-fire against the public refusal of December 2023."""
    mine = [f for f in report.findings if f.a.actor == "Vladimir Putin" and {f.a.channel, f.b.channel} == {"private", "public"}]
    assert mine
    assert mine[0].verdict in ("contradiction", "tension")
    assert any("New York Times" in " ".join(s.attribution) for f in mine for s in (f.a, f.b))


def test_counts_add_up(report, seed_statements):
    counts = report.counts
    assert counts["statements"] == len(seed_statements)
    assert counts["candidate_pairs"] == sum(ct.count_pairs(seed_statements).values())
    assert counts["scored_pairs"] + counts["pruned_pairs"] == counts["candidate_pairs"]
    assert counts["scored_pairs"] == len(report.pairs) == len(report.scores) == len(report.verdicts)


def test_two_runs_write_the_same_bytes(report, seed_statements, tmp_path):
    again = ct.scan(list(reversed(seed_statements)), device="cpu", batch_tokens=700)
    for name, one in (("a.jsonl", report), ("b.jsonl", ct.scan(seed_statements, device="cpu"))):
        one.write(tmp_path / name)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()

    def pairs(one):  # undated statements stand in the order of the input
        return {(frozenset((f.a.id, f.b.id)), f.verdict) for f in one.findings}

    assert pairs(again) == pairs(report)


def test_threshold_moves_both_ways_without_scoring_again(report, seed_statements):
    for threshold in (0.2, 0.9):
        moved = report.rethreshold(threshold)
        fresh = ct.scan(seed_statements, device="cpu", threshold=threshold)
        assert [(f.a.id, f.b.id, f.verdict) for f in moved.findings] == [(f.a.id, f.b.id, f.verdict) for f in fresh.findings]
    assert len(report.rethreshold(0.2).findings) >= len(report.findings) >= len(report.rethreshold(0.9).findings)
    everything = report.rethreshold(0.0)
    assert len(everything.findings) + int((everything.verdicts == VERDICTS.index("insufficient")).sum()) == len(report.pairs)


def test_pruning_keeps_what_it_keeps_and_counts_the_rest(report, seed_statements):
    pruned = ct.scan(seed_statements, device="cpu", min_similarity=0.5)
    assert pruned.counts["pruned_pairs"] == int((ct.scan(seed_statements, device="cpu", min_similarity=-1).pairs.similarity < 0.5).sum())
    assert (pruned.pairs.similarity >= 0.5).all()


def test_direction_rule_and_window_are_heeded(seed_statements):
    one = ct.scan(seed_statements, device="cpu", direction="forward", rules=["private_public"], window_days=None)
    assert set(one.pairs.rules) == {"private_public"}
    assert np.isnan(one.scores.relations[:, 1]).all()
    assert all(set(f.scores) == {"forward"} for f in one.findings)


def test_many_pairs_spare_what_cannot_matter_and_find_the_same(report, seed_statements, monkeypatch, tmp_path):
    monkeypatch.setattr(detector, "MANY_PAIRS", 1)
    spared = ct.scan(seed_statements, device="cpu")
    assert spared.config.direction == "needed"
    assert [(f.a.id, f.b.id, f.verdict) for f in spared.findings] == [(f.a.id, f.b.id, f.verdict) for f in report.findings]
    assert all(set(f.scores) == {"forward", "reverse"} for f in spared.rethreshold(spared.floor).findings)
    one = np.isnan(spared.scores.relations[:, 1, 0])
    assert 0 < one.sum() == spared.counts["one_direction_pairs"] < len(one)
    assert (spared.probability[one] < spared.floor).all()
    assert f"{one.sum():,} pairs scored in one direction" in spared.summary()
    assert pairs_of(spared.rethreshold(spared.floor)) == pairs_of(report.rethreshold(spared.floor))
    with pytest.raises(ConfigError, match="pairs were scored in one direction only"):
        spared.rethreshold(spared.floor - 0.01)
    spared.write(tmp_path / "r.html")
    assert f'"floor":{spared.floor}' in (tmp_path / "r.html").read_text()


def pairs_of(one):
    return [(f.a.id, f.b.id) for f in one.findings]


def test_scan_of_nothing_and_of_one():
    assert ct.scan([], device="cpu").findings == ()
    assert ct.scan([ct.Statement("1", "Ada Orlan", "We will pay.")], device="cpu").counts["scored_pairs"] == 0


def test_same_id_twice_is_refused():
    with pytest.raises(ConfigError, match="'1' is used twice"):
        ct.scan([ct.Statement("1", "A", "We will pay."), ct.Statement("1", "A", "We will not pay.")])


def test_aliases_join_names(tmp_path):
    rows = [
        ct.Statement("1", "Orlan", "We will pay the whole sum.", channel="public"),
        ct.Statement("2", "Ada Orlan", "We will not pay the sum.", channel="private"),
    ]
    assert ct.scan(rows, device="cpu", aliases={"Ada Orlan": ["Orlan"]}).counts["candidate_pairs"] == 1


def test_skip_goes_on_and_is_counted(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({"id": "1", "actor": "A", "text": "We will pay."}) + "\n{broken\n")
    with pytest.raises(InputError):
        ct.scan(path, device="cpu")
    assert ct.scan(path, device="cpu", on_error="skip").counts["skipped_inputs"] == 1


def test_a_text_too_long_for_the_model_is_decided_by_its_sentences(tmp_path):
    filler = " ".join(f"The council met on day {day} and spoke about the roads of the valley." for day in range(60))
    rows = [
        ct.Statement("1", "A", f"{filler} The dam will be built. {filler}", channel="public"),
        ct.Statement("2", "A", "The dam will never be built.", channel="private"),
    ]
    report = ct.scan(rows, device="cpu", min_similarity=-1, threshold=0.0)
    assert report.counts["truncated_pairs"] == 0
    (finding,) = report.findings
    assert finding.evidence == ("The dam will be built.", "The dam will never be built.")
    assert any(r.name == "sentences" for r in finding.reasons)
    for suffix in (".md", ".jsonl", ".csv"):
        report.write(tmp_path / f"out{suffix}")
        assert "The dam will be built." in (tmp_path / f"out{suffix}").read_text().replace(filler, "")


def test_a_sentence_too_long_for_the_model_is_cut_and_said_so():
    rows = [
        ct.Statement("1", "A", "the dam will be built and " * 1000, channel="public"),
        ct.Statement("2", "A", "The dam will never be built.", channel="private"),
    ]
    report = ct.scan(rows, device="cpu", min_similarity=-1, threshold=0.0)
    assert report.counts["truncated_pairs"] == 1
    assert any(r.name == "truncated" for r in report.findings[0].reasons)
    assert "longer than the model reads" in report.summary()
    assert report.truncated_ids() == [("1", "2")]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threshold": 2}, "threshold is 2; expected a probability"),
        ({"threshold": "high"}, "expected a probability"),
        ({"rules": ("all",)}, "unknown pairing rule 'all'"),
        ({"direction": "up"}, "expected one of auto, forward, both, needed"),
        ({"window_days": -1}, "expected days"),
        ({"min_similarity": 7}, "cosine"),
        ({"threads": 0}, "at least 1"),
        ({"on_error": "cry"}, "stop or skip"),
        ({"speed": 1}, "unknown setting speed"),
    ],
)
def test_settings_out_of_range_are_named(tmp_path, settings, says):
    with pytest.raises(ConfigError, match=says):
        ct.Config.from_mapping(settings)
    with pytest.raises(ConfigError, match=says):
        ct.Detector(**settings)


def test_config_file_round_trip(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('threshold = 0.7\nrules = ["private_public"]\nwindow_days = "none"\n')
    assert ct.Config.from_toml(path) == ct.Config(threshold=0.7, rules=("private_public",), window_days=None)
    for text, says in (("threshold = ", "is not TOML"), ("colour = 1", "unknown setting colour")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=says):
            ct.Config.from_toml(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        ct.Config.from_toml(tmp_path / "none.toml")


def test_report_names_settings_and_models(report):
    assert report.config.threshold == report.threshold
    assert set(dataclasses.asdict(report.config)) == set(report.config.to_record())
    assert len(report.models["model"]["sha256"]) == 64


@pytest.fixture(scope="module")
def article_report():
    return ct.scan(SEEDS / "ceasefire.txt", date="2023-12-23", device="cpu")


def test_founding_case_is_the_first_finding_of_the_article(article_report):
    first = article_report.findings[0]
    assert first.verdict in ("contradiction", "tension")
    assert first.a.actor == first.b.actor == "Vladimir Putin"
    assert {first.a.channel, first.b.channel} == {"private", "public"}
    private, public = sorted((first.a, first.b), key=lambda s: s.channel)
    assert any(word in private.claim for word in ("cease-fire", "truce", "armistice"))
    assert any("New York Times" in link for link in private.attribution)
    assert str(public.date) == "2023-12-14"
    text = (SEEDS / "ceasefire.txt").read_text(encoding="utf-8")
    for statement in (private, public):
        assert text[slice(*statement.span)] == statement.text


def test_no_finding_of_the_article_joins_two_actors(article_report):
    assert all(f.a.actor == f.b.actor for f in article_report.rethreshold(0.0).findings)
