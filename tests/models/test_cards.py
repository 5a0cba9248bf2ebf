"""Released models from their cards: every component builds on meta, and its size is the one that was published."""

import json

import pytest

from experiments.models import cards, flops

LECTURE = ("sd-1.4", "sd-1.5", "sd-2.0-base", "sd-2.1", "sdxl-base-1.0", "sd3-medium", "sd3.5-medium", "sd3.5-large", "flux.1-dev",
           "flux.1-schnell", "flux.2-dev", "hunyuan-dit-v1.2", "kandinsky-2.1", "kandinsky-2.2", "kandinsky-3.0", "instaflow-0.9b")


@pytest.mark.parametrize("name", cards.names())
def test_every_component_builds_on_meta_and_counts_as_recorded(name):
    assert json.loads(json.dumps(dict(cards.measure(name)))) == cards.counted()[name]


def test_every_system_of_the_lecture_has_a_card():
    assert set(LECTURE) <= set(cards.names()) and len(cards.names()) == 22


@pytest.mark.parametrize("name", cards.names())
def test_published_sizes_agree_within_two_percent_or_the_difference_is_explained(name):
    rows = cards.published(name)
    assert rows
    for row in rows:
        assert row.source
        assert bool(row.explanation) == (abs(row.difference) > cards.CLOSE), f"{row.part}: {row.difference:+.1%}"
    told = {f"{row.part} {row.value:.4g}" for row in rows}
    assert set(cards.explanations().get(name, {})) <= told, "an explanation of a figure that the card does not hold"


@pytest.mark.parametrize("name", cards.names())
def test_counts_are_those_of_the_authors_own_code(name):
    """Beyond what the note of an entry names: stored statistics, a codebook, a text projection inside the U-Net."""
    for part, rows in cards.card(name)["published_params"].items():
        for row in (row for row in rows if row["kind"] == "original-code"):
            noted = "(" in row["source"] or "text" in row["source"]
            assert cards.count(name)[part] == pytest.approx(row["value"], rel=6e-3 if noted else 0)


def test_operations_of_a_forward_pass_follow_from_its_shapes():
    """A transformer of text encoders has 2 operations for each weight and token, and 4 L^2 d for attention in each layer."""
    width, layers, tokens = 768, 12, 77
    weights = layers * (4 * width**2 + 2 * width * 3072)
    expected = 2 * tokens * weights + layers * 4 * tokens**2 * width
    assert cards.counted()["sd-1.5"]["text_encoder"]["gigaflops"] == pytest.approx(expected / 1e9, rel=1e-3)
    assert cards.gigaflops("sd-1.5")["forward"] == pytest.approx(2 * 401.6, rel=1e-3)


def test_an_image_counts_every_pass():
    assert flops.guided(cards.card("sd-1.5")) and not flops.guided(cards.card("flux.1-dev"))
    rows = cards.counted()
    assert rows["sd-1.5"]["unet"]["runs"] == 2 * 51, "PNDM makes one more pass than steps"
    assert rows["flux.1-schnell"]["transformer"]["runs"] == 4
    assert rows["kandinsky-2.1"]["prior"]["runs"] == 50
    assert cards.gigaflops("instaflow-0.9b")["image"] < 4 * 1000


def test_names_and_places():
    assert cards.mirrored("sd3-medium, without its T5") == "sd3-medium"
    assert cards.mirrored("sd3.5-medium") == "sd3.5-medium" and cards.mirrored("the shared autoencoder") is None
    assert cards.hub("kandinsky-2.1") == ("kandinsky-community/kandinsky-2-1", "kandinsky-community/kandinsky-2-1-prior")
    assert cards.hub("sd-1.5") == ("stable-diffusion-v1-5/stable-diffusion-v1-5",)
    assert cards.unseen("instaflow-0.9b") and not cards.unseen("sd-1.5")
    assert cards.gigabytes("flux.1-dev")["transformer"] == pytest.approx(23.8, abs=0.01)
    assert set(cards._access()) <= set(cards.names())
    with pytest.raises(ValueError, match="did you mean 'sd-1.5'"):
        cards.card("sd-1.6")


def test_a_component_has_weights_where_it_is_asked_to():
    import torch

    made = cards.build("kandinsky-2.1", "movq", device="cpu", dtype=torch.bfloat16)
    assert {p.dtype for p in made.parameters()} == {torch.bfloat16} and torch.get_default_dtype() == torch.float32
