"""What `recipes.family` says of sizes and compute, counted on `meta`."""

import diffusers
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.models.recipes import RECIPES

BAND = (217, 264)  # million operations of one forward pass
SMALL = (113, 128)
CLASSES = {
    "stable-diffusion": "UNet2DConditionModel",
    "stable-diffusion-3": "SD3Transformer2DModel",
    "stable-diffusion-3-5": "SD3Transformer2DModel",
    "flux": "FluxTransformer2DModel",
    "flux-2": "Flux2Transformer2DModel",
    "hunyuan-dit": "HunyuanDiT2DModel",
    "pixart": "PixArtTransformer2DModel",
    "kandinsky": "UNet2DConditionModel",
    "kandinsky-3": "Kandinsky3UNet",
}


def m(*shape):
    return torch.empty(*shape, device="meta")


def call(pipeline: str) -> dict:
    """Inputs of one pass as the row's own call makes them."""
    text, code = m(1, 40, 288), m(1, 16, 8, 8)
    match pipeline:
        case "stable-diffusion":
            return dict(sample=code, timestep=m(1), encoder_hidden_states=m(1, 40, 128))
        case "stable-diffusion-3" | "stable-diffusion-3-5":
            more = 16 if pipeline == "stable-diffusion-3" else 40
            return dict(hidden_states=code, timestep=m(1), encoder_hidden_states=m(1, 40 + more, 288), pooled_projections=m(1, 256))
        case "flux":
            ids = dict(img_ids=m(16, 3), txt_ids=m(40, 3))
            return dict(hidden_states=m(1, 16, 64), timestep=m(1), encoder_hidden_states=text, pooled_projections=m(1, 128), **ids)
        case "flux-2":
            ids = dict(img_ids=m(1, 16, 4), txt_ids=m(1, 64, 4), guidance=None)
            return dict(hidden_states=m(1, 16, 64), timestep=m(1), encoder_hidden_states=m(1, 64, 288), **ids)
        case "hunyuan-dit":
            masks = dict(text_embedding_mask=m(1, 77), text_embedding_mask_t5=m(1, 256), image_rotary_emb=(m(64, 28), m(64, 28)))
            return dict(
                hidden_states=code, timestep=m(1), encoder_hidden_states=m(1, 77, 128), encoder_hidden_states_t5=m(1, 256, 96), **masks
            )
        case "pixart":
            return dict(
                hidden_states=code, timestep=m(1), encoder_hidden_states=text, encoder_attention_mask=m(1, 40),
                added_cond_kwargs=dict(resolution=None, aspect_ratio=None),
            )  # fmt: skip
        case "kandinsky":
            told = dict(text_embeds=m(1, 128), image_embeds=m(1, 128))
            return dict(sample=m(1, 4, 8, 8), timestep=m(1), encoder_hidden_states=m(1, 77, 128), added_cond_kwargs=told)
    return dict(sample=m(1, 4, 8, 8), timestep=m(1), encoder_hidden_states=m(1, 40, 192), encoder_attention_mask=m(1, 40))


ROWS = (
    "mini-sd1.5", "mini-sd3", "mini-sd3.5", "mini-flux1-teacher", "mini-flux2", "mini-hunyuan-dit", "mini-pixart", "mini-kandinsky2.1",
    "mini-kandinsky3",
)  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_compute_is_what_the_family_says(name):
    row = RECIPES[name]
    pipeline = row.config["pipeline"]
    with torch.device("meta"):
        denoiser = getattr(diffusers, CLASSES[pipeline])(**row.config["denoiser"])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        denoiser(**call(pipeline))
    low, high = SMALL if "flux1" in name or "kandinsky" in name else BAND
    assert low < counter.get_total_flops() / 1e6 < high
    assert sum(p.numel() for p in denoiser.parameters()) < (3.3e6 if name in ("mini-sd1.5", "mini-sd3") else 2.8e6)


def test_all_see_as_many_images():
    assert {RECIPES[name].images for name in ROWS} == {1_000_000}
    assert {(RECIPES[name].batch, RECIPES[name].rate) for name in ROWS} == {(64, 1e-3)}
