"""The command line as a user runs it: real processes, real files, exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import contradict
from contradict import cli, streaming
from contradict.detector import read_inputs
from tests.conftest import ROOT, SEEDS


def run(*args, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "contradict", *map(str, args)],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def call(capsys, *args):
    """Run a command in this process: its exit code and what it printed."""
    code = cli.main([str(a) for a in args])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.mark.parametrize("command", ["", *cli._COMMANDS])
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([*command.split(), "--help"])
    assert left.value.code == 0
    assert "example: contradict" in capsys.readouterr().out


def page_findings(path):
    """How many findings a page shows when it is opened."""
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text()).group(1))
    return sum(f["exact"] >= data["threshold"] for f in data["findings"])


FINDINGS = {
    "jsonl": lambda path: len(path.read_text().splitlines()),
    "csv": lambda path: len(list(csv.reader(path.open()))) - 1,
    "parquet": lambda path: pq.read_table(path).num_rows,
    "md": lambda path: path.read_text().count("\n## "),
    "html": page_findings,
}


def test_scan_writes_every_format(capsys, tmp_path):
    sizes = set()
    for suffix, count in FINDINGS.items():
        path = tmp_path / f"out.{suffix}"
        code, out, err = call(capsys, "scan", SEEDS / "statements.jsonl", "-o", path, "--device", "cpu")
        assert (code, out) == (0, "")
        assert "finding" in err
        sizes.add(count(path))
    assert len(sizes) == 1


def test_scan_of_csv_and_of_stdin_give_the_same(capsys, tmp_path):
    _, one, _ = call(capsys, "scan", SEEDS / "statements.csv", "--format", "jsonl", "--device", "cpu")
    two = run("scan", "-", "--format", "jsonl", "--device", "cpu", stdin=(SEEDS / "statements.jsonl").read_text()).stdout
    assert one == two != ""


def test_scan_prints_a_table_and_takes_a_config_file(capsys, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('threshold = 1.0\ndevice = "cpu"\n')
    code, out, _ = call(capsys, "scan", SEEDS / "statements.jsonl", "--config", config)
    assert code == 0
    assert out.startswith("0 findings among")
    _, out, _ = call(capsys, "scan", SEEDS / "statements.jsonl", "--config", config, "--threshold", "0.3")
    assert "1. " in out


def test_extract_writes_statements_that_scan_reads(capsys, tmp_path):
    path = tmp_path / "s.jsonl"
    code, _, err = call(capsys, "extract", SEEDS / "ceasefire.txt", "--date", "2023-12-23", "-o", path)
    assert code == 0
    assert "statements from 1 articles" in err
    text = (SEEDS / "ceasefire.txt").read_text()
    for statement in contradict.read_statements(path):
        assert text[slice(*statement.span)] == statement.text
    code, out, _ = call(capsys, "scan", path, "--format", "jsonl", "--device", "cpu")
    assert code == 0
    assert json.loads(out.splitlines()[0])["a"]["actor"] == "Vladimir Putin"


def test_explain_shows_the_rule_and_its_words(capsys, tmp_path):
    code, out, _ = call(capsys, "extract", SEEDS / "ceasefire.txt", "--date", "2023-12-23", "--explain")
    assert code == 0
    assert 'frame       attitude noun, cue "word"' in out
    path = tmp_path / "s.jsonl"
    assert call(capsys, "extract", SEEDS / "ceasefire.txt", "--date", "2023-12-23", "--explain", "-o", path)[0] == 0
    told = contradict.read_statements(path)
    assert [s.id for s in told] == [block.split("  ")[0] for block in out.strip().split("\n\n")]
    assert all(s.extra["why"]["cue"] for s in told)


def test_corrections_made_by_hand_are_taken_as_they_are(tmp_path):
    path = tmp_path / "s.jsonl"
    article = contradict.Article("a", "Thomas Oduya said that the port is shut. Oduya said that the dam is full.")
    rows = [s.to_record() for s in contradict.extract_statements(article)]
    assert [r["actor"] for r in rows] == ["Thomas Oduya", "Thomas Oduya"]
    # Somebody finds that the second is his brother, that it was said in private, and in May.
    rows[1] |= {"actor": "Oduya", "channel": "private", "date": "2021-05", "proposition": "The dam is not full."}
    path.write_text("\n".join(map(json.dumps, rows)))
    read = read_inputs([path])
    assert [s.to_record() for s in read] == rows
    assert [s.actor for s in read_inputs([path], aliases={"Ben Oduya": ["Oduya"]})] == ["Thomas Oduya", "Ben Oduya"]


def test_a_file_that_cannot_be_read_does_not_stop_the_others(capsys, tmp_path):
    good, bad, out = tmp_path / "good.txt", tmp_path / "bad.json", tmp_path / "s.jsonl"
    good.write_text("Inge Holt said that the port is shut.")
    bad.write_text("{broken")
    code, _, err = call(capsys, "extract", bad, good, "-o", out)
    assert code == 1
    assert f"{bad}:1: is not JSON" in err
    assert [s.text for s in contradict.read_statements(out)] == ["the port is shut"]
    code, _, err = call(capsys, "extract", bad, good, "-o", out, "--on-error", "skip")
    assert code == 0
    assert "skipped: " in err


@pytest.mark.slow
def test_workers_change_nothing_but_the_time(capsys, tmp_path):
    files = []
    for i in range(12):
        files.append(tmp_path / f"{i}.txt")
        files[-1].write_text(
            f"Inge Holt said on day {i} that the port is shut. " + "Nothing else was said. " * i + ("Holt wept." if i % 2 else "")
        )
    one = call(capsys, "extract", *files)
    assert one[0] == 0
    assert call(capsys, "extract", *files, "--workers", "2") == one


def test_pairs_counts_without_a_model():
    done = run("pairs", SEEDS / "statements.jsonl")
    assert done.returncode == 0
    expected = contradict.count_pairs(contradict.read_statements(SEEDS / "statements.jsonl"))
    assert f"private_public: {expected['private_public']:,} pairs" in done.stdout
    probe = (
        "import sys, contradict.cli as c; c.main(['pairs', sys.argv[1]]); print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", probe, str(SEEDS / "statements.jsonl")], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_score_carries_columns_and_adds_figures(capsys, tmp_path):
    path = tmp_path / "scored.csv"
    assert call(capsys, "score", SEEDS / "labelled_pairs.jsonl", "-o", path, "--device", "cpu")[0] == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    given = [json.loads(line) for line in (SEEDS / "labelled_pairs.jsonl").read_text().splitlines()]
    added = [
        "entailment",
        "neutral",
        "contradiction",
        "entailment_reverse",
        "neutral_reverse",
        "contradiction_reverse",
        "probability",
        "verdict",
    ]
    assert list(rows[0]) == [*given[0], *added]
    for row, source in zip(rows, given, strict=True):
        assert {k: row[k] for k in source} == source
        assert sum(float(row[k]) for k in added[:3]) == pytest.approx(1, abs=2e-4)
        assert 0 <= float(row["probability"]) <= 1
    _, out, _ = call(capsys, "score", SEEDS / "labelled_pairs.jsonl", "--direction", "forward", "--device", "cpu")
    first = json.loads(out.splitlines()[0])
    assert "entailment_reverse" not in first
    assert first["contradiction"] == pytest.approx(float(rows[0]["contradiction"]), abs=2e-4)


def test_score_leaves_the_cells_of_a_spared_direction_empty(capsys, tmp_path):
    path = tmp_path / "scored.jsonl"
    flags = ("--device", "cpu", "-o", path)
    assert call(capsys, "score", SEEDS / "labelled_pairs.jsonl", *flags)[0] == 0
    both = [json.loads(line) for line in path.read_text().splitlines()]
    assert call(capsys, "score", SEEDS / "labelled_pairs.jsonl", "--direction", "needed", *flags)[0] == 0
    needed = [json.loads(line) for line in path.read_text().splitlines()]
    conflicts = [row["id"] for row in both if row["verdict"] in ("contradiction", "tension")]
    assert [row["id"] for row in needed if row["verdict"] in ("contradiction", "tension")] == conflicts
    spared = {row["id"] for row in needed if row["contradiction_reverse"] is None}
    assert spared
    assert spared.isdisjoint(conflicts)
    for command in ("evaluate", "calibrate"):
        code, _, err = call(capsys, command, SEEDS / "labelled_pairs.jsonl", "--direction", "needed", "-o", tmp_path / "x.json")
        assert (code, "need 'both' or 'forward'" in err) == (2, True)


def test_score_refuses_a_column_it_would_overwrite(capsys, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"premise": "a b", "hypothesis": "c d", "verdict": "mine"}\n')
    code, _, err = call(capsys, "score", path)
    assert code == 1
    assert "verdict: is a column that this command adds" in err


def test_evaluate_prints_and_writes_all_figures(capsys, tmp_path):
    path = tmp_path / "m.json"
    flags = ("--resamples", "50", "--slice", "phenomenon", "--device", "cpu", "-o", path)
    code, out, _ = call(capsys, "evaluate", SEEDS / "labelled_pairs.jsonl", *flags)
    assert code == 0
    (result,) = json.loads(path.read_text())["models"].values()
    for name in ("accuracy", "macro_f1"):
        assert name in out
        assert set(result["metrics"][name]) >= {"value", "low", "high"}
    assert result["slices"]
    code, out, _ = call(
        capsys, "evaluate", SEEDS / "labelled_pairs.jsonl", "--where", "label=neutral", "--resamples", "10", "--device", "cpu"
    )
    assert code == 0
    assert "(12 pairs)" in out
    code, _, err = call(capsys, "evaluate", SEEDS / "labelled_pairs.jsonl", "--where", "label=none")
    assert code == 2
    assert "no pair is left" in err


def test_a_dismissed_finding_does_not_come_back_and_an_edited_text_brings_it_back(capsys, tmp_path):
    ledger, reviews, given = tmp_path / "l.sqlite", tmp_path / "r.jsonl", tmp_path / "s.jsonl"
    given.write_text((SEEDS / "statements.jsonl").read_text())

    def scan(*flags):
        code, out, err = call(capsys, "scan", given, "--format", "jsonl", "--device", "cpu", "--ledger", ledger, *flags)
        assert (code, err) == (0, "")
        return [json.loads(line) for line in out.splitlines()]

    first, *rest = scan()
    pair = first["a"]["id"], first["b"]["id"]
    review = {"a": first["b"], "b": first["a"], "label": "compatible", "reviewed": "2024-05-01T09:30:00Z", "note": "a quotation"}
    reviews.write_text(json.dumps(review) + "\n")
    assert call(capsys, "review", "import", reviews, "--ledger", ledger)[::2] == (0, f"{ledger}: 1 of 1 reviews were new or changed\n")
    assert scan() == rest
    assert scan("--show-dismissed") == [first, *rest]
    code, out, err = call(capsys, "review", "list", "--ledger", ledger)
    key = contradict.schema.pair_key(first["a"]["text"], first["b"]["text"])[:12]
    assert (code, out) == (0, f"{key}  2024-05-01 09:30  compatible     {pair[1]} x {pair[0]}  a quotation\n")
    assert err == "1 reviews, 1 of them dismissed\n"
    exported = tmp_path / "pairs.jsonl"
    assert call(capsys, "review", "export", "--ledger", ledger, "-o", exported)[0] == 0
    (labelled,) = contradict.read_labelled_pairs(exported)
    assert (labelled.premise, labelled.hypothesis, labelled.label) == (first["b"]["text"], first["a"]["text"], "compatible")
    assert call(capsys, "review", "import", exported, "--ledger", ledger)[2] == f"{ledger}: 0 of 1 reviews were new or changed\n"
    assert call(capsys, "review", "withdraw", key, "--ledger", ledger)[::2] == (0, f"{ledger}: 1 review withdrawn\n")
    assert scan() == [first, *rest]
    assert call(capsys, "review", "import", exported, "--ledger", ledger)[2] == f"{ledger}: 0 of 1 reviews were new or changed\n"
    assert scan() == [first, *rest]
    code, _, err = call(capsys, "review", "withdraw", key, "--ledger", ledger)
    assert (code, "fits no reviews; contradict review list names them" in err) == (1, True)
    reviews.write_text(json.dumps(review | {"reviewed": "2999-01-01T00:00:00Z"}) + "\n")
    call(capsys, "review", "import", reviews, "--ledger", ledger)
    assert scan() == rest
    given.write_text(
        given.read_text().replace(
            json.dumps(first["a"]["text"], ensure_ascii=False)[:-2], json.dumps(first["a"]["text"], ensure_ascii=False)[:-2] + " !"
        )
    )
    assert pair in {(f["a"]["id"], f["b"]["id"]) for f in scan()}


def test_a_ledger_that_is_missing_is_made_by_import_only(capsys, tmp_path):
    for action in ("list", "export"):
        code, _, err = call(capsys, "review", action, "--ledger", tmp_path / "none.sqlite")
        assert code == 1
        assert "no such ledger" in err
    assert list(tmp_path.iterdir()) == []


def test_calibrate_writes_what_other_commands_take(capsys, tmp_path):
    path = tmp_path / "calibration.json"
    pairs = SEEDS / "labelled_pairs.jsonl"
    code, out, _ = call(capsys, "calibrate", pairs, "-o", path, "--device", "cpu", "--base-rate", "0.1", "--false-alarms", "0.1")
    assert code == 0
    assert "expected_precision_0.1" in out
    record = json.loads(path.read_text())
    assert record["fitted"]["on"] == "60 pairs, 24 of them conflicts"
    code, out, _ = call(capsys, "evaluate", pairs, "--calibration", path, "--resamples", "0", "--device", "cpu")
    assert code == 0
    assert f"flagged from {record['threshold']:g} on" in out
    (specificity,) = [float(line.split()[1]) for line in out.splitlines() if line.startswith("specificity_conflict ")]
    assert specificity >= 0.9
    limits = ("--false-alarms", "neutral=0.25", "--false-alarms", "entailment=0.25")
    code, _, _ = call(capsys, "calibrate", pairs, "-o", tmp_path / "by_label.json", "--device", "cpu", *limits)
    assert code == 0
    flagged = json.loads((tmp_path / "by_label.json").read_text())["fitted"]["flagged"]
    assert max(flagged["neutral"], flagged["entailment"]) <= 0.25
    code, _, err = call(capsys, "calibrate", pairs, "-o", path, *limits, "--false-alarms", "0.1")
    assert (code, "expected one SHARE, or LABEL=SHARE" in err) == (2, True)
    few = tmp_path / "few.jsonl"
    few.write_text("".join(pairs.read_text().splitlines(keepends=True)[:4]))
    code, _, err = call(capsys, "calibrate", few, "-o", tmp_path / "few.json", "--device", "cpu")
    assert (code, "too few conflicts" in err) == (1, True)
    path.write_text(json.dumps(record | {"fitted": {"model_sha256": "0"}}))
    code, _, err = call(capsys, "scan", SEEDS / "statements.jsonl", "--calibration", path, "--device", "cpu")
    assert code == 2
    assert "fitted to other weights" in err
    code, _, err = call(capsys, "scan", SEEDS / "statements.jsonl", "--calibration", tmp_path / "none.json", "--device", "cpu")
    assert (code, "no such file" in err) == (2, True)


def test_evaluate_compares_models_on_a_page_with_the_figures_beside_it(capsys, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(ROOT / "models" / "nli-minilm", other, ignore=shutil.ignore_patterns("calibration.json"))
    flags = ("--model", ROOT / "models" / "nli-minilm", "--model", other, "--resamples", "20", "--slice", "phenomenon", "--device", "cpu")
    code, out, _ = call(capsys, "evaluate", SEEDS / "labelled_pairs.jsonl", *flags, "-o", tmp_path / "e.html")
    assert code == 0
    assert f"{other} minus {ROOT / 'models' / 'nli-minilm'}: accuracy +0.000" in out
    record = json.loads((tmp_path / "e.json").read_text())
    with (tmp_path / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    figures = {(r["model"], r["slice"], r["slice_value"], r["figure"]): r["value"] for r in rows}
    for name, model in record["models"].items():
        for figure, m in model["metrics"].items():
            assert figures[name, "", "", figure] == ("" if m["value"] is None else str(m["value"]))
        for value, part in model["slices"]["phenomenon"].items():
            assert float(figures[name, "phenomenon", value, "flag_rate"]) == part["flag_rate"]["value"]
    old, new = (m["metrics"]["recall_conflict"]["value"] for m in record["models"].values())
    (difference,) = [d["value"] for d in record["differences"] if d["figure"] == "recall_conflict"]
    assert difference == pytest.approx(new - old)
    page = (tmp_path / "e.html").read_text()
    assert page.count('class="curve m') >= 2
    assert "Worst misses" in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("scan", "none.jsonl"), 1, "none.jsonl: no such file"),
        (("scan", "seeds/statements.jsonl", "--model", "./none"), 1, "no such model folder"),
        (("scan", "seeds/statements.jsonl", "-o", "x.doc"), 2, "unknown suffix"),
        (("scan", "seeds/statements.jsonl", "-o", "no/where/x.md"), 2, "no such folder"),
        (("scan", "seeds/statements.jsonl", "--rule", "any"), 2, "unknown pairing rule"),
        (("scan", "seeds/statements.jsonl", "--direction", "up"), 2, "expected one of auto, forward, both, needed"),
        (("scan", "seeds/ceasefire.txt", "--date", "soon"), 2, "--date: 'soon' is not"),
        (("extract", "seeds/statements.csv"), 1, "unknown suffix; articles are .txt"),
    ],
)
def test_errors_have_their_exit_code_and_one_clear_line(capsys, monkeypatch, args, code, says):
    monkeypatch.chdir(ROOT)
    got, out, err = call(capsys, *args)
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert says in err


@pytest.mark.parametrize("args", [(), ("scan",), ("fly",), ("score", "x", "--threads", "many")])
def test_usage_errors_exit_with_2(args):
    with pytest.raises(SystemExit) as left:
        cli.main(list(args))
    assert left.value.code == 2


def test_missing_optional_package_exits_with_3_and_the_command(capsys, monkeypatch, tmp_path):
    page = tmp_path / "a.html"
    page.write_text("<p>text</p>")
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    code, _, err = call(capsys, "scan", page)
    assert code == 3
    assert "pip install 'contradict-nli[articles]'" in err


def test_bad_rows_stop_or_are_skipped(capsys, tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text((SEEDS / "statements.jsonl").read_text() + "{broken\n")
    out = tmp_path / "out.jsonl"
    code, _, err = call(capsys, "scan", path, "-o", out, "--device", "cpu")
    assert code == 1
    assert "is not JSON" in err
    assert not out.exists()
    code, _, err = call(capsys, "scan", path, "-o", out, "--device", "cpu", "--on-error", "skip")
    assert code == 0
    assert "skipped: " in err
    assert out.exists()


def test_an_interrupted_scoring_goes_on_and_gives_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_CHUNK", 8)
    path = tmp_path / "pairs.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["premise", "hypothesis", "n"])
        writer.writerows([f"The dam number {i} will be built.", f"No dam {i} was ever planned here.", i] for i in range(30))
    real = streaming.score_pairs

    def interrupted_after(calls):
        left = iter(range(calls))

        def score(*args, **options):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return real(*args, **options)

        return score

    for suffix in ("csv", "jsonl", "parquet"):
        whole, broken = tmp_path / f"whole.{suffix}", tmp_path / f"broken.{suffix}"
        assert cli.main(["score", str(path), "-o", str(whole), "--device", "cpu"]) == 0
        monkeypatch.setattr(streaming, "score_pairs", interrupted_after(2))
        assert cli.main(["score", str(path), "-o", str(broken), "--device", "cpu"]) == 130
        assert not broken.exists()
        with Path(f"{broken}.partial").open("ab") as file:
            file.write(b"half a record")
        monkeypatch.setattr(streaming, "score_pairs", interrupted_after(2))  # 14 pairs are left: two chunks
        assert cli.main(["score", str(path), "-o", str(broken), "--device", "cpu"]) == 0
        monkeypatch.setattr(streaming, "score_pairs", real)
        assert broken.read_bytes() == whole.read_bytes()
        assert not Path(f"{broken}.partial").exists()


def test_a_partial_file_of_other_pairs_or_settings_is_begun_anew(tmp_path, capsys):
    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "out.jsonl"
    pairs.write_text('{"premise": "We will pay.", "hypothesis": "Nobody will pay."}\n')
    Path(f"{out}.partial").write_bytes(b"x" * 500)
    assert call(capsys, "score", pairs, "-o", out, "--device", "cpu")[0] == 0
    expected = out.read_bytes()
    assert call(capsys, "score", pairs, "-o", out, "--device", "cpu")[0] == 0
    assert out.read_bytes() == expected


def test_interrupt_of_a_process_names_the_file_it_goes_on_from(tmp_path):
    path = tmp_path / "big.jsonl"
    with path.open("w") as file:
        for i in range(20_000):
            file.write(
                json.dumps({"premise": f"The dam number {i} will be built.", "hypothesis": f"No dam {i} was ever planned here."}) + "\n"
            )
    partial = tmp_path / "out.jsonl.partial"
    command = [sys.executable, "-m", "contradict", "score", str(path), "-o", str(tmp_path / "out.jsonl"), "--device", "cpu"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    deadline = time.monotonic() + 90
    while not partial.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == f"interrupted; the same command goes on from {partial}"
    assert sorted(tmp_path.iterdir()) == [path, partial]
