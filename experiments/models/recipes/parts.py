"""Rows of what pipelines share, and of the judges: autoencoder, CLIP pairs, checker, aesthetic proxy."""

from __future__ import annotations

from experiments.models.recipes.recipe import CAPTIONS, LOOP, RENDER, Recipe

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

_BY_AUTOENCODER = (LOOP, RENDER, "experiments.training.autoencoder")
_BY_CLIP = (LOOP, RENDER, CAPTIONS, "experiments.training.clip", "experiments.models.tokenizers")
_BY_CHECKER = (LOOP, "experiments.metrics.checker_loss", "experiments.metrics.checker_data")
_BY_PROXY = (RENDER, "experiments.metrics.aesthetic")

ROWS = (
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
)
