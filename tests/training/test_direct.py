"""Arms that do not ship: what they start from, what they learn from, and that they leave the weights that ship alone."""

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from experiments.artefacts import write_json
from experiments.models.recipes import RECIPES
from experiments.training import beside, direct


def test_without_reflow_is_the_student_s_row_with_the_first_teacher():
    row, student = direct.recipe(), RECIPES["mini-instaflow"]
    assert row.config["start"] == row.config["pairs"]["teacher"] == "mini-sd1.5" in row.needs
    assert row.config["pairs"] == RECIPES["mini-2-rectified-flow"].config["pairs"]
    assert (row.objective, row.rate, row.batch, row.config["times"]) == (student.objective, student.rate, student.batch, (1.0,))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Weights that rows need, and a list of what is trained, which takes no time."""
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    weights, plans = tmp_path / "weights", []
    for need in direct.recipe().needs:
        (weights / need).mkdir(parents=True)
        save_file({"a": torch.ones(1)}, weights / need / "model.safetensors")

    def on_pairs(recipe, journal, weights):
        assert all((weights / need / "model.safetensors").is_file() for need in recipe.needs)
        plans.append((recipe.name, journal.images))
        write_json(weights / recipe.name / "training.json", {})

    monkeypatch.setattr(beside.text_to_image, "on_pairs", on_pairs)
    return weights, plans


def test_an_arm_learns_beside_the_weights_and_only_once(shipped):
    weights, plans = shipped
    folder = direct.train(640, weights)
    assert direct.train(640, weights) == folder and plans == [("direct", 640)]
    assert sorted(p.name for p in weights.iterdir()) == sorted(direct.recipe().needs) and weights not in folder.parents


def test_other_images_another_seed_or_another_teacher_are_another_arm(shipped):
    weights, plans = shipped
    row = direct.recipe()
    folders = {beside.train(row, 640, weights), beside.train(row, 64, weights), beside.train(dataclasses.replace(row, seed=1), 640, weights)}
    save_file({"a": torch.zeros(1)}, weights / "mini-sd1.5" / "model.safetensors")
    assert len(folders | {beside.train(row, 640, weights)}) == len(plans) == 4
