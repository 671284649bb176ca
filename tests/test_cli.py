"""The command line as a user runs it: real processes, real files, exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import contradict
from contradict import cli, streaming
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
        cli.main([*([command] if command else []), "--help"])
    assert left.value.code == 0
    assert "example: contradict" in capsys.readouterr().out


def test_scan_writes_every_format(capsys, tmp_path):
    sizes = set()
    for suffix in ("jsonl", "csv", "parquet", "md"):
        path = tmp_path / f"out.{suffix}"
        code, out, err = call(capsys, "scan", SEEDS / "statements.jsonl", "-o", path, "--device", "cpu")
        assert (code, out) == (0, "")
        assert "finding" in err
        sizes.add({"jsonl": lambda p: len(p.read_text().splitlines()), "csv": lambda p: len(list(csv.reader(p.open()))) - 1,
                   "parquet": lambda p: pq.read_table(p).num_rows, "md": lambda p: p.read_text().count("\n## ")}[suffix](path))  # fmt: skip
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
    assert "statements from 1 of 1 articles" in err
    text = (SEEDS / "ceasefire.txt").read_text()
    for statement in contradict.read_statements(path):
        assert text[slice(*statement.span)] == statement.text
    code, out, _ = call(capsys, "scan", path, "--format", "jsonl", "--device", "cpu")
    assert code == 0
    assert json.loads(out.splitlines()[0])["a"]["actor"] == "Vladimir Putin"


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


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("scan", "none.jsonl"), 1, "none.jsonl: no such file"),
        (("scan", "seeds/statements.jsonl", "--model", "./none"), 1, "no such model folder"),
        (("scan", "seeds/statements.jsonl", "-o", "x.doc"), 2, "unknown suffix"),
        (("scan", "seeds/statements.jsonl", "-o", "no/where/x.md"), 2, "no such folder"),
        (("scan", "seeds/statements.jsonl", "--rule", "any"), 2, "unknown pairing rule"),
        (("scan", "seeds/statements.jsonl", "--direction", "up"), 2, "expected one of forward, both"),
        (("scan", "seeds/ceasefire.txt", "--date", "soon"), 2, "--date: 'soon' is not"),
        (("extract", "seeds/statements.jsonl"), 1, "unknown suffix; articles are .txt"),
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
