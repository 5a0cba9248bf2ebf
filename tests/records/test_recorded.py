"""The results committed with the project pass the same gate as fresh ones."""

from __future__ import annotations

import pytest

from experiments.records import promote, record
from experiments.records.project import Project

PROJECT = Project()


@pytest.mark.parametrize("chapter", PROJECT.present(), ids=lambda chapter: chapter.name)
def test_every_chapter_has_a_recorded_result_that_passes_the_gate(chapter):
    folder = PROJECT.recorded / chapter.name
    assert folder.is_dir(), f"run `make book` and `make record`, and commit {folder.relative_to(PROJECT.root)}"
    assert promote.faults(folder, chapter.name, chapter.notebook()) == []
    left = record.read(folder)
    assert left["scale"] in ("mini", "full")
    assert left["commit"], "a recorded result names the commit that made it"
    silent = [claim for claim, given in left["claims"].items() if not given.get("finding")]
    assert silent == [], "a verdict says what was found: call `run.conclude` after `run.claim`"


def test_no_recorded_notebook_names_a_folder_of_the_machine_that_made_it():
    for notebook in (PROJECT.recorded).glob("*/notebook.ipynb"):
        text = notebook.read_text(encoding="utf-8")
        assert "site-packages" not in text and "input_path" not in text, notebook.name
