"""A small staged book: the real pages and settings, one chapter that was never executed for real, and its record."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

from experiments.artefacts import ROOT

matplotlib.use("Agg")
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(Path(__file__).parent)]

import mini_book  # noqa: E402  (needs the paths above)


def stage(folder: Path) -> Path:
    """The project's own settings and pages in `folder`, without chapters and results."""
    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("results", "*.ipynb", "__pycache__"))
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "weights").mkdir()
    return folder


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the book staged in `folder` as the project does: everything anew, warnings as errors."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(folder), "--all", "-W", "--keep-going"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)


@pytest.fixture(scope="session")
def staged(tmp_path_factory) -> Path:
    """A staged book with one chapter, its record, and a training record."""
    folder = stage(tmp_path_factory.mktemp("staged"))
    mini_book.write(folder)
    return folder


@pytest.fixture(scope="session")
def site(staged) -> Path:
    """That book as HTML."""
    done = build(staged)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return staged / "_build" / "html"


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Path:
    """The pages alone, built where nothing was ever run."""
    folder = stage(tmp_path_factory.mktemp("bare"))
    mini_book.contents(folder, chapters=[])
    done = build(folder)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder / "_build" / "html"
