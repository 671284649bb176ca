from __future__ import annotations

import re
import subprocess
import sys

import pytest

import contradict as ct
from tests.conftest import ROOT


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, **options)


def test_all_is_sorted_complete_and_resolves():
    assert ct.__all__ == sorted(ct.__all__, key=lambda n: (not n.isupper(), n[0].islower(), n))
    assert set(ct.__all__) == set(ct._MODULE)
    for name in ct.__all__:
        assert getattr(ct, name) is not None
        assert name in dir(ct)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ct.nothing


def test_import_is_light():
    heavy = ("torch", "transformers", "spacy", "pyarrow", "sentence_transformers", "sklearn", "pandas", "rich")
    shown = python(f"import sys, contradict; print([m for m in {heavy} if m in sys.modules])")
    assert shown.stdout.strip() == "[]", shown.stderr


@pytest.mark.parametrize(("command", "most"), [(("-c", "import contradict"), 0.5), (("-m", "contradict", "--help"), 0.8)])
def test_starting_takes_little_of_the_processor(command, most):
    """Idle, a quarter of that; benchmarks/startup.py measures it. Processor time, as the machine may be busy."""
    resource = pytest.importorskip("resource")
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < most


def test_modules_import_no_model_package_by_themselves():
    names = sorted(p.stem for p in (ROOT / "contradict").glob("*.py") if not p.stem.startswith("__"))
    code = "import sys\n" + "\n".join(f"import contradict.{n}" for n in names)
    code += "\nprint([m for m in ('torch', 'transformers', 'spacy', 'sentence_transformers') if m in sys.modules])"
    shown = python(code)
    assert shown.stdout.strip() == "[]", shown.stderr


def test_another_package_of_our_name_fails_loudly(tmp_path):
    (tmp_path / "contradict_text-0.2.1.dist-info").mkdir()
    (tmp_path / "contradict_text-0.2.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: contradict-text\nVersion: 0.2.1\n")
    shown = python(f"import sys; sys.path.append({str(tmp_path)!r}); import contradict")
    assert shown.returncode == 1
    assert "pip uninstall contradict-text" in shown.stderr


def test_command_line_refuses_to_run_on_another_package(monkeypatch, capsys):
    from contradict import cli

    monkeypatch.delattr(ct, "DISTRIBUTION")
    assert cli.main(["pairs", "x"]) == 1
    assert "belongs to another distribution" in capsys.readouterr().err


def test_every_public_name_is_documented():
    for name in ct.__all__:
        if name != "RULES":
            assert getattr(ct, name).__doc__, name


def test_readme_commands_and_code_run():
    """The example of the API in the README, and that each command it shows parses."""
    from contradict import cli

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(import contradict as ct\n.*?)```", text, re.DOTALL)
    shown = python(example)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout
    parser = cli._parser()
    commands = re.findall(r"^contradict ((?:scan|extract|pairs|score|evaluate) .*)$", text, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        parser.parse_args(command.split("#")[0].split())


def test_tables_in_the_documents_are_those_of_the_results_files():
    done = subprocess.run([sys.executable, "benchmarks/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
