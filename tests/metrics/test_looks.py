"""Attention that is read beside a network is the attention of the network."""

import pytest
import tiny_models
import torch

from experiments.metrics.looks import Looks, place


@pytest.fixture(scope="module", params=["mini-sd1.5", "mini-sd3"])
def pipe(request, tmp_path_factory):
    made = tiny_models.pipeline(request.param, tiny_models.parts(tmp_path_factory.mktemp("weights")))
    made.set_progress_bar_config(disable=True)
    return made


def draw(pipe, **more):
    extra = {"max_sequence_length": 16} if hasattr(pipe, "transformer") else {}
    noise = [torch.Generator().manual_seed(k) for k in range(2)]
    call = dict(num_inference_steps=2, guidance_scale=3.0, output_type="latent") | extra | more
    return pipe(prompt=tiny_models.TEXTS[:2], generator=noise, **call).images


def test_looking_changes_nothing_and_shares_are_shares(pipe):
    alone = draw(pipe)
    with Looks(pipe, 64) as looks:
        seen = draw(pipe)
        words = looks.words()
    assert torch.equal(alone, seen)
    joint = hasattr(pipe, "transformer") and pipe.transformer is not None
    assert words.shape[:2] == (2, 64) and words.min() >= 0
    assert words.sum(-1).max() <= 1 + 1e-5
    assert joint or torch.allclose(words.sum(-1), torch.ones(2, 64), atol=1e-5)
    assert torch.equal(draw(pipe), alone)


def test_without_a_drawing_there_is_nothing_to_read(pipe):
    with Looks(pipe, 64) as looks, pytest.raises(ValueError, match="draw a picture inside"):
        looks.words()


def test_places_of_words(pipe):
    text = tiny_models.TEXTS[0]
    ids = pipe.tokenizer(text)["input_ids"]
    assert pipe.tokenizer.decode([ids[place(pipe.tokenizer, text, "red")]]).strip() == "red"
    with pytest.raises(ValueError, match="no word of"):
        place(pipe.tokenizer, text, "purple")
