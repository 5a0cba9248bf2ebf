"""What a text-to-image row learns from, made once: codes of its autoencoder, and ids of its tokenizers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch
from diffusers import DiffusionPipeline
from transformers import CLIPModel, CLIPTokenizer

from experiments.data.captions import STYLES
from experiments.data.dataset import images
from experiments.models.pipelines import parts
from experiments.models.recipes import Recipe
from experiments.training import corpus, movq, texts
from experiments.training.denoising import Material
from experiments.training.embeddings import picture_embeddings


def material(recipe: Recipe, pipe: DiffusionPipeline, condition: ModuleType, scenes: int, weights: Path, device: torch.device) -> Material:
    """Of the first `scenes` training scenes."""
    mean, deviation = _codes(pipe, scenes, weights, device)
    held, nothing = {}, {}
    for name in condition.TOKENIZERS:
        held[name], nothing[name] = _ids(recipe, pipe, condition, getattr(pipe, name), scenes)
    if hasattr(condition, "PICTURE"):
        held[condition.PICTURE], nothing[condition.PICTURE] = _pictures(pipe, scenes, weights, device, next(iter(held.values())).shape[1])
    return Material(mean, deviation, held, nothing)


def _codes(pipe: DiffusionPipeline, scenes: int, weights: Path, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    if hasattr(pipe, "movq"):
        mean = movq.codes(pipe.movq.to(device), weights / "movq", scenes)
        return mean, torch.zeros(1).expand_as(mean)  # a code of MoVQ has no spread
    return corpus.codes(parts.autoencoder(weights).to(device), weights / "autoencoder", "train", scenes)


def _ids(recipe: Recipe, pipe, condition: ModuleType, tokenizer, scenes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids of all captions [N,S,L] and of the empty one [L]."""
    if isinstance(tokenizer, CLIPTokenizer):  # its padding counts as text
        empty = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length)["input_ids"]
        return corpus.tokens(tokenizer, "train", scenes), torch.tensor(empty)
    word = (lambda text: condition.wording(pipe, text)) if hasattr(condition, "wording") else str
    found = texts.ids(tokenizer, "train", scenes, recipe.config.get("languages", ("en",)), word)
    return found, texts.pad(tokenizer, [word("")], found.shape[-1])[0]


def _pictures(pipe, scenes: int, weights: Path, device: torch.device, styles: int) -> tuple[torch.Tensor, torch.Tensor]:
    """CLIP's embeddings of the pictures, for every caption of a scene the same [N,S,D], and of a gray one [D]."""
    pair = CLIPModel.from_pretrained(weights / "clip", dtype=torch.float32).eval().to(device)
    found = picture_embeddings(pair, weights / "clip", images("train", 0, scenes))
    return found[:, None].expand(-1, styles, -1), pipe.prior_pipe.get_zero_embed()[0].cpu()


def caption_of(pair: int, scenes: int) -> tuple[int, int]:
    """Scene and style of the caption that a teacher is given for its pair number `pair`."""
    return pair % scenes, (pair // scenes + pair) % STYLES
