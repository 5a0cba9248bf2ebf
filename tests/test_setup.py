"""The files from which an environment is made agree with each other, and say one clear line when they cannot."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml

from experiments.artefacts import ROOT
from experiments.records.doctor import pins
from experiments.records.project import Project

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = pins(ROOT / "constraints.txt")


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", requirement)[0]).lower()


def test_every_package_asked_for_is_in_the_lock():
    extras = [name for names in PROJECT["optional-dependencies"].values() for name in names]
    assert {normal(name) for name in [*PROJECT["dependencies"], *extras]} <= LOCK.keys()


def test_the_lock_is_complete_and_is_what_is_installed():
    """Whatever an installed package asks for here is in the lock too, at the version that is installed."""
    from packaging.requirements import Requirement

    seen, todo = set(), [normal(name) for name in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        assert name in LOCK, f"{name} is not in constraints.txt"
        assert metadata.version(name).partition("+")[0] == LOCK[name]
        for text in metadata.requires(name) or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                todo.append(normal(wanted.name))
    assert len(seen) > 80


def test_the_lock_has_only_exact_versions_and_no_machine_in_it():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line) for line in lines), "such as name==1.2, no +cpu"
    assert LOCK["torch"] == "2.13.0"


def test_what_the_code_imports_is_asked_for():
    """Nothing works only because another package happens to bring it."""
    names = {
        "PIL": "pillow",
        "yaml": "pyyaml",
        "IPython": "ipykernel",
        "click": "papermill",
        "packaging": "huggingface-hub",
    }
    asked = {normal(name) for name in PROJECT["dependencies"]} | {
        "sentencepiece",
        "torchvision",
        "torch-fidelity",
        "pycocotools",
    }
    sources = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "experiments").rglob("*.py")}
    sources |= {chapter.source.name: "\n".join(chapter.code()) for chapter in Project().present()}
    for name, source in sources.items():
        for module in imported(source) - set(sys.stdlib_module_names) - {"experiments"}:
            package = normal(names.get(module, module))
            assert package in asked, f"{name} imports {module}, which pyproject.toml does not ask for"


def imported(source: str) -> set[str]:
    """Names of the packages that Python text imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name.split(".")[0] for name in found}


def test_the_conda_environment_agrees_with_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    pip = next(line["pip"] for line in environment["dependencies"] if isinstance(line, dict))
    python = next(line for line in conda if line.startswith("python="))
    assert python.partition("=")[2] in ("3.11", "3.12")
    assert "--constraint constraints.txt" in pip
    assert "-e .[full,test]" in pip
    for line in pip:
        if "==" in line:
            name, _, version = line.partition("==")
            assert LOCK[normal(name)] == version, f"environment.yml has {line}, the lock has {LOCK[normal(name)]}"


def test_folders_import_only_folders_before_them():
    order = ["data", "models", "sampling", "training", "adapters", "metrics", "records"]
    for number, folder in enumerate(order):
        for file in (ROOT / "experiments" / folder).rglob("*.py"):
            for found in re.findall(
                r"^(?:from|import) experiments\.(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE
            ):
                assert found not in order[number + 1 :], f"{folder}/{file.name} imports {found}, which comes later"


def test_tracked_text_names_no_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = [
        ROOT / name
        for name in listed.stdout.splitlines()
        if name.endswith((".py", ".md", ".toml", ".txt", ".yml", ".ipynb"))
    ]
    for file in (
        file for file in texts if file.is_file() and "vendor" not in file.parts and file.name != "test_setup.py"
    ):
        found = re.search(
            r"(?<![\w.])/(?:root|home/\w+|work|opt/\w+)/", file.read_text(encoding="utf-8", errors="ignore")
        )
        assert not found, f"{file.relative_to(ROOT)} names the machine's own path {found[0]}"


# ---- make -----------------------------------------------------------------------------------------------------------


def make(*words: str, cwd=ROOT, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", *words], cwd=cwd, capture_output=True, text=True, timeout=60, env={**os.environ, **env}
    )


@pytest.fixture
def bare(tmp_path):
    """A checkout without an environment."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_help_lists_every_command():
    said = make("help").stdout
    for name in ("book", "test", "site", "chapter", "bench", "doctor", "help", "clean"):
        assert f"make {name} " in said


def test_another_python_is_refused_by_name(bare):
    old = bare / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    said = make("book", f"PYTHON={old}", cwd=bare)
    assert said.returncode and f"{old} is not Python 3.11 or 3.12" in said.stderr
    said = make("book", "PYTHON=", cwd=bare)
    assert said.returncode and "no Python 3.11 or 3.12 found" in said.stderr


def test_a_python_without_venv_is_told_what_to_install(bare):
    fake = bare / "python3.12"
    fake.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "No module named venv" >&2\nexit 1\n')
    fake.chmod(0o755)
    said = make("book", f"PYTHON={fake}", cwd=bare)
    assert said.returncode
    assert "cannot make a virtual environment; install its venv module" in said.stderr
    assert not (bare / ".venv").exists()


def test_clean_keeps_what_took_hours(bare):
    (bare / "_build" / "cache" / "training").mkdir(parents=True)
    (bare / "_build" / "html").mkdir()
    assert make("clean", cwd=bare).returncode == 0
    assert [path.name for path in (bare / "_build").iterdir()] == ["cache"]


def test_a_chapter_without_a_name_says_how():
    said = make("chapter", "-o", "environment")
    assert said.returncode and "make chapter NAME=01-conditioning" in said.stderr


def test_an_environment_that_matches_the_lists_is_left_alone(bare):
    (bare / ".venv").mkdir()
    lists = (bare / "constraints.txt").read_text() + (bare / "pyproject.toml").read_text()
    (bare / ".venv" / "installed").write_text(lists)
    assert "installing" not in make("environment", cwd=bare).stdout
    (bare / "constraints.txt").write_text("changed==1\n")
    assert "install" in make("-n", "environment", cwd=bare).stdout
