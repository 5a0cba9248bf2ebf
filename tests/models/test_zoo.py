"""Rows, names and hashes of the zoo, and the parts that pipelines share."""

import copy
import dataclasses
import importlib
import shutil

import pytest
import torch
from diffusers import AutoencoderKL

from experiments.artefacts import closure
from experiments.models import zoo
from experiments.models.pipelines.stable_diffusion_3 import silent_t5
from experiments.models.recipes import RECIPES
from experiments.training import autoencoder as ae
from experiments.training.clip import embed, retrieval
from experiments.training.components import text_towers


# ---- rows ------------------------------------------------------------------------------------------------------------

def test_rows_are_well_formed():
    names = list(RECIPES)
    for at, (name, row) in enumerate(RECIPES.items()):
        assert row.name == name and row.images > 0 and row.batch > 0 and row.rate >= 0 and row.mirrors and row.objective
        assert all(need in names[:at] for need in row.needs), f"{name} comes before what it needs"
        assert closure(row.made_by)
        assert "experiments.training.loop" in row.made_by or row.rate == 0


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_row_has_a_trainer(name):
    module, _, function = RECIPES[name].trainer.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_judge_has_another_seed_than_the_towers_that_condition():
    judge = RECIPES["clip-eval"]
    assert judge.seed not in {RECIPES[n].seed for n in ("clip", "clip-wide")}
    assert [name for name, row in RECIPES.items() if "clip-eval" in row.needs] == ["aesthetic-proxy"]


def test_what_a_row_is_made_by_follows_its_configuration_and_not_its_bars():
    row = RECIPES["mini-sd3"]
    assert row.made() == dataclasses.replace(row, expected={}, defaults={}).made()
    assert row.made() != dataclasses.replace(row, rate=2e-3).made() != dataclasses.replace(row, seed=1).made()
    assert row.made() != dataclasses.replace(row, config=dict(row.config) | {"x": 1}).made()


def test_default_settings_are_those_of_the_row_and_nothing_for_others():
    assert zoo.defaults("mini-sd3")["num_inference_steps"] == RECIPES["mini-sd3"].defaults["num_inference_steps"]
    zoo.defaults("mini-sd3")["num_inference_steps"] = 1
    assert RECIPES["mini-sd3"].defaults["num_inference_steps"] > 1
    assert zoo.defaults("stable-diffusion-v1-5/stable-diffusion-v1-5") == {}


# ---- names -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A weights folder in which mini-sd1.5 and mini-sd3 lie, without weights."""
    for name in ("mini-sd1.5", "mini-sd3"):
        (tmp_path / "weights" / name).mkdir(parents=True)
        (tmp_path / "weights" / name / "model_index.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_name_is_a_miniature_a_folder_or_a_hub_id(shelf):
    assert zoo.shipped() == ("mini-sd1.5", "mini-sd3")
    assert zoo.locate("mini-sd3") == str(shelf / "weights" / "mini-sd3")
    (shelf / "mine").mkdir()
    assert zoo.locate("mine") == "mine" and zoo.locate(str(shelf / "mine")) == str(shelf / "mine")
    assert zoo.locate("owner/model") == "owner/model"


@pytest.mark.parametrize(("given", "hint"), [("mini-sd-3", "did you mean 'mini-sd3'"), ("mini-sd15", "did you mean 'mini-sd1.5'"), ("dall-e", "give a shipped")])
def test_an_unknown_name_is_told_the_nearest_and_what_there_is(shelf, given, hint):
    with pytest.raises(ValueError, match=hint) as raised:
        zoo.locate(given)
    assert "mini-sd1.5, mini-sd3" in str(raised.value) and "owner/model" in str(raised.value)


def test_without_any_miniature_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="none is trained yet"):
        zoo.locate("mini-sd3")


# ---- hashes ----------------------------------------------------------------------------------------------------------

def test_the_hash_of_weights_follows_weights_and_configs_alone(tiny_parts, tmp_path):
    shutil.copytree(tiny_parts / "autoencoder", tmp_path / "a")
    first = zoo.weights_hash(tmp_path / "a")
    assert first == zoo.weights_hash(tiny_parts / "autoencoder")
    (tmp_path / "a" / "training.json").write_text("{}", encoding="utf-8")
    assert zoo.weights_hash(tmp_path / "a") == first
    config = tmp_path / "a" / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("0.18215", "1.0"), encoding="utf-8")
    assert zoo.weights_hash(tmp_path / "a") != first


def test_the_hash_follows_links(tiny_parts, tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "vae").symlink_to(tiny_parts / "autoencoder")
    first = zoo.weights_hash(tmp_path / "pipeline")
    (tmp_path / "pipeline" / "vae").unlink()
    shutil.copytree(tiny_parts / "autoencoder", tmp_path / "pipeline" / "vae")
    assert zoo.weights_hash(tmp_path / "pipeline") == first


def test_a_folder_without_weights_says_how_to_get_them(tmp_path):
    (tmp_path / "mini-x").mkdir()
    with pytest.raises(FileNotFoundError, match="no weights in mini-x: .*experiments train mini-x"):
        zoo.weights_hash(tmp_path / "mini-x")


# ---- shared parts ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def pair():
    import tiny_models

    from experiments.models import assemble
    from experiments.models.tokenizers import clip_tokenizer

    tokenizer = clip_tokenizer(tiny_models.TEXTS, length=40, vocabulary=600)
    torch.manual_seed(3)
    return assemble.clip(tiny_models.row("clip-wide"), tokenizer).eval(), tokenizer


@torch.no_grad()
def test_text_towers_say_what_the_pair_says(pair):
    import tiny_models

    model, tokenizer = pair
    ids = torch.tensor(tokenizer(tiny_models.TEXTS, padding="max_length", max_length=40)["input_ids"])
    towers = text_towers(model)
    expected = model.text_model(input_ids=ids, output_hidden_states=True)
    for tower in towers.values():
        said = tower.eval()(ids, output_hidden_states=True)
        assert torch.allclose(said.last_hidden_state, expected.last_hidden_state, atol=1e-6)
        assert torch.allclose(said.hidden_states[-2], expected.hidden_states[-2], atol=1e-6)
    assert torch.allclose(towers["text_encoder_projected"](ids).text_embeds, model.text_projection(expected.pooler_output), atol=1e-6)


def test_the_sentence_is_read_at_the_end_mark(pair):
    """The pooled state does not change with what follows the end of the text."""
    model, tokenizer = pair
    ids = torch.tensor(tokenizer("a small red cube", padding="max_length", max_length=40)["input_ids"])[None]
    end = int((ids[0] == tokenizer.eos_token_id).nonzero()[0])
    other = ids.clone()
    other[0, end + 1 :] = 5
    with torch.no_grad():
        assert torch.allclose(model.text_model(ids).pooler_output, model.text_model(other).pooler_output, atol=1e-5)


def test_embeddings_are_unit_vectors_and_retrieval_counts_the_nearest(pair, monkeypatch):
    model, tokenizer = pair
    pictures = torch.rand(4, 3, 64, 64) * 2 - 1
    ids = torch.tensor(tokenizer(["a", "b", "c", "d"], padding="max_length", max_length=40)["input_ids"])
    with torch.no_grad():
        for side in embed(model, pictures, ids):
            assert side.shape == (4, 24) and torch.allclose(side.norm(dim=1), torch.ones(4), atol=1e-5)
    unit = torch.eye(4)
    monkeypatch.setattr("experiments.training.clip.embed", lambda m, x, i: (unit[: len(x)], unit[[0, 1, 3, 3]][: len(i)]))
    hits = retrieval(model, (torch.rand(8, 3, 64, 64) * 255).byte().numpy(), ids.repeat(2, 1), among=4)
    assert hits.tolist() == [True, True, False, True] * 2


@torch.no_grad()
def test_standardising_gives_unit_codes_and_the_same_pictures():
    import tiny_models

    torch.manual_seed(4)
    model = AutoencoderKL(**tiny_models.AUTOENCODER).eval()
    model.quant_conv.bias.normal_()
    before = copy.deepcopy(model)
    x = torch.rand(64, 3, 64, 64) * 2 - 1
    ae.standardise(model, x)
    code, old = model.encode(x).latent_dist, before.encode(x).latent_dist
    assert code.mean.mean((0, 2, 3)).abs().max() < 1e-3 and (code.mean.std((0, 2, 3)) - 1).abs().max() < 1e-3
    assert torch.allclose(model.decode(code.mean).sample, before.decode(old.mean).sample, atol=1e-3)
    scale = old.mean.std((0, 2, 3), keepdim=True)
    assert torch.allclose(code.std * scale, old.std, rtol=1e-3)  # the noise is rescaled with the code
    assert model.config.scaling_factor == 1.0


def test_the_signal_to_noise_ratio_of_a_known_error():
    class Half:
        """An autoencoder whose reconstruction is off by 0.2 everywhere: 20 log10(2 / 0.2) = 20 dB."""

        def encode(self, x):
            return type("E", (), {"latent_dist": type("D", (), {"mean": x})})

        def decode(self, z):
            return type("O", (), {"sample": z + 0.2})

    assert ae.psnr(Half(), torch.zeros(3, 3, 8, 8)).tolist() == pytest.approx([20.0] * 3, abs=1e-4)


def test_bytes_become_numbers_between_minus_one_and_one():
    levels = torch.tensor([0, 127, 128, 255], dtype=torch.uint8)
    assert torch.allclose(ae.to_tensor(levels), torch.tensor([-1.0, -0.5 / 127.5, 0.5 / 127.5, 1.0]), atol=1e-6)


def test_the_t5_that_is_left_out_says_zeros_for_any_text():
    encoder, tokenizer = silent_t5(80)
    ids = tokenizer(["a red cube", "", "红色"], padding="max_length", max_length=16, truncation=True, return_tensors="pt").input_ids
    said = encoder(ids)[0]
    assert said.shape == (3, 16, 80) and not said.any()
    assert sum(p.numel() for p in encoder.parameters()) < 1000
