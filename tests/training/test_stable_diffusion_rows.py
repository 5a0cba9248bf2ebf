"""Rows of the Stable Diffusion family beside 1.5: what each is told, and that it ships."""

import dataclasses
import json
import os

import pytest
import tiny_models
import torch
from diffusers import DiffusionPipeline

from experiments.data import dataset
from experiments.models import assemble
from experiments.models.recipes import RECIPES
from experiments.models.tokenizers import clip_tokenizer
from experiments.training import denoiser, earlier, sdxl, sizes
from experiments.training.journal import Journal
from experiments.training.sdxl_loss import loss, told

TEXTS = ["a small red metal cube", "a large blue rubber sphere to the left of a green cone", "three yellow cylinders"]
TINY = {k: v for k, v in tiny_models.UNET.items() if k != "cross_attention_dim"}
WIDTHS = {
    "mini-sd1.4": dict(cross_attention_dim=32),
    "mini-sd2.0-base": dict(cross_attention_dim=48),
    "mini-sd2.1": dict(cross_attention_dim=48),
    "mini-sdxl": dict(cross_attention_dim=80, projection_class_embeddings_input_dim=24 + 6 * 8, addition_time_embed_dim=8),
}


def row(name, **changes):
    recipe = RECIPES[name]
    config = dict(recipe.config) | dict(denoiser=recipe.config["denoiser"] | TINY | WIDTHS[name])
    return dataclasses.replace(recipe, **dict(config=config, batch=8, images=48) | changes)


def journal(recipe, **options):
    return Journal(recipe, torch.device("cpu"), lambda thing, thorough: {"share": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8}}, **options)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dataset, "CHUNK", 16)


@pytest.fixture(scope="module")
def xl(tiny_parts):
    torch.manual_seed(0)
    made = assemble.pipeline(row("mini-sdxl"), tiny_parts)
    torch.nn.init.normal_(made.unet.conv_out.weight, std=0.1)
    return made


def ids(pipeline):
    return pipeline.tokenizer(TEXTS, padding="max_length", max_length=40, truncation=True, return_tensors="pt")["input_ids"]


def both(pipeline):
    """Ids by either tokenizer; the second one is made to number words otherwise, as separately trained ones do."""
    pipeline.tokenizer_2 = clip_tokenizer(["cube cone sphere of red and blue metal"], length=40, vocabulary=600)
    second = pipeline.tokenizer_2(TEXTS, padding="max_length", max_length=40, truncation=True, return_tensors="pt")["input_ids"]
    assert not torch.equal(second, ids(pipeline))
    return [ids(pipeline), second]


def test_stable_diffusion_2_listens_to_the_last_layer_but_one_and_normalises_it(tiny_parts):
    from experiments.models.pipelines.parts import projected_tower

    pipe = assemble.pipeline(row("mini-sd2.1"), tiny_parts)
    whole = projected_tower(tiny_parts, "clip-wide")
    seen = whole(ids(pipe), output_hidden_states=True).hidden_states[-2]
    words, _ = pipe.encode_prompt(TEXTS, "cpu", 1, False)
    assert pipe.text_encoder.config.num_hidden_layers == whole.config.num_hidden_layers - 1
    assert torch.allclose(words, whole.text_model.final_layer_norm(seen), atol=1e-6)
    assert pipe.scheduler.config.prediction_type == "v_prediction" and type(pipe.scheduler).__name__ == "DDIMScheduler"


def test_xl_is_told_in_training_what_its_pipeline_says(xl):
    numbers = both(xl)
    words, nothing, pooled, no_pooled = xl.encode_prompt(TEXTS, device="cpu", do_classifier_free_guidance=True)
    said, sentence = told(xl, numbers, torch.ones(3, 1, dtype=torch.bool))
    assert said.shape == (3, 40, 80) and torch.allclose(said, words, atol=1e-6) and torch.allclose(sentence, pooled, atol=1e-6)
    unsaid, no_sentence = told(xl, numbers, torch.zeros(3, 1, dtype=torch.bool))
    assert torch.equal(unsaid, nothing) and torch.equal(no_sentence, no_pooled) and not unsaid.any()


def test_xl_draws_another_picture_for_another_size(xl):
    call = dict(num_inference_steps=2, guidance_scale=3.0, output_type="latent")
    draw = lambda **said: xl(TEXTS[0], generator=torch.Generator().manual_seed(0), **call, **said).images  # noqa: E731
    plain = draw()
    assert torch.equal(plain, draw(original_size=(64, 64), crops_coords_top_left=(0, 0), target_size=(64, 64)))
    assert not torch.allclose(plain, draw(original_size=(16, 16))) and not torch.allclose(plain, draw(crops_coords_top_left=(0, 32)))


def test_xl_loss_depends_on_its_generator_and_on_the_sizes(xl):
    tokens, mean = [own[None].repeat(4, 1, 1) for own in both(xl)], torch.randn(4, 4, 8, 8)
    marks = torch.tensor([sizes.sizes(k) for k in range(4)])
    value = lambda marks, seed: loss(xl, "epsilon", (mean, 0 * mean, marks), tokens, 4)(0, torch.Generator().manual_seed(seed)).item()  # noqa: E731
    assert value(marks, 3) == value(marks, 3) != value(marks, 4)
    assert value(marks, 3) != value(marks + 8, 3)


def test_sizes_say_what_was_done_to_a_picture():
    marks = torch.tensor([sizes.sizes(k) for k in range(400)])
    small, cut = marks[:, 0] < 64, (marks[:, 2] > 0) | (marks[:, 3] > 0)
    assert small.sum() == 100 and 95 <= cut.sum() <= 100 and not (small & cut).any()
    assert set(marks[small, 0].tolist()) == set(sizes.SMALL) and (marks[:, 4:] == 64).all() and marks[:, 2:4].max() == 32
    assert [sizes.sizes(7)] * 2 == [sizes.sizes(7) for _ in range(2)]
    pictures = torch.rand(400, 3, 64, 64) * 2 - 1
    done = sizes.spoil(pictures, marks)
    assert torch.equal(done[~small & ~cut], pictures[~small & ~cut])
    rough = lambda x: (x[..., 1:] - x[..., :-1]).abs().mean()  # noqa: E731
    assert rough(done[small]) < rough(done[cut]) < rough(pictures)


def test_a_cut_picture_is_the_window_that_its_sizes_name():
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)  # darker at the left
    left, right = (sizes.spoil(ramp, torch.tensor([[64, 64, 0, k, 64, 64]]))[0, 0, 32] for k in (1, 32))
    assert left[0] < -0.9 and abs(left[-1] - 1 / 3) < 0.1 and abs(right[0] + 1 / 3) < 0.1 and right[-1] > 0.9


def test_codes_are_those_of_the_pictures_as_they_were_spoiled_and_made_once(tiny_parts, empty_cache, monkeypatch):
    from experiments.data.dataset import images
    from experiments.models.pipelines.parts import autoencoder
    from experiments.training import corpus

    vae, folder = autoencoder(tiny_parts), tiny_parts / "autoencoder"
    monkeypatch.setattr(sizes, "CHUNK", 8)
    mean, deviation, marks = sizes.codes(vae, folder, "train", 16)
    usual, _ = corpus.codes(vae, folder, "train", 16)
    pictures = torch.from_numpy(images("train", 0, 16).copy()).float() / 127.5 - 1
    with torch.no_grad():
        known = vae.encode(sizes.spoil(pictures, marks)).latent_dist.mean * vae.config.scaling_factor
    assert torch.allclose(mean, known, atol=5e-3) and (deviation > 0).all()
    alone = (marks == torch.tensor([64, 64, 0, 0, 64, 64])).all(1)
    assert torch.equal(mean[alone], usual[alone]) and not any(torch.allclose(m, u, atol=1e-3) for m, u in zip(mean[~alone], usual[~alone]))
    monkeypatch.setattr(sizes, "spoil", None)  # nothing is made again
    assert torch.equal(sizes.codes(vae, folder, "train", 16)[0], mean)


@pytest.mark.parametrize(("name", "trainer"), [("mini-sd2.1", denoiser.train), ("mini-sdxl", sdxl.train)])
def test_it_trains_and_ships_as_a_folder_that_diffusers_loads(name, trainer, tiny_parts, empty_cache):
    recipe = row(name)
    folder = trainer(recipe, journal(recipe, until=24), scenes=16, weights=tiny_parts)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert record["images_seen"] == 24 and record["images_budget"] == 48 and record["plan"]["until"] == 24
    pipe = DiffusionPipeline.from_pretrained(folder)
    assert type(pipe).__name__ == RECIPES_CLASS[name] and pipe(TEXTS[0], num_inference_steps=2).images[0].size == (64, 64)
    links = [p for p in folder.rglob("*") if p.is_symlink()]
    assert len(links) == (2 if name == "mini-sd2.1" else 3) and not any(os.path.isabs(os.readlink(p)) for p in links)


RECIPES_CLASS = {"mini-sd2.1": "StableDiffusionPipeline", "mini-sdxl": "StableDiffusionXLPipeline"}


def test_an_earlier_row_is_the_others_run_up_to_its_share(tiny_parts, empty_cache, monkeypatch):
    later = dataclasses.replace(row("mini-sd1.4"), name="mini-sd1.5", config=row("mini-sd1.4").config, needs=("autoencoder", "clip"))
    monkeypatch.setattr(earlier, "RECIPES", {"mini-sd1.5": later})
    denoiser.train(later, journal(later, until=8), scenes=16, weights=tiny_parts)  # interrupted
    recipe = row("mini-sd1.4")
    recipe = dataclasses.replace(recipe, config=recipe.config | dict(share=0.5))
    early = earlier.train(recipe, journal(recipe, until=4), scenes=16, weights=tiny_parts)  # as it stands: one step is done
    assert json.loads((early / "training.json").read_text(encoding="utf-8"))["images_seen"] == 8
    folder = earlier.train(recipe, journal(recipe), scenes=16, weights=tiny_parts)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert record["images_seen"] == 24 and record["plan"]["images"] == 48
    at_the_stop = denoiser.checkpoint(recipe, 16, tiny_parts)
    denoiser.train(later, journal(later, until=24), scenes=16, weights=tiny_parts)
    unet = (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert unet == (tiny_parts / "mini-sd1.5" / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert at_the_stop.exists()


def test_a_row_that_went_on_in_legs_has_no_earlier_stop(tmp_path):
    (tmp_path / "mini-sd1.5").mkdir()
    (tmp_path / "mini-sd1.5" / "training.json").write_text(json.dumps({"plan": {}, "legs": [{}]}), encoding="utf-8")
    with pytest.raises(ValueError, match="mini-sd1.5 went on after its plan"):
        earlier.recorded_plan("mini-sd1.5", tmp_path)
