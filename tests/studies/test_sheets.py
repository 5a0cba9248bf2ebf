"""A sheet of a miniature: eight pictures of the same prompts, and what one costs, counted by hand here."""

import pytest
from PIL import Image

from experiments.metrics import cost
from experiments.models import zoo
from experiments.studies import sheets

CALL = dict(num_inference_steps=2, guidance_scale=4.0)


def test_the_eight_prompts_are_of_all_categories_and_none_is_for_reporting():
    wanted = sheets.fixed()
    assert len(wanted) == sheets.PICTURES and len({one.category for one in wanted}) == 6
    assert not {one.id for one in wanted} & {one.id for one in sheets.prompts("test", "position", 50)}


@pytest.mark.parametrize("name", ["stable_diffusion", "stable_diffusion_3"])
def test_a_sheet_is_drawn_and_its_cost_counted(name, request, monkeypatch, tmp_path):
    pipeline = request.getfixturevalue(name)
    monkeypatch.setattr(zoo, "load", lambda asked: pipeline)
    monkeypatch.setattr(zoo, "defaults", lambda asked: CALL | ({"max_sequence_length": 16} if name.endswith("3") else {}))
    monkeypatch.setattr(sheets, "FOLDER", tmp_path)
    found = sheets.measure("mini-any")
    assert Image.open(tmp_path / "sheet-mini-any.png").size == (8 * 64 + 7 * sheets.GAP, 64)
    assert len(found["prompts"]) == len(found["followed"]) == 8
    assert found["parameters"] == cost.parameters(pipeline)
    passes = 2 * len(pipeline.scheduler.timesteps)  # guidance draws with and without the prompt
    work = found["gigaflops"]
    assert work["image"] > passes * work["forward"] > 0


def test_each_shipped_miniature_has_a_study_of_its_own():
    assert {study.name for study in sheets.STUDIES} == {f"sheet-{name}" for name in zoo.shipped()}
    assert all(study.needs[0] == study.name.removeprefix("sheet-") for study in sheets.STUDIES)
