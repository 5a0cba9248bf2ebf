"""Rows of released systems: each agrees with its card, and names are found or answered with the nearest one."""

import re

import pytest

from experiments.models import cards, hub
from experiments.models.systems import ALIASES, MAIN, ROWS, SYSTEMS, TABLE, UnknownSystem, find

EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_all_systems_of_the_lecture_are_rows():
    assert len(SYSTEMS) == len(ROWS) == 16
    assert [SYSTEMS[name].lecture for name in TABLE] == ["SD1.5", "SDXL", "SD3", "SD3.5", "FLUX.1", "Hunyuan-DiT", "Kandinsky"]
    assert all(SYSTEMS[name] for name in ALIASES.values())
    for name in ("sd1.5", "sdxl", "sd3", "sd3.5", "flux1-dev", "hunyuan-dit", "kandinsky2.1"):  # as the book's command names them
        assert find(name).name in TABLE


@EACH
def test_a_row_is_called_as_its_card_says(row):
    said = cards.card(row.card)["defaults"]
    assert (row.steps, row.resolution) == (said["steps"], said["height"])
    assert row.guidance == (None if row.name == "instaflow" else said["guidance"])  # its pipeline takes none
    if "max_sequence_length" in said and row.name != "kandinsky3":  # whose length is fixed
        assert row.arguments["max_sequence_length"] == said["max_sequence_length"]


@EACH
def test_a_row_names_a_class_that_there_is_and_components_that_its_card_has(row):
    assert hub.kind(row.pipeline)
    said = cards.card(row.card)["pipeline_class"].split()[0]
    assert said in (row.pipeline, "RectifiedFlowPipeline", *hub.TWO_STAGES.get(row.pipeline, ()))
    assert bool(row.prior) == (row.pipeline in hub.TWO_STAGES)


@EACH
def test_a_revision_is_a_commit_or_main_and_a_licence_is_given(row):
    assert row.revision == MAIN or re.fullmatch("[0-9a-f]{40}", row.revision)
    assert row.hub.count("/") == 1 and row.licence
    assert row.dtype in cards.BYTES


@EACH
def test_memory_is_counted(row):
    size = row.gigabytes()
    assert 0 < size["resident"] <= size["downloaded"]


def test_flux_2_needs_one_large_device_only_because_its_encoder_is_let_go():
    size = find("flux2").gigabytes()
    assert size["resident"] < 80 < size["downloaded"]


def test_a_revision_can_be_asked_for():
    assert find("sdxl@refs/pr/3").revision == "refs/pr/3"
    assert find("sdxl").revision == SYSTEMS["sdxl"].revision


NEAREST = {"sdxll": "sdxl", "SD1.5": "sd1.5", "sdxl@": "sdxl", "kandinsky-2.1": "kandinsky2.1"}


@pytest.mark.parametrize(("name", "nearest"), NEAREST.items())
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(UnknownSystem, match=f"did you mean '{nearest}'") as raised:
        find(name)
    assert "\n" not in str(raised.value)


def test_a_miniature_is_a_system_too():
    row = find("mini-sd3")
    assert row.pipeline == "StableDiffusion3Pipeline" and row.dtype == "float32"
    assert row.arguments["num_inference_steps"] == 20
