"""Operations of one forward pass of each kind of component, at the size of its release's default call, on `meta`.

`FlopCounterMode` counts matrix products, convolutions and attention, a multiply-add as two. It is right on `meta`; on the
CPU it gives zero for fused attention.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from diffusers import PNDMScheduler
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

Call = dict[str, Any]
EIGHTH, SIXTEENTH = 8, 16  # pixels to a latent of every autoencoder here; to a packed token of FLUX
T5_TOKENS = {"HunyuanDiTPipeline": 256, "StableDiffusion3Pipeline": 256}  # of the pipeline's own call, where no card says


class Held(TorchDispatchMode):
    """Bytes that tensors made inside the block hold, now and at most, views counted once; works on `meta` too."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.users: dict[int, int] = {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        given = operation(*args, **(kwargs or {}))
        for tensor in pytree.tree_leaves(given):
            if isinstance(tensor, torch.Tensor):
                self._take(tensor)
        return given

    def _take(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self.users:
            self.now += size
            self.most = max(self.most, self.now)
        self.users[key] = self.users.get(key, 0) + 1
        weakref.finalize(tensor, self._leave, key, size)

    def _leave(self, key: int, size: int) -> None:
        self.users[key] -= 1
        if not self.users[key]:
            del self.users[key]
            self.now -= size


class Fused(TorchFunctionMode):
    """Attention as one kernel that keeps no matrix of weights, as on a GPU; `meta` alone would spell it out."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is not torch.nn.functional.scaled_dot_product_attention:
            return function(*args, **(kwargs or {}))
        query, key, value = args[:3] if len(args) > 2 else (kwargs["query"], kwargs["key"], kwargs["value"])
        groups = query.shape[1] // key.shape[1]  # grouped queries share keys and values
        key, value = (each.repeat_interleave(groups, 1) if groups > 1 else each for each in (key, value))
        return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, False)[0]


def forward(module: torch.nn.Module, card: dict[str, Any], part: str) -> tuple[float, float]:
    """10^9 operations of one forward pass of `module` on `meta`, and 10^9 bytes that it holds at most beside weights.

    At the card's default sizes, batch 1; the bytes are those of half precision, half of the float32 that runs here.
    """
    call = INPUTS[type(module).__name__](sizes(card, part), module.config)
    way = module.decode if "z" in call else module
    if type(module).__name__ == "MultilingualCLIP":  # it asks for a mask and looks at its values, and on meta there are none
        way = module.transformer  # all but the projection of one vector
    with Fused(), Held() as held, FlopCounterMode(display=False) as counter, torch.no_grad():
        way(*([call.pop("z")] if "z" in call else []), **call)
    return counter.get_total_flops() / 1e9, held.most / 2 / 1e9


def sizes(card: dict[str, Any], part: str) -> dict[str, int]:
    """What the number of operations depends on beside the component: height and width in pixels, length of the text."""
    given = card["defaults"]
    return {"height": given["height"], "width": given["width"], "tokens": tokens(card, part)}


def tokens(card: dict[str, Any], part: str) -> int:
    """Length of the text that `part` reads; for a denoiser with several encoders, of the longest."""
    stated = card["defaults"].get("max_sequence_length") or T5_TOKENS.get(card["pipeline_class"])
    held = card["components"][part]
    if held["class"].startswith(("CLIPText", "BertModel", "MultilingualCLIP")):
        return 77
    return stated or 77


def runs(card: dict[str, Any]) -> dict[str, int]:
    """How often each component runs for one image with the card's default call."""
    given, parts = card["defaults"], card["components"]
    passes = 2 if guided(card) else 1
    steps = _steps(card["scheduler"]["config"], given["steps"]) if card["scheduler"]["class"] == "PNDMScheduler" else given["steps"]
    found = {}
    for part in parts:
        if part in ("unet", "transformer"):
            found[part] = steps * passes
        elif part == "prior":
            found[part] = given["prior_steps"] * 2
        elif part in ("vae", "movq", "prior_image_encoder"):  # the image encoder embeds the empty picture, once
            found[part] = 1
        else:
            found[part] = 1 if card["pipeline_class"] == "Kandinsky3Pipeline" else passes  # its empty text is zeros
    return found


def guided(card: dict[str, Any]) -> bool:
    """Whether the default call uses classifier-free guidance: a second pass of the denoiser in every step."""
    distilled = card["pipeline_class"] in ("FluxPipeline", "Flux2Pipeline")  # guidance is an input there
    return card["defaults"]["guidance"] > 1 and not distilled


def _steps(config: dict[str, Any], steps: int) -> int:
    """Passes of PNDM's linear multistep form: one more than its steps."""
    scheduler = PNDMScheduler.from_config(config)
    scheduler.set_timesteps(steps)
    return len(scheduler.timesteps)


# ---- inputs by class: shapes [B,...] on meta ------------------------------------------------------------------------


def _empty(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


def _ids(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.long, device="meta")


def _latent(size: dict[str, int], channels: int) -> torch.Tensor:
    return _empty(1, channels, size["height"] // EIGHTH, size["width"] // EIGHTH)


def _unet(size: dict[str, int], config: Any) -> Call:
    call = dict(sample=_latent(size, config.in_channels), timestep=_ids(1))
    if config.addition_embed_type == "text_time":  # SDXL: pooled text, and six numbers of size and crop
        call |= dict(added_cond_kwargs=dict(text_embeds=_empty(1, 1280), time_ids=_empty(1, 6)))
    if config.addition_embed_type == "text_image":  # Kandinsky 2.1
        call |= dict(added_cond_kwargs=dict(text_embeds=_empty(1, 768), image_embeds=_empty(1, 768)))
    if config.addition_embed_type == "image":  # Kandinsky 2.2: no text at all
        return call | dict(added_cond_kwargs=dict(image_embeds=_empty(1, 1280)), encoder_hidden_states=None)
    wide = config.encoder_hid_dim or config.cross_attention_dim
    return call | dict(encoder_hidden_states=_empty(1, 77, wide))


def _kandinsky3(size: dict[str, int], config: Any) -> Call:
    text = dict(encoder_hidden_states=_empty(1, size["tokens"], config.encoder_hid_dim), encoder_attention_mask=_empty(1, size["tokens"]))
    return dict(sample=_latent(size, config.in_channels), timestep=_ids(1)) | text


def _sd3(size: dict[str, int], config: Any) -> Call:
    text = _empty(1, 77 + size["tokens"], config.joint_attention_dim)  # CLIP's tokens, then T5's
    return dict(hidden_states=_latent(size, config.in_channels), timestep=_ids(1), encoder_hidden_states=text,
                pooled_projections=_empty(1, config.pooled_projection_dim))


def _packed(size: dict[str, int], config: Any, axes: int) -> Call:
    image = size["height"] // SIXTEENTH * (size["width"] // SIXTEENTH)
    scale = _empty(1) if getattr(config, "guidance_embeds", True) else None
    return dict(hidden_states=_empty(1, image, config.in_channels), timestep=_empty(1), guidance=scale,
                encoder_hidden_states=_empty(1, size["tokens"], config.joint_attention_dim),
                img_ids=_empty(image, axes), txt_ids=_empty(size["tokens"], axes))


def _flux(size: dict[str, int], config: Any) -> Call:
    return _packed(size, config, 3) | dict(pooled_projections=_empty(1, config.pooled_projection_dim))


def _flux2(size: dict[str, int], config: Any) -> Call:
    return _packed(size, config, 4)


def _hunyuan(size: dict[str, int], config: Any) -> Call:
    grid = size["height"] // EIGHTH // config.patch_size * (size["width"] // EIGHTH // config.patch_size)
    turn = _empty(grid, config.hidden_size // config.num_attention_heads)
    text = dict(encoder_hidden_states=_empty(1, 77, config.cross_attention_dim), text_embedding_mask=_empty(1, 77),
                encoder_hidden_states_t5=_empty(1, size["tokens"], config.cross_attention_dim_t5),
                text_embedding_mask_t5=_empty(1, size["tokens"]))
    style = dict(image_meta_size=_empty(1, 6), style=_ids(1)) if config.use_style_cond_and_image_meta_size else {}
    return dict(hidden_states=_latent(size, config.in_channels), timestep=_empty(1), image_rotary_emb=(turn, turn)) | text | style


def _pixart(size: dict[str, int], config: Any) -> Call:
    told = config.use_additional_conditions if config.use_additional_conditions is not None else config.sample_size == 128
    shape = dict(resolution=_empty(1, 2) if told else None, aspect_ratio=_empty(1, 1) if told else None)
    return dict(hidden_states=_latent(size, config.in_channels), timestep=_ids(1), added_cond_kwargs=shape,
                encoder_hidden_states=_empty(1, size["tokens"], config.caption_channels))


def _prior(size: dict[str, int], config: Any) -> Call:
    wide = config.embedding_dim
    return dict(hidden_states=_empty(1, wide), timestep=_ids(1), proj_embedding=_empty(1, wide),
                encoder_hidden_states=_empty(1, config.num_embeddings, wide))


def _text(size: dict[str, int], config: Any) -> Call:
    return dict(input_ids=_ids(1, size["tokens"]))


def _picture(size: dict[str, int], config: Any) -> Call:
    return dict(pixel_values=_empty(1, 3, config.image_size, config.image_size))


def _decoded(size: dict[str, int], config: Any) -> Call:
    return dict(z=_latent(size, config.latent_channels))


def _unquantised(size: dict[str, int], config: Any) -> Call:
    return _decoded(size, config) | dict(force_not_quantize=True)


INPUTS: dict[str, Callable[[dict[str, int], Any], Call]] = {
    "UNet2DConditionModel": _unet,
    "Kandinsky3UNet": _kandinsky3,
    "SD3Transformer2DModel": _sd3,
    "FluxTransformer2DModel": _flux,
    "Flux2Transformer2DModel": _flux2,
    "HunyuanDiT2DModel": _hunyuan,
    "PixArtTransformer2DModel": _pixart,
    "PriorTransformer": _prior,
    "CLIPTextModel": _text,
    "CLIPTextModelWithProjection": _text,
    "BertModel": _text,
    "T5EncoderModel": _text,
    "MultilingualCLIP": _text,
    "Mistral3ForConditionalGeneration": _text,
    "Qwen3ForCausalLM": _text,
    "CLIPVisionModelWithProjection": _picture,
    "AutoencoderKL": _decoded,
    "AutoencoderKLFlux2": _decoded,
    "VQModel": _unquantised,
}
