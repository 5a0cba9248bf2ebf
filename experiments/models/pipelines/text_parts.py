"""Text encoders beside CLIP, and the autoencoder for pipelines that read a shift from its config."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from diffusers.pipelines.kandinsky.text_encoder import MultilingualCLIP
from transformers import BertModel, BertTokenizer, Qwen2TokenizerFast, Qwen3ForCausalLM, T5EncoderModel, T5TokenizerFast, XLMRobertaTokenizer

from experiments.models.pipelines import parts


def shiftless(weights: Path) -> AutoencoderKL:
    """The shared autoencoder, whose codes need no shift; its config says so, as these pipelines cannot do without one."""
    vae = parts.autoencoder(weights)
    vae.register_to_config(shift_factor=0.0)
    return vae


def t5(weights: Path, name: str) -> T5EncoderModel:
    return T5EncoderModel.from_pretrained(weights / name / "text_encoder", dtype=torch.float32).eval()


def t5_tokenizer(weights: Path, name: str) -> T5TokenizerFast:
    return T5TokenizerFast.from_pretrained(weights / name)


def bert(weights: Path) -> tuple[BertModel, BertTokenizer]:
    folder = weights / "clip-bilingual"
    return BertModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval(), BertTokenizer.from_pretrained(folder)


def multilingual(weights: Path) -> tuple[MultilingualCLIP, XLMRobertaTokenizer]:
    folder = weights / "clip-multilingual"
    return MultilingualCLIP.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval(), XLMRobertaTokenizer.from_pretrained(folder)


def language_model(weights: Path) -> tuple[Qwen3ForCausalLM, Qwen2TokenizerFast]:
    folder = weights / "language-model"
    return Qwen3ForCausalLM.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval(), Qwen2TokenizerFast.from_pretrained(folder)
