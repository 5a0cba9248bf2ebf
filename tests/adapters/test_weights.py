"""LoRA and DoRA: the formulas on the weights that are saved, against peft."""

import pytest
import torch
from diffusers import StableDiffusionPipeline

from experiments.adapters import weights as change
from experiments.adapters.weights import Method


def attached(pipe, way, rank=3):
    """A pipeline with an adapter whose B is not zero, as after training."""
    change.attach(pipe.unet, Method(way, rank))
    for name, value in pipe.unet.named_parameters():
        if "lora_B" in name or "magnitude" in name:
            torch.nn.init.normal_(value, mean=float(value.detach().mean()), std=0.1)
    return pipe


@pytest.mark.parametrize("way", ["lora", "dora"])
def test_saved_weights_say_what_the_formula_says(pipe, way, tmp_path):
    """h = Wx + BAx, or m V/||V|| x with V = W + BA, after saving and loading as diffusers users do."""
    attached(pipe, way)
    StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=change.layers_of(pipe.unet))
    pipe.unet.delete_adapters(["default"])
    pipe.load_lora_weights(str(tmp_path), adapter_name="kept")
    layers = [m for m in pipe.unet.modules() if hasattr(m, "lora_A") and "kept" in m.lora_A]
    assert len(layers) == 4 * 2 * 4  # q, k, v, out of self- and cross-attention in four blocks
    for layer in layers:
        W, A, B = layer.base_layer.weight, layer.lora_A["kept"].weight, layer.lora_B["kept"].weight
        V = W + B @ A
        if way == "dora":
            V = layer.lora_magnitude_vector["kept"].weight[:, None] * V / V.norm(dim=1, keepdim=True)
        x = torch.randn(5, W.shape[1])
        bias = 0 if layer.base_layer.bias is None else layer.base_layer.bias
        assert torch.allclose(layer(x), x @ V.T + bias, atol=1e-4)


def test_dora_begins_as_the_base(pipe):
    x, t, words = torch.randn(1, 4, 8, 8), torch.tensor([10]), torch.randn(1, 6, 32)
    with torch.no_grad():
        before = pipe.unet(x, t, words).sample
        change.attach(pipe.unet, Method("dora", 2))
        assert torch.allclose(pipe.unet(x, t, words).sample, before, atol=1e-5)


def test_only_the_adapter_is_trained_and_full_trains_all(pipe):
    whole = sum(p.numel() for p in pipe.unet.parameters())
    change.attach(pipe.unet, Method("lora", 1, "words"))
    trained = [name for name, p in pipe.unet.named_parameters() if p.requires_grad]
    assert trained and all("lora" in name and "attn2" in name for name in trained)
    change.attach(pipe.unet, Method("full"))
    assert sum(p.numel() for p in pipe.unet.parameters() if p.requires_grad) >= whole
    with pytest.raises(ValueError, match="full, or lora or dora"):
        change.attach(pipe.unet, Method("prefix"))


def test_a_cut_change_has_that_rank_and_keeps_the_most():
    delta = {"w": torch.randn(8, 6), "k": torch.randn(5, 3, 3, 3)}
    cut = change.truncated(delta, 2)
    assert all(torch.linalg.matrix_rank(value.flatten(1)) == 2 and value.shape == delta[name].shape for name, value in cut.items())
    left = torch.linalg.svdvals(delta["w"])[2:].square().sum().sqrt()
    assert torch.isclose((delta["w"] - cut["w"]).norm(), left, atol=1e-4)
    assert torch.allclose(change.truncated(delta, 6)["w"], delta["w"], atol=1e-5)


def test_the_few_pictures_leave_two_colours_for_the_question():
    shown = change.examples("tower", 0)
    assert len(shown) == change.FEW and {t.solid.shape for t in shown} == {"tower"}
    assert not {t.solid.colour for t in shown} & {"gray", "brown"}
    assert all(t.striped and t.solid.shape != "tower" for t in change.examples("stripes", 0))
