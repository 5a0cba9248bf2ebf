"""CLIP score: torchmetrics' number, its preprocessing, and the end of long texts."""

import pytest
import torch
from torchmetrics.functional.multimodal import clip_score as torchmetrics_score

from experiments.metrics.clip_score import Clip, clip_score, clip_scores, pixels

TEXTS = ["a red cube", "a blue sphere", "a small green cone and a red cube", "a cone"]
LONG = "a red cube and a blue sphere and a small green cone and a red cube and a blue sphere"


@pytest.fixture(scope="module")
def clip(clip_folder):
    return Clip(clip_folder)


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (4, 3, 48, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Adapter(torch.nn.Module):
    """torchmetrics 1.9 expects the tensors that transformers 4 returned."""

    def __init__(self, model):
        super().__init__()
        self.model, self.config = model, model.config

    def get_image_features(self, *given):
        return self.model.get_image_features(*given).pooler_output

    def get_text_features(self, *given):
        return self.model.get_text_features(*given).pooler_output


def processor(folder):
    from transformers import CLIPImageProcessorPil, CLIPTokenizer

    pictures, words = CLIPImageProcessorPil.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder)

    def call(images=None, text=None, **options):
        return words(text, **options) if images is None else pictures(images, return_tensors="pt")

    return call


def test_equals_torchmetrics_with_the_same_model(clip, clip_folder, images):
    ours = clip_scores(images, TEXTS, clip).values
    for i, text in enumerate(TEXTS):
        with torch.no_grad():
            theirs = torchmetrics_score(images[i], text, lambda: (Adapter(clip.model), processor(clip_folder)))
        print(f"CLIP score: ours {float(ours[i]):.4f}, torchmetrics {float(theirs):.4f}")
        assert max(0.0, float(ours[i])) == pytest.approx(float(theirs), abs=0.02)


def test_scale_is_a_hundred_times_the_cosine(clip, images):
    ours = clip_scores(images, TEXTS, clip)
    cosine = torch.nn.functional.cosine_similarity(clip.images(images), clip.texts(TEXTS))
    assert torch.allclose(ours.values, 100 * cosine, atol=1e-4) and ours.truncated == 0


def test_pixels_equal_the_released_preprocessing(clip_folder, images):
    theirs = processor(clip_folder)(images=list(images))["pixel_values"]
    ours = pixels(images, 32, [0.5] * 3, [0.4] * 3)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1.5 / 255 / 0.4  # Pillow's bicubic works in integers: one level


def test_a_long_text_keeps_its_end_token_and_is_counted(clip, images):
    """torchmetrics cuts the ids and with them the end token, whose state is the embedding."""
    ids = clip.tokens([LONG])["input_ids"][0]
    assert len(ids) == clip.longest and ids[-1] == clip.tokenizer.eos_token_id
    assert clip.truncated([*TEXTS, LONG]) == 1
    assert clip_scores(images, [*TEXTS[:3], LONG], clip).truncated == 1
    cut = clip.tokenizer([LONG], truncation=False, verbose=False)["input_ids"][0][:clip.longest]
    assert cut[-1] != clip.tokenizer.eos_token_id


def test_padding_does_not_change_an_embedding(clip):
    assert torch.allclose(clip.texts(TEXTS)[:1], clip.texts(TEXTS[:1]), atol=1e-5)


def test_estimate_has_n_and_interval(clip, images):
    e = clip_score(images, TEXTS, clip)
    assert e.n == 4 and 0 <= e.low <= e.value <= e.high


def test_errors(clip, images, tmp_path):
    with pytest.raises(ValueError, match="one text per picture"):
        clip_scores(images, TEXTS[:2], clip)
    with pytest.raises(FileNotFoundError, match="train clip-eval"):
        Clip(tmp_path / "clip-eval").images(images)
    with pytest.raises(TypeError, match="uint8"):
        clip.images(images.float())
