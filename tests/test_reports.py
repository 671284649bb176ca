from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

import contradict as ct
from contradict.errors import ConfigError, InputError
from contradict.reports import atomic_path, print_table
from contradict.schema import Reason


@pytest.fixture(scope="module")
def report(seed_statements):
    return ct.scan(seed_statements, device="cpu")


def test_every_format_holds_the_same_findings(report, tmp_path):
    for suffix in (".jsonl", ".csv", ".parquet", ".md"):
        report.write(tmp_path / f"f{suffix}")
    records = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    assert list(records[0]) == [
        "verdict", "probability", "similarity", "rule", "scores", "reasons", "innocent_reading", "deciding_words", "a", "b",
    ]  # fmt: skip
    with (tmp_path / "f.csv").open(newline="") as file:
        flat = list(csv.DictReader(file))
    table = pq.read_table(tmp_path / "f.parquet").to_pylist()
    markdown = (tmp_path / "f.md").read_text()
    assert len(records) == len(flat) == len(table) == len(report.findings) == markdown.count("\n## ")
    for record, row, cells, finding in zip(records, flat, table, report.findings, strict=True):
        assert record == finding.to_record()
        assert row["a_text"] == cells["a_text"] == record["a"]["text"] == finding.a.text
        assert float(row["probability"]) == cells["probability"] == record["probability"]
        assert row["b_channel"] == record["b"]["channel"]
        assert float(row["forward_contradiction"]) == record["scores"]["forward"]["contradiction"]
    assert list(flat[0]) == list(table[0])


def test_statement_records_of_findings_read_back(report):
    from contradict.readers import _Record, _statement

    for finding in report.findings:
        record = json.loads(json.dumps(finding.to_record()))
        assert _statement(_Record("-", 1, record["a"], [])) == finding.a


def test_no_findings_still_make_whole_files(report, tmp_path):
    empty = replace(report, findings=())
    for suffix in (".jsonl", ".csv", ".parquet", ".md"):
        empty.write(tmp_path / f"f{suffix}")
    assert (tmp_path / "f.jsonl").read_bytes() == b""
    assert (tmp_path / "f.csv").read_text().startswith("verdict,probability")
    assert pq.read_table(tmp_path / "f.parquet").num_rows == 0


def test_unknown_suffix_and_folder(report, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown suffix '\.doc'; known: \.jsonl, \.csv, \.parquet, \.md, \.html"):
        report.write(tmp_path / "f.doc")
    with pytest.raises(InputError, match="cannot be written"):
        report.write(tmp_path / "none" / "f.jsonl")


def test_a_broken_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "f.jsonl"
    target.write_text("old")

    def interrupted():
        with atomic_path(target) as path:
            path.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_pairs_held_back_are_counted_and_shown_when_asked_for(tmp_path):
    rows = [
        ct.Statement("1", "A", "We don't pay for the dam.", channel="public"),
        ct.Statement("2", "A", "We dont pay for the dam", channel="private"),
        ct.Statement("3", "A", "We pay for the whole dam.", channel="private"),
    ]
    scan = ct.scan(rows, device="cpu", min_similarity=-1, threshold=0.0)
    assert scan.held == {"equal_wording": 1}
    assert "1 flagged pair held back (equal_wording 1)." in scan.summary()
    assert {(f.a.id, f.b.id) for f in scan.findings} == {("1", "3"), ("2", "3")}
    everything = replace(scan, config=replace(scan.config, show_held=True)).rethreshold(0.0)
    assert everything.findings[:2] == scan.findings
    held = everything.findings[2]
    assert (held.verdict, held.reasons[0].name, held.reasons[0].effect) == ("compatible", "equal_wording", "gate")
    assert everything.summary() == scan.summary()


def test_the_words_of_reasons_are_marked(report, tmp_path, capsys):
    said = {
        "a": ct.Statement("1", "A", "It may *never* be built.", channel="private"),
        "b": ct.Statement("2", "A", "It will.", proposition="The dam will be built.", channel="public"),
    }
    told = (Reason("hedge", "note", "only a is hedged (may)", {"a": ((3, 6),)}), Reason("negation", "note", "only a", {"a": ((8, 13),)}))
    marked = replace(report, findings=(replace(report.findings[0], **said, reasons=told),))
    marked.write(tmp_path / "f.md")
    text = (tmp_path / "f.md").read_text()
    assert "> It **may** \\***never**\\* be built." in text
    assert "Read as: The dam will be built." in text
    marked.write(tmp_path / "f.jsonl")
    assert json.loads((tmp_path / "f.jsonl").read_text())["reasons"][0] == {
        "name": "hedge", "effect": "note", "detail": "only a is hedged (may)", "spans": {"a": [[3, 6]]},
    }  # fmt: skip
    marked.write(tmp_path / "f.csv")
    with (tmp_path / "f.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["reasons"] == "hedge: only a is hedged (may); negation: only a"
    print_table(marked, width=110)
    assert "hedge: only a is hedged (may)" in capsys.readouterr().out


def test_grades_of_another_vocabulary_stand_behind_the_verdict(report, tmp_path):
    other = replace(report, config=replace(report.config, vocabulary="flip-o-meter"))
    for suffix in (".jsonl", ".csv", ".parquet", ".md", ".html"):
        other.write(tmp_path / f"f{suffix}")
    records = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    grades = [record["grade"] for record in records]
    assert {"Full Flop", "Half Flip"} & set(grades)
    assert list(records[0])[:3] == ["verdict", "grade", "probability"]
    assert [row["grade"] for row in pq.read_table(tmp_path / "f.parquet").to_pylist()] == grades
    assert all(f", {grade} (probability" in (tmp_path / "f.md").read_text() for grade in grades if grade)
    assert all(grade in (tmp_path / "f.html").read_text() for grade in grades if grade)
    with pytest.raises(ConfigError, match="vocabulary is 'stars'; expected one of flip-o-meter"):
        replace(report.config, vocabulary="stars")


HOSTILE = "| <script>alert(1)</script> **bold** [link](x)\n# head\n\n=1+1 “quote” \u202eRTL"


def test_hostile_text_stays_text(report, tmp_path):
    finding = report.findings[0]
    bad = replace(report, findings=(replace(finding, a=replace(finding.a, text=HOSTILE)),))
    bad.write(tmp_path / "f.md")
    markdown = (tmp_path / "f.md").read_text()
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert "\n# head" not in markdown
    for suffix in (".jsonl", ".csv", ".parquet"):
        bad.write(tmp_path / f"f{suffix}")
    assert json.loads((tmp_path / "f.jsonl").read_text())["a"]["text"] == HOSTILE
    assert next(csv.DictReader(io.StringIO((tmp_path / "f.csv").read_text(), newline="")))["a_text"] == HOSTILE
    assert pq.read_table(tmp_path / "f.parquet").to_pylist()[0]["a_text"] == HOSTILE


@pytest.mark.parametrize("width", [60, 110, 200])
def test_table_shows_both_texts_reporters_dates_and_verdict(report, capsys, width):
    print_table(report, width=width)
    shown = " ".join(capsys.readouterr().out.replace("│", " ").replace("┃", " ").split())
    for finding in report.findings:
        assert f"{finding.verdict} probability {finding.probability:.2f}" in shown
        for statement in (finding.a, finding.b):
            assert statement.text.split()[0] in shown
            assert statement.channel in shown
    assert "not a verdict on anybody's honesty" in shown


def test_a_report_never_speaks_of_lies(report):
    own = [report.summary(), *(f.verdict for f in report.findings), *(str(r) for f in report.rethreshold(0.0).findings for r in f.reasons)]
    assert not re.search(r"\b(?:lie[sd]?|lying|liars?)\b", " ".join(own), re.IGNORECASE)
