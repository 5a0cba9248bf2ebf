"""What `doctor` says of a chapter: models, licences, memory, disk and MS-COCO, each with its remedy."""

from __future__ import annotations

import json
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

from experiments.records import needs
from experiments.records.project import Project, ProjectError


@pytest.fixture
def project(tmp_path):
    """A project with one chapter on two miniatures, one of which ships."""
    parameters = 'scale = "mini"\nmodels = ["mini-a", "mini-b"]\ncoco = ""'
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "outputs": [], "source": parameters}
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "09-evaluation.ipynb").write_text(json.dumps({"cells": [cell]}))
    (tmp_path / "_toc.yml").write_text("root: book/09-evaluation\n")
    (tmp_path / "weights" / "mini-a").mkdir(parents=True)
    return Project(tmp_path)


def hub(monkeypatch, error=None):
    """The hub answers with `error`, or lets everything be downloaded; nothing is in the local cache."""

    def answer(self, name):
        if error is not None:
            raise error("no", response=SimpleNamespace(headers={}, request=None)) if error is not OfflineModeIsEnabled else error("no")

    monkeypatch.setattr(huggingface_hub.HfApi, "auth_check", answer)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a: None)


def said(project, scale, **given):
    return {finding.what: finding for finding in needs.examine(project, "9", scale, given)}


def test_a_chapter_of_miniatures_needs_their_weights(project):
    found = said(project, "mini")
    assert found["weights of mini-a"].good
    assert not found["weights of mini-b"].good and "experiments train mini-b" in found["weights of mini-b"].remedy
    with pytest.raises(ProjectError):
        list(needs.examine(project, "7", "mini", {}))


def test_at_full_scale_miniatures_are_refused_and_the_data_set_is_looked_for(project):
    found = said(project, "full")
    assert "sd1.5,sdxl" in found["mini-a is a miniature, at full scale"].remedy
    assert not found["MS-COCO 2017 in no folder"].needed


def test_released_models_are_compared_with_memory_and_disk(project, monkeypatch):
    hub(monkeypatch)
    monkeypatch.setattr(needs, "memory", lambda: (24e9, "GPU memory"))
    monkeypatch.setattr(needs.shutil, "disk_usage", lambda path: SimpleNamespace(free=30e9))
    found = said(project, "full", models=["sd1.5", "flux1-dev"])
    assert found["sd1.5 in 24 GB of GPU memory: fits, 3 GB in all"].good
    large = next(f for text, f in found.items() if text.startswith("flux1-dev in 24 GB"))
    assert not large.good and not large.needed and "4 bits" in large.remedy
    disk = next(f for text, f in found.items() if "disk free" in text)
    assert not disk.good and disk.needed and "41 GB needed" in disk.what and "HF_HOME" in disk.remedy


def test_a_model_that_no_gpu_like_this_can_hold_is_a_failure(project, monkeypatch):
    hub(monkeypatch)
    monkeypatch.setattr(needs, "memory", lambda: (8e9, "GPU memory"))
    found = said(project, "full", model="flux2-dev", models=[])
    assert any(f.needed and not f.good and "even in 4 bits" in f.remedy for f in found.values())


@pytest.mark.parametrize(
    ("error", "what", "remedy"),
    [
        (GatedRepoError, "is gated", "hf auth login"),
        (RepositoryNotFoundError, "is not on the hub", "check the name"),
        (OfflineModeIsEnabled, "cannot be reached", "connection"),
    ],
)
def test_a_licence_that_was_not_accepted_a_wrong_name_and_no_network_are_told_apart(monkeypatch, error, what, remedy):
    hub(monkeypatch, error)
    found = needs.access("owner/model", "its licence")
    assert not found.good and what in found.what and remedy in found.remedy


def test_an_unknown_system_names_the_nearest(project, monkeypatch):
    hub(monkeypatch)
    found = said(project, "full", models=["sdxxl"])
    assert "did you mean 'sdxl'" in found["no system sdxxl"].remedy
    assert said(project, "full", models=["owner/model"])["owner/model can be downloaded (its licence)"].good
