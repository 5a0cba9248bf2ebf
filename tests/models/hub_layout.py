"""Releases in small: every component of a system at tiny widths, laid out in files as the hub's own cache has them.

`publish("sdxl", cache)` makes the folder that a download of SDXL would have made: `models--owner--name` with `refs`,
`blobs` named by their SHA-256 and a snapshot of links; weights in shards, and in half precision where the row says so.
Classes, schedulers and every setting but the widths are those of the release's card, so that only values differ.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from functools import cache as once
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers.pipelines.kandinsky import text_encoder as multilingual
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from tokenizers import Tokenizer, models, pre_tokenizers

from experiments.data.captions import caption
from experiments.data.scenes import sample_scene
from experiments.models import cards
from experiments.models.systems import System, find
from experiments.models.tokenizers import clip_tokenizer

SHARDS = {"sd3": "40KB"}  # by release; others have shards of 150 kB
SIDE = 64  # pixels of a picture that costs next to nothing: 8 x 8 latents
FAST = dict(resolution=SIDE, steps=2)  # what to ask of `generate`
TEMPLATE = "{% for m in messages %}{% for c in m['content'] %}{{ c['text'] }} {% endfor %}{% endfor %}"
HASH = "0123456789abcdef0123456789abcdef01234567"  # the commit of a row that pins none
WIDTH, HEADS = 32, 2
LATENT = dict(block_out_channels=[8, 8, 8, 8], norm_num_groups=4, layers_per_block=1, sample_size=SIDE)
CLIP = dict(hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2, num_attention_heads=HEADS, projection_dim=WIDTH)
T5 = dict(d_model=WIDTH, d_kv=8, num_heads=HEADS, d_ff=64, num_layers=1, num_decoder_layers=1)
UNET = dict(block_out_channels=[16, 16, 16, 16], norm_num_groups=4, layers_per_block=1, cross_attention_dim=WIDTH, sample_size=8)
SMALL = {  # widths by class; what a single release needs beyond that is in OWN
    "AutoencoderKL": LATENT,
    "AutoencoderKLFlux2": LATENT,
    "VQModel": LATENT | dict(num_vq_embeddings=16, block_out_channels=[32, 32, 32, 32], norm_num_groups=32),  # SpatialNorm has 32 groups
    "CLIPTextModel": CLIP,
    "CLIPTextModelWithProjection": CLIP,
    "CLIPVisionModelWithProjection": CLIP | dict(num_hidden_layers=1),
    "T5EncoderModel": T5,
    "BertModel": dict(hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=1, num_attention_heads=HEADS),
    "MultilingualCLIP": dict(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=1, num_attention_heads=HEADS, numDims=WIDTH,
        transformerDimensions=WIDTH,
    ),
    "UNet2DConditionModel": UNET | dict(attention_head_dim=2),
    "Kandinsky3UNet": dict(
        block_out_channels=[16, 16, 16, 16], groups=4, attention_head_dim=8, layers_per_block=2, time_embedding_dim=16,
        cross_attention_dim=WIDTH, encoder_hid_dim=WIDTH,
    ),
    "PriorTransformer": dict(num_attention_heads=HEADS, attention_head_dim=12, embedding_dim=WIDTH, num_layers=1),
    "SD3Transformer2DModel": dict(
        num_layers=2, attention_head_dim=8, num_attention_heads=HEADS, caption_projection_dim=16, joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=2 * WIDTH, pos_embed_max_size=16, sample_size=8,
    ),
    "FluxTransformer2DModel": dict(
        num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=HEADS, joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH, axes_dims_rope=[4, 4, 8],
    ),
    "Flux2Transformer2DModel": dict(
        num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=HEADS, joint_attention_dim=3 * WIDTH,
        axes_dims_rope=[4, 4, 4, 4],
    ),
    "HunyuanDiT2DModel": dict(
        num_layers=2, attention_head_dim=16, num_attention_heads=HEADS, hidden_size=32, cross_attention_dim=WIDTH, cross_attention_dim_t5=WIDTH,
        pooled_projection_dim=WIDTH, sample_size=8,
    ),
}  # fmt: skip
OWN = {
    "sdxl": {"unet": dict(block_out_channels=[16] * 3, transformer_layers_per_block=[1, 1, 2], addition_time_embed_dim=8,
                          projection_class_embeddings_input_dim=WIDTH + 6 * 8, cross_attention_dim=2 * WIDTH)},
    "sd3": {"text_encoder_3": dict(d_model=2 * WIDTH)},
    "sd3.5-medium": {"text_encoder_3": dict(d_model=2 * WIDTH), "transformer": dict(dual_attention_layers=[0])},
    "sd3.5-large": {"text_encoder_3": dict(d_model=2 * WIDTH)},
    "kandinsky2.1": {"unet": dict(encoder_hid_dim=WIDTH, attention_head_dim=4)},
    "kandinsky2.2": {"unet": dict(encoder_hid_dim=WIDTH, attention_head_dim=4)},
}  # fmt: skip


# ---- tokenizers ------------------------------------------------------------------------------------------------------


@once
def texts() -> tuple[str, ...]:
    """Captions of the first test scenes: what the stand-in for COCO says."""
    return tuple(caption(sample_scene(i, 0, "test"), "en", k) for i in range(40) for k in range(5))


@once
def words() -> tuple[str, ...]:
    return tuple(sorted({word for text in texts() for word in text.lower().replace(",", " ").split()}))


def clip_words(length: int = 77) -> transformers.CLIPTokenizer:
    return clip_tokenizer(texts(), length=length, vocabulary=600)


def t5_words(length: int = 512) -> transformers.T5Tokenizer:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), *((f"▁{word}", -3.0) for word in words()), ("▁", -5.0)]
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=length)


def bert_words() -> transformers.BertTokenizer:
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words()]
    return transformers.BertTokenizer(vocab={word: i for i, word in enumerate(known)}, model_max_length=77)


def xlm_words() -> transformers.XLMRobertaTokenizer:
    known = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁{word}" for word in words()), "▁", "<mask>"]
    return transformers.XLMRobertaTokenizer(vocab=[(word, -3.0) for word in known], model_max_length=77)


def mistral_words() -> transformers.PreTrainedTokenizerFast:
    """FLUX.2's release has a PixtralProcessor, which wants torchvision for pictures; for text it is this tokenizer."""
    known = ["<pad>", "<unk>", "[IMG]", "[IMG_BREAK]", "[IMG_END]", *words()]
    learned = Tokenizer(models.WordLevel({word: i for i, word in enumerate(known)}, unk_token="<unk>"))
    learned.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=learned, pad_token="<pad>", unk_token="<unk>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


TOKENIZERS = {  # of each class of text encoder; all others are CLIP's
    "T5EncoderModel": t5_words,
    "BertModel": bert_words,
    "MultilingualCLIP": xlm_words,
    "Mistral3ForConditionalGeneration": mistral_words,
}


# ---- components ------------------------------------------------------------------------------------------------------


def component(system: System, part: str) -> torch.nn.Module:
    """The component `part` of a release's card at tiny widths, with random weights."""
    held = cards.card(system.card)["components"][part]
    if held["class"].startswith("Mistral3"):
        return _mistral()
    kind = next(getattr(home, held["class"]) for home in (transformers, diffusers, multilingual) if hasattr(home, held["class"]))
    given = held["config"] | SMALL[held["class"]] | OWN.get(system.name, {}).get(part, {})
    if hasattr(kind, "from_config") and hasattr(kind, "register_to_config"):
        return kind.from_config({key: value for key, value in given.items() if key != "_class_name"})
    if "vocab_size" in given:
        spoken = TOKENIZERS.get(held["class"], clip_words)()
        marks = (f"{mark}_token_id" for mark in ("pad", "bos", "eos"))
        given |= {mark: getattr(spoken, mark) for mark in marks} | dict(vocab_size=len(spoken))
    return kind(kind.config_class(**given))


def _mistral() -> transformers.Mistral3ForConditionalGeneration:
    """FLUX.2's text encoder reads layers 10, 20 and 30, so this one has 31 of them."""
    vocabulary = len(mistral_words())
    text = dict(
        model_type="mistral", hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=31, num_attention_heads=HEADS, num_key_value_heads=1,
        head_dim=16, vocab_size=vocabulary,
    )  # fmt: skip
    seen = dict(model_type="pixtral", hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=HEADS, head_dim=16, image_size=28)
    config = transformers.Mistral3Config(text_config=text, vision_config=seen, image_token_index=2, tie_word_embeddings=False)
    return transformers.Mistral3ForConditionalGeneration(config)


def scheduler(held: dict):
    return getattr(diffusers, held["class"]).from_config(held["config"])


def safety_checker() -> dict:
    """The checker of SD1.x and what prepares its pictures; its concepts are nowhere near any picture."""
    tower = dict(hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=1, num_attention_heads=HEADS)
    config = transformers.CLIPConfig(text_config=tower, vision_config=tower | dict(image_size=32, patch_size=16), projection_dim=16)
    size = dict(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return dict(safety_checker=StableDiffusionSafetyChecker(config), feature_extractor=transformers.CLIPImageProcessor(**size))


def pipelines(name: str) -> dict[str, diffusers.DiffusionPipeline]:
    """The tiny pipelines of a release by hub id: one, or decoder and prior."""
    system = find(name)
    torch.manual_seed(0)
    card = cards.card(system.card)
    parts = {part: component(system, part).eval() for part in card["components"]}
    for denoiser in (parts.get("transformer"), parts.get("unet")):
        for last in ("proj_out", "conv_out"):
            layer = getattr(denoiser, last, None)
            if layer is not None and hasattr(layer, "weight"):
                torch.nn.init.normal_(layer.weight, std=0.1)
    encoders = {part: type(encoder).__name__ for part, encoder in parts.items() if "text_encoder" in part}
    spoken = {part.replace("text_encoder", "tokenizer"): TOKENIZERS.get(kind, clip_words)() for part, kind in encoders.items()}
    given = parts | spoken | dict(scheduler=scheduler(card["scheduler"]))
    if system.prior:
        prior = {key.removeprefix("prior_"): given.pop(key) for key in [*given] if key.startswith("prior")}
        prior |= dict(scheduler=scheduler(card["scheduler"]["prior"]), image_processor=transformers.CLIPImageProcessor())
        first = "KandinskyPipeline" if name == "kandinsky2.1" else "KandinskyV22Pipeline"
        return {
            system.hub: getattr(diffusers, first)(**given),
            system.prior: getattr(diffusers, first.replace("Pipeline", "PriorPipeline"))(**prior),
        }
    kind = "StableDiffusionPipeline" if system.pipeline == "InstaFlowPipeline" else system.pipeline
    if name in ("sd1.4", "sd1.5", "instaflow"):
        given |= safety_checker()
    elif kind == "StableDiffusionPipeline":
        given |= dict(safety_checker=None, feature_extractor=transformers.CLIPImageProcessor(), requires_safety_checker=False)
    elif kind == "HunyuanDiTPipeline":
        given |= dict(safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    return {system.hub: getattr(diffusers, kind)(**given)}


# ---- files -----------------------------------------------------------------------------------------------------------


def publish(name: str, cache: Path) -> Path:
    """Lay the release `name` out in the hub cache `cache`; returns the snapshot of its repository (not of its prior)."""
    system = find(name)
    folders = [_repository(hub, made, system, cache) for hub, made in pipelines(name).items()]
    if system.pipeline == "InstaFlowPipeline":
        index = folders[0] / "model_index.json"
        index.write_text(index.read_text().replace("StableDiffusionPipeline", "RectifiedFlowPipeline"))
    return folders[0]


def _repository(hub: str, pipeline: diffusers.DiffusionPipeline, system: System, cache: Path) -> Path:
    commit = (system.revision if hub == system.hub else system.prior_revision).replace("main", HASH)
    repository = cache / f"models--{hub.replace('/', '--')}"
    folder = repository / "snapshots" / commit
    size = SHARDS.get(system.name, "150KB")
    pipeline.save_pretrained(folder, max_shard_size=size)
    if system.variant:
        with warnings.catch_warnings(action="ignore"):
            pipeline.to(dtype=torch.float16).save_pretrained(folder, max_shard_size=size, variant=system.variant)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "blobs").mkdir(exist_ok=True)
    for file in folder.rglob("*.safetensors"):
        blob = repository / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        file.replace(blob)
        file.symlink_to(os.path.relpath(blob, file.parent))
    return folder
