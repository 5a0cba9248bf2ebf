"""The command line: help, exit codes, one line for what was wrong; and papermill from a plain shell."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.artefacts import ROOT

COMMANDS = ("build", "site", "chapter", "record", "status", "train", "bench", "doctor")


def test_every_command_explains_itself_and_an_unknown_one_is_a_usage_error(tree):
    said = tree.command("--help")
    assert said.returncode == 0
    assert all(name in said.stdout for name in COMMANDS)
    wrong = tree.command("biuld")
    assert wrong.returncode == 2 and "biuld" in wrong.stderr


def test_each_command_has_help():
    from experiments.__main__ import parser

    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([name, "--help"])
        assert ended.value.code == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["1", "scael=smoke"], "unknown parameter scael; did you mean scale?"),
        (["1", "scale=huge"], "choose one of smoke, mini, full"),
        (["1", "seed=abc"], "seed must be a whole number"),
        (["1", "smoke"], "'smoke' is no parameter; write NAME=VALUE"),
        (["7"], "no chapter '7'; the book has: 01-circle, 02-square"),
    ],
)
def test_a_wrong_chapter_or_parameter_ends_before_anything_runs(tree, words, line):
    failed = tree.command("chapter", *words)
    assert failed.returncode == 1
    assert line in failed.stderr and len(failed.stderr.strip().splitlines()) == 1
    assert not (tree.root / "_build").exists()


def test_a_chapter_runs_with_parameters_of_ones_own_and_leaves_the_book_alone(tree):
    done = tree.command("chapter", "1", "scale=smoke", "sizes=[5]")
    assert done.returncode == 0, done.stderr
    record = json.loads((tree.root / "_build/chapters/01-circle/record.json").read_text())
    assert record["parameters"] == {"scale": "smoke", "seed": 0, "sizes": [5.0]}
    assert record["metrics"]["area"]["value"] == pytest.approx(15.7)
    assert not list((tree.root / "_build").glob("results/*"))


def test_status_tells_missing_built_recorded_and_stale_apart(done):
    done.edit(
        "experiments/__main__.py",
        "from experiments.models.recipes import RECIPES",
        'RECIPES = {"compass": None, "sextant": None}',
    )
    done.edit(  # the toys have none, and those of the project take a while to import
        "experiments/__main__.py",
        "    from experiments.studies import study\n\n    return {one.name: study.state(one) for one in study.all_studies()}",
        '    return {"tides": (1, 3)}',
    )

    def state(name):
        found = re.search(rf"^  {name} +(\S+) +(.*)$", done.command("status").stdout, re.MULTILINE)
        return found[1], found[2]

    assert state("01-circle")[0] == "built"
    assert done.command("record").returncode == 0
    assert state("01-circle")[0] == "recorded"
    done.edit("experiments/toys/circle.py", "3.14", "3.1416")
    assert state("01-circle") == ("stale", "a module that it uses changed; `make book` executes it again")
    assert state("02-square")[0] == "recorded"
    assert state("sextant")[0] == "missing"
    assert state("compass") == ("under-trained", "accuracy 0.5 < 0.9; 5 of 10 images")
    assert state("tides") == ("partial", "1 of 3 parts")
    said = done.command("status").stdout
    assert said.index("sextant") < said.index("compass"), "what needs training most comes first"


def test_doctor_fails_on_what_is_needed_and_says_what_to_do(tree):
    said = tree.command("doctor")
    assert "ok    Python 3.1" in said.stdout
    (tree.root / "constraints.txt").unlink()
    missing = tree.command("doctor")
    assert missing.returncode == 1
    assert "FAIL  no constraints.txt: restore it" in missing.stdout


def test_a_missing_package_is_one_line(tree):
    (tree.root / "yaml.py").write_text("raise ModuleNotFoundError(\"No module named 'yaml'\", name='yaml')\n")
    failed = tree.command("status")
    assert failed.returncode == 1
    assert (
        failed.stderr.strip()
        == "error: the package yaml is missing; run `make book`, which installs what the lock file lists"
    )


def test_progress_moves_on_a_terminal_only(done):
    assert "\r" not in done.command("build", "--no-pages").stdout
    done.edit("book/01-circle.ipynb", "value = run.metric", "import time; time.sleep(2)\\nvalue = run.metric")
    terminal, inner = pty.openpty()
    with open(terminal, "rb", buffering=0) as reading:
        subprocess.run(done._line(("build", "--no-pages")), **done._options(), stdout=inner, stderr=inner, timeout=300)
        os.close(inner)
        seen = b""
        try:
            while block := reading.read(65536):
                seen += block
        except OSError:
            pass
    assert b"\r" in seen and b"01-circle" in seen


# ---- papermill from a plain shell -----------------------------------------------------------------------------------


def papermill(source: Path, target: Path, name: str, value: str, folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "papermill", str(source), str(target), "-p", name, value, "--no-progress-bar"]
    env = {key: text for key, text in os.environ.items() if not key.startswith("EXPERIMENTS_")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture
def notebook(tmp_path) -> Path:
    """A chapter outside the project, as a reader may write one; the installed package serves it."""
    source = ROOT / "tests" / "fixtures" / "tree" / "book" / "01-circle.ipynb"
    text = source.read_text(encoding="utf-8").replace("from experiments.toys.circle import AREA", "AREA = 3.14")
    (tmp_path / "own.ipynb").write_text(text, encoding="utf-8")
    return tmp_path / "own.ipynb"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scael", "smoke", "unknown parameter scael; did you mean scale?"),
        ("scale", "huge", "scale cannot be 'huge'; choose one of smoke, mini, full"),
        ("seed", "abc", "parameter seed must be a whole number such as 0, not 'abc'"),
    ],
)
def test_papermill_refuses_a_wrong_parameter_in_one_line(notebook, tmp_path, name, value, words):
    failed = papermill(notebook, tmp_path / "out.ipynb", name, value, tmp_path)
    assert failed.returncode != 0
    assert [line for line in failed.stderr.splitlines() if "Error" in line] == [
        line for line in failed.stderr.splitlines() if words in line
    ]
    assert "Traceback" not in failed.stderr


def test_papermill_takes_right_ones_lists_as_text_too(notebook, tmp_path):
    done = papermill(notebook, tmp_path / "out.ipynb", "sizes", "[2, 4]", tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "_build/out/01-circle/record.json").read_text())
    assert record["parameters"]["sizes"] == [2.0, 4.0]
    assert record["metrics"]["area"]["value"] == pytest.approx(6.28)


def test_without_the_plug_in_the_run_itself_refuses(tree):
    """A kernel started by anything else than the installed papermill checks what was injected."""
    code = (
        "from papermill.engines import papermill_engines, NBClientEngine\n"
        "papermill_engines.register(None, NBClientEngine)\n"
        "import papermill\n"
        "papermill.execute_notebook('book/01-circle.ipynb', 'out.ipynb', {'scael': 'smoke'}, progress_bar=False)"
    )
    failed = subprocess.run([sys.executable, "-c", code], **tree._options(), capture_output=True, timeout=300)
    assert failed.returncode != 0
    assert failed.stderr.strip().endswith(
        "ParameterError: unknown parameter scael; did you mean scale?; this chapter has: scale, seed, sizes"
    )
