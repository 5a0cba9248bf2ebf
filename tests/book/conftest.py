"""A small staged book: the real pages and settings, one chapter that was never executed for real, and its record."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from experiments.artefacts import ROOT

sys.path[:0] = [str(ROOT / "book" / "_ext"), str(Path(__file__).parent)]

import mini_book  # noqa: E402  (needs the paths above)
import mini_evaluation  # noqa: E402


@pytest.fixture(scope="session")
def staged(tmp_path_factory) -> Path:
    """A staged book with one chapter, its record, and a training record."""
    folder = mini_book.stage(tmp_path_factory.mktemp("staged"))
    mini_book.write(folder)
    mini_evaluation.write(folder)
    return folder


@pytest.fixture(scope="session")
def site(staged) -> Path:
    """That book as HTML."""
    done = mini_book.build(staged)
    assert mini_book.complaints(done) == []
    return staged / "_build" / "html"


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Path:
    """The pages alone, built where nothing was ever run."""
    folder = mini_book.stage(tmp_path_factory.mktemp("bare"))
    mini_book.contents(folder, chapters=[])
    done = mini_book.build(folder)
    assert mini_book.complaints(done) == []
    return folder / "_build" / "html"
