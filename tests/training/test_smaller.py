"""Weights made smaller where they lie: what is read back is what was there, by diffusers' and transformers' own loaders."""

import os

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, ControlNetModel
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5EncoderModel

from experiments.training.narrow import NARROW, round_
from experiments.training.smaller import in_eight_bits, resting_on

SHAPE = dict(layers_per_block=1, block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4)


@pytest.fixture
def both(tmp_path):
    """The same autoencoder in both classes, saved in half precision as the shared one is."""
    torch.manual_seed(0)
    plain = AutoencoderKL(latent_channels=16, **SHAPE)
    other = AutoencoderKLFlux2(latent_channels=16, **SHAPE)
    other.load_state_dict(plain.half().state_dict(), strict=False)
    plain.save_pretrained(tmp_path / "autoencoder")
    other.half().save_pretrained(tmp_path / "member" / "vae")
    return tmp_path / "member" / "vae", tmp_path / "autoencoder"


def test_what_rests_on_another_is_read_back_as_it_was(both):
    folder, source = both
    before = AutoencoderKLFlux2.from_pretrained(folder).state_dict()
    resting_on(folder, source)
    after = AutoencoderKLFlux2.from_pretrained(folder).state_dict()
    assert before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)
    own = [file for file in folder.glob("*.safetensors") if not file.is_symlink()]
    assert sum(len(load_file(file)) for file in own) == len([name for name in before if name.startswith("bn.")]) > 0
    links = [os.readlink(file) for file in folder.glob("*.safetensors") if file.is_symlink()]
    assert links == [os.path.join("..", "..", "autoencoder", SAFETENSORS_WEIGHTS_NAME)]


def test_what_is_not_the_same_cannot_rest_on_it(both):
    folder, source = both
    held = load_file(source / SAFETENSORS_WEIGHTS_NAME)
    held["decoder.conv_in.bias"] += 1
    save_file(held, source / SAFETENSORS_WEIGHTS_NAME, {"format": "pt"})
    with pytest.raises(ValueError, match="decoder.conv_in.bias is another"):
        resting_on(folder, source)
    assert AutoencoderKLFlux2.from_pretrained(folder)  # as it was


@pytest.mark.parametrize("kind", ["controlnet", "t5"])
def test_what_was_rounded_before_keeps_its_values_in_half_the_bytes(kind, tmp_path):
    torch.manual_seed(0)
    if kind == "t5":
        model = T5EncoderModel(T5Config(vocab_size=90, d_model=64, d_kv=16, num_heads=4, d_ff=128, num_layers=3))
        file = tmp_path / "model.safetensors"
    else:
        model = ControlNetModel(block_out_channels=(32, 64), down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), norm_num_groups=8, cross_attention_dim=16)
        file = tmp_path / SAFETENSORS_WEIGHTS_NAME
    round_(model)
    model.half().save_pretrained(tmp_path)
    before, size = {name: held.float() for name, held in load_file(file).items()}, file.stat().st_size
    in_eight_bits(file)
    assert any(held.dtype == NARROW for held in load_file(file).values()) and file.stat().st_size < 0.6 * size
    read = type(model).from_pretrained(tmp_path, torch_dtype=torch.float32).state_dict()
    assert all(held.equal(read[name]) for name, held in before.items()) and {held.dtype for held in read.values()} == {torch.float32}
