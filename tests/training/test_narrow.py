"""Formats on disk: what 8 bits lose, which tensors keep 16, and that plain diffusers reads both into float32."""

import copy

import pytest
import torch
from diffusers import DDPMScheduler, DDPMPipeline, UNet2DModel
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from experiments.training.journal import as_shipped, save
from experiments.training.narrow import LOST, NARROW, narrow_, narrowed, round_


def unet() -> UNet2DModel:
    torch.manual_seed(0)
    return UNet2DModel(sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(32, 32), norm_num_groups=8,
                       down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"))  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.floats(-7, 5))
def test_what_is_narrowed_loses_no_more_than_allowed(seed, size):
    weight = torch.randn(32, 32, generator=torch.Generator().manual_seed(seed)) * 2.0**size
    short = narrowed(weight)
    lost = ((short.float() - weight).square().mean() / weight.square().mean()).sqrt()
    assert short.dtype in (NARROW, torch.float16) and lost <= LOST


def test_normal_weights_take_8_bits_and_lose_what_3_bits_of_mantissa_lose():
    weight = torch.randn(256, 256, generator=torch.Generator().manual_seed(1))
    short = narrowed(weight)
    lost = ((short.float() - weight).square().mean() / weight.square().mean()).sqrt()
    assert short.dtype == NARROW and 0.02 < lost < 0.032


@pytest.mark.parametrize(
    "weight",
    [torch.randn(64), torch.randn(64, 64) * 1e-3, torch.tensor([[1.0, 1e4]]), torch.full((8, 8), 2.0**-12)],
    ids=["a vector", "below the smallest", "above the largest", "all lost"],
)
def test_what_8_bits_would_harm_keeps_16(weight):
    assert narrowed(weight).dtype == torch.float16


def test_zeros_stay_zeros():
    assert not narrowed(torch.zeros(4, 4)).float().any()


def test_a_round_module_reads_back_as_it_is(tmp_path):
    model = unet().eval()
    round_(model)
    before = copy.deepcopy(model.state_dict())
    again = copy.deepcopy(model)
    round_(again)
    assert all(torch.equal(again.state_dict()[k], v) for k, v in before.items())
    save(DDPMPipeline(model, DDPMScheduler()), tmp_path, {})
    assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items()) and model.dtype == torch.float32
    formats = {v.dtype for v in load_file(tmp_path / "unet/diffusion_pytorch_model.safetensors").values()}
    assert formats == {NARROW, torch.float16}
    read = DDPMPipeline.from_pretrained(tmp_path).unet
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    assert all(torch.equal(read.state_dict()[k], v) for k, v in before.items())


def test_what_is_scored_is_what_is_shipped(tmp_path):
    pipe = DDPMPipeline(unet().eval(), DDPMScheduler())
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    as_trained = pipe.unet(x, 500).sample
    scored = as_shipped(pipe).unet(x, 500).sample
    save(pipe, tmp_path, {})
    torch.testing.assert_close(DDPMPipeline.from_pretrained(tmp_path).unet(x, 500).sample, scored, rtol=0, atol=0)
    assert not torch.equal(scored, as_trained)


def test_buffers_are_halved_and_parameters_keep_their_module():
    model = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.BatchNorm1d(32))
    narrow_(model)
    assert model[0].weight.dtype == NARROW and model[0].bias.dtype == torch.float16
    assert model[1].running_mean.dtype == torch.float16 and model[1].num_batches_tracked.dtype == torch.int64
