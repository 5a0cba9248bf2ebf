"""What a chapter depends on: the folders of weights and the single studies that it names."""

import json

import pytest

from experiments.records.freshness import used_weights
from experiments.records.project import Chapter, Project


@pytest.fixture
def project(tmp_path):
    for name in ("mini-a", "mini-b", "studies"):
        (tmp_path / "weights" / name).mkdir(parents=True)
    for name in ("sweep", "ladder"):
        (tmp_path / "weights" / "studies" / f"{name}.json").write_text("{}")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "plans.py").write_text('NAME = "sweep"\nFOLDER = "studies"\n')
    return Project(tmp_path)


def chapter(project, source: str) -> Chapter:
    path = project.root / "01-a.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "source": source, "outputs": []}]}))
    return Chapter("01-a", path)


def test_only_the_study_that_a_chapter_or_its_modules_name_counts(project):
    assert used_weights(project, chapter(project, 'model = "mini-a"')) == ["mini-a"]
    assert used_weights(project, chapter(project, "from experiments.plans import NAME")) == ["studies/sweep.json"]
    assert used_weights(project, chapter(project, 'print("ladder")'), ["mini-b"]) == ["mini-b", "studies/ladder.json"]
