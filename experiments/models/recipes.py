"""Every miniature as a row: what it mirrors, how it is built, what it learns from, and the scores it must reach.

Adding a miniature is adding a row. Component configs are the release's own where a width does not enter; `mirrors` names the
card they come from. Budgets are numbers of training images shown; scores are measured by `metrics.evaluate` on test prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from experiments.artefacts import fingerprint, source_hash


@dataclass(frozen=True, slots=True)
class Recipe:
    """One row. `trainer` is the dotted path of the function that carries it out, `needs` the rows it builds on."""

    name: str
    trainer: str
    mirrors: str
    objective: str
    images: int
    batch: int
    rate: float
    made_by: tuple[str, ...]  # modules that the weights depend on: a change of theirs makes the weights stale
    needs: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of a pipeline's call: steps and guidance
    expected: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def made(self) -> str:
        """Hash, in hex, of what the weights follow from: code, configuration and plan, but neither bars nor defaults."""
        code = source_hash(*self.made_by, without=["experiments.artefacts"])  # how files are written is not in the weights
        return fingerprint(code, dict(self.config), self.objective, self.batch, self.rate, self.needs, self.seed)


LENGTH = 40  # tokens: the longest English caption with its start and end
CODE_CHANNELS = 16

AUTOENCODER = dict(
    in_channels=3,
    out_channels=3,
    down_block_types=("DownEncoderBlock2D",) * 4,
    up_block_types=("UpDecoderBlock2D",) * 4,
    block_out_channels=(16, 32, 64, 96),
    layers_per_block=1,
    latent_channels=CODE_CHANNELS,
    norm_num_groups=8,
    sample_size=64,
)
TOWER = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, hidden_act="quick_gelu")
CLIP = dict(
    text=TOWER,
    vision=TOWER | dict(image_size=64, patch_size=8),
    dimension=128,
    whole=True,  # what is shipped: the pair, and text towers for pipelines
    towers=("text_encoder", "text_encoder_projected"),
)
CLIP_WIDE = CLIP | dict(
    text=TOWER | dict(hidden_size=160, intermediate_size=640, num_attention_heads=5, hidden_act="gelu"),
    whole=False,
    towers=("text_encoder_projected",),
)
CLIP_JUDGE = CLIP | dict(towers=())
UNET = dict(
    sample_size=8,
    in_channels=CODE_CHANNELS,
    out_channels=CODE_CHANNELS,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    block_out_channels=(96, 96),
    layers_per_block=1,
    cross_attention_dim=128,
    attention_head_dim=4,  # the number of heads, as in SD 1.x's own config
    norm_num_groups=16,
)
MMDIT = dict(
    sample_size=8,
    patch_size=1,
    in_channels=CODE_CHANNELS,
    out_channels=CODE_CHANNELS,
    num_layers=5,
    attention_head_dim=32,
    num_attention_heads=4,
    caption_projection_dim=128,
    joint_attention_dim=288,  # the two CLIP towers side by side: 128 + 160
    pooled_projection_dim=256,
    pos_embed_max_size=16,
)
STABLE_DIFFUSION_SCHEDULE = dict(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    skip_prk_steps=True,
    set_alpha_to_one=False,
    steps_offset=1,
)
TEXT_TO_IMAGE_BARS = {"single object": 0.90, "colour attribution": 0.60}

_LOOP, _RENDER, _CAPTIONS = "experiments.training.loop", "experiments.data.render", "experiments.data.captions"
_BY_AUTOENCODER = (_LOOP, _RENDER, "experiments.training.autoencoder")
_BY_CLIP = (_LOOP, _RENDER, _CAPTIONS, "experiments.training.clip", "experiments.models.tokenizers")
_BY_CHECKER = (_LOOP, "experiments.metrics.checker_loss", "experiments.metrics.checker_data")
_BY_PROXY = (_RENDER, "experiments.metrics.aesthetic")
_BY_DENOISER = (_LOOP, _RENDER, _CAPTIONS, "experiments.training.objective")

_ROWS = (
    Recipe(
        "autoencoder",
        "experiments.training.components:autoencoder",
        mirrors="AutoencoderKL of sd-1.5 (f = 8), with 16 channels as in sd3-medium",
        objective="squared error + 1e-4 KL",
        images=60_000,
        batch=32,
        rate=1.5e-3,
        made_by=_BY_AUTOENCODER,
        config=AUTOENCODER,
        expected={"psnr": 30.0},
    ),
    Recipe(
        "clip",
        "experiments.training.components:clip",
        mirrors="CLIP ViT-L/14, the text encoder of sd-1.5",
        objective="contrastive",
        images=112_000,
        batch=256,
        rate=1e-3,
        made_by=_BY_CLIP,
        config=CLIP,
        expected={"retrieval@1 of 64": 0.90},
    ),
    Recipe(
        "clip-wide",
        "experiments.training.components:clip",
        mirrors="OpenCLIP ViT-bigG/14, the second text encoder of sd3-medium",
        objective="contrastive",
        images=112_000,
        batch=256,
        rate=1e-3,
        made_by=_BY_CLIP,
        config=CLIP_WIDE,
        expected={"retrieval@1 of 64": 0.90},
        seed=1,
    ),
    Recipe(
        "clip-eval",
        "experiments.training.components:clip",
        mirrors="CLIP ViT-L/14 as a judge: another seed than the towers that condition",
        objective="contrastive",
        images=112_000,
        batch=256,
        rate=1e-3,
        made_by=_BY_CLIP,
        config=CLIP_JUDGE,
        expected={"retrieval@1 of 64": 0.90},
        seed=2,
    ),
    Recipe(
        "checker",
        "experiments.metrics.checker_training:train",
        mirrors="GenEval's detector; Inception-v3 as the feature network of FID",
        objective="detection of solids (CenterNet)",
        images=224_000,
        batch=64,
        rate=2e-3,
        made_by=_BY_CHECKER,
    ),
    Recipe(
        "aesthetic-proxy",
        "experiments.metrics.aesthetic_training:train",
        mirrors="LAION's linear aesthetic predictor on CLIP ViT-L/14 embeddings; a proxy, judged on spoiled renders",
        objective="ridge regression on embeddings",
        images=4_000,
        batch=4_000,
        rate=0.0,
        made_by=_BY_PROXY,
        needs=("clip-eval",),
        expected={"rank correlation": 0.6},
    ),
    Recipe(
        "mini-sd1.5",
        "experiments.training.denoiser:train",
        mirrors="sd-1.5",
        objective="epsilon",
        images=1_000_000,
        batch=64,
        rate=1e-3,
        made_by=_BY_DENOISER,
        needs=("autoencoder", "clip"),
        config=dict(pipeline="stable-diffusion", denoiser=UNET, scheduler=STABLE_DIFFUSION_SCHEDULE),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0),
        expected=TEXT_TO_IMAGE_BARS,
    ),
    Recipe(
        "mini-sd3",
        "experiments.training.denoiser:train",
        mirrors="sd3-medium, without its T5 (the paper's own option of leaving it out)",
        objective="flow",
        images=1_000_000,
        batch=64,
        rate=1e-3,
        made_by=_BY_DENOISER,
        needs=("autoencoder", "clip", "clip-wide"),
        config=dict(pipeline="stable-diffusion-3", denoiser=MMDIT, scheduler=dict(num_train_timesteps=1000, shift=3.0)),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0, max_sequence_length=16),
        expected=TEXT_TO_IMAGE_BARS,
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({row.name: row for row in _ROWS})
