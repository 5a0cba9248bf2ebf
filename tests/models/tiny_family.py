"""The family's rows at widths that take no time, and what they are built on with random weights."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import tiny_models
import torch
from diffusers import PriorTransformer, VQModel
from transformers import CLIPTokenizer

from experiments.artefacts import write_json
from experiments.models import assemble, text_models
from experiments.models import text_tokenizers as make
from experiments.models.recipes import RECIPES, Recipe
from experiments.training import corpus
from experiments.training.journal import save

CAPTIONS = {language: [text for style in corpus.captions("train", 60, language) for text in style] for language in ("en", "zh", "vi")}
CODE = tiny_models.CHANNELS
WORDS = 80  # of both CLIP towers side by side: 32 + 48
_T5 = dict(d_model=WORDS, d_kv=8, num_heads=2, d_ff=16, num_layers=1)
TEXT = {
    "t5": _T5,
    "mt5": _T5 | dict(d_model=24),
    "t5-large": _T5 | dict(d_model=24),
    "language-model": dict(hidden_size=16, head_dim=8, num_attention_heads=2, num_key_value_heads=1, intermediate_size=16),
    "clip-bilingual": dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32),
    "clip-multilingual": dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32),
}
WHOLE_CLIP = tiny_models.CLIP | dict(dimension=32, whole=True)  # Kandinsky: states, sentence and picture are of one width
_FLUX = dict(
    in_channels=4 * CODE, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=WORDS,
    pooled_projection_dim=32, axes_dims_rope=(2, 2, 4),
)  # fmt: skip
DENOISERS = {
    "mini-sd3.5": dict(
        in_channels=CODE, out_channels=CODE, num_layers=2, attention_head_dim=8, num_attention_heads=2, caption_projection_dim=16,
        joint_attention_dim=WORDS, pooled_projection_dim=56, dual_attention_layers=(0,),
    ),  # fmt: skip
    "mini-flux1-teacher": _FLUX,
    "mini-flux1-dev": _FLUX,
    "mini-flux1-schnell": _FLUX,
    "mini-flux2": dict(
        in_channels=4 * CODE, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=48,
        timestep_guidance_channels=16, axes_dims_rope=(2, 2, 2, 2),
    ),  # fmt: skip
    "mini-hunyuan-dit": dict(
        in_channels=CODE, num_layers=4, num_attention_heads=2, attention_head_dim=8, hidden_size=16, cross_attention_dim=32,
        cross_attention_dim_t5=24, pooled_projection_dim=16,
    ),  # fmt: skip
    "mini-pixart": dict(
        in_channels=CODE, out_channels=2 * CODE, num_layers=1, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        caption_channels=WORDS,
    ),  # fmt: skip
    "mini-kandinsky2.1": dict(block_out_channels=(16, 16), cross_attention_dim=32, encoder_hid_dim=32, attention_head_dim=8, norm_num_groups=4),
    "mini-kandinsky3": dict(
        block_out_channels=(16, 16, 16, 16), time_embedding_dim=16, cross_attention_dim=16, encoder_hid_dim=24, attention_head_dim=8, groups=4
    ),
    "mini-2-rectified-flow": tiny_models.UNET,
    "mini-instaflow": tiny_models.UNET,
    "mini-rectified-diffusion": tiny_models.UNET,
}
MOVQ = dict(block_out_channels=(32, 32, 32, 32), num_vq_embeddings=16)
PRIOR = dict(num_attention_heads=2, attention_head_dim=8, num_layers=1, embedding_dim=32)
MEMBERS = tuple(DENOISERS)


def row(name: str, **changes) -> Recipe:
    """The row `name` at tiny widths, with batches of 4 and few pairs."""
    recipe = RECIPES[name]
    config = copy.deepcopy(dict(recipe.config))
    if name in TEXT:
        config["model"] |= TEXT[name]
    elif name == "movq":
        config["model"] |= MOVQ
    elif name == "kandinsky-prior":
        config["model"] |= PRIOR
    else:
        config["denoiser"] = config["denoiser"] | DENOISERS[name]
    if "dimension" in config:
        config["dimension"] = 32
    if "pairs" in config:
        config["pairs"] |= dict(count=8, call=config["pairs"]["call"] | dict(num_inference_steps=2))
    return dataclasses.replace(recipe, **{"config": config, "batch": 4, "images": 16} | changes)


def parts(folder: Path) -> Path:
    """`tiny_models.parts` and all text encoders, the MoVQ and the prior, none of which knows anything."""
    tiny_models.parts(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "clip")
    torch.manual_seed(5)
    pair = assemble.clip(dataclasses.replace(RECIPES["clip"], config=WHOLE_CLIP), tokenizer).eval()
    save(pair, folder / "clip", {})
    for name, tower in tiny_models.text_towers(pair).items():
        save(tower, folder / "clip" / name, {})
    tokenizer.save_pretrained(folder / "clip")
    for name in TEXT:
        _text(row(name), folder / name)
    save(VQModel(**row("movq").config["model"]).eval(), folder / "movq", {})
    prior = PriorTransformer(**row("kandinsky-prior").config["model"]).eval()
    torch.nn.init.ones_(prior.clip_std)
    save(prior, folder / "kandinsky-prior", {})
    for name in (*TEXT, "movq", "kandinsky-prior"):
        write_json(folder / name / "training.json", {"recipe": name})
    return folder


def _text(recipe: Recipe, folder: Path) -> None:
    said, length = {language: CAPTIONS[language] for language in recipe.config["languages"]}, recipe.config["length"]
    if recipe.name in ("t5", "mt5", "t5-large"):
        tokenizer = make.t5_tokenizer(said, length)
        encoder = text_models.t5_encoder(text_models.t5(recipe.config, tokenizer))
    elif recipe.name == "language-model":
        tokenizer = make.qwen_tokenizer(said["en"], length)
        encoder = text_models.language_model(recipe.config, tokenizer)
    else:
        bert = recipe.name == "clip-bilingual"
        tokenizer = make.bert_tokenizer(said, length) if bert else make.xlm_roberta_tokenizer(said, length)
        encoder = (text_models.bilingual if bert else text_models.multilingual)(recipe.config, tokenizer).encoder
    tokenizer.save_pretrained(folder)
    save(encoder, folder / "text_encoder", {})


def pipeline(name: str, folder: Path):
    """The pipeline of a row on `parts(folder)` with a random denoiser that does not say zero."""
    torch.manual_seed(1)
    made = assemble.pipeline(row(name), folder)
    for weight in (made.unet if getattr(made, "unet", None) is not None else made.transformer).parameters():
        if weight.requires_grad and not weight.any():
            torch.nn.init.normal_(weight, std=0.1)
    return made
