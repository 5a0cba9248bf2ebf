"""Kandinsky 2.1: a prior turns text into an image embedding, a U-Net draws from both, MoVQ decodes (arXiv:2310.03502)."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DDIMScheduler, KandinskyCombinedPipeline, PriorTransformer, UNet2DConditionModel, UnCLIPScheduler, VQModel
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer, CLIPVisionModelWithProjection

from experiments.models.pipelines import parts, text_parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> KandinskyCombinedPipeline:
    """The row's pipeline."""
    encoder, tokenizer = text_parts.multilingual(weights)
    return KandinskyCombinedPipeline(
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(**recipe.config["denoiser"]),
        scheduler=DDIMScheduler(**recipe.config["scheduler"]),
        movq=movq(weights),
        prior_prior=PriorTransformer.from_pretrained(weights / "kandinsky-prior", torch_dtype=torch.float32).eval(),
        prior_image_encoder=picture_tower(weights / "clip"),
        prior_text_encoder=parts.projected_tower(weights, "clip").eval(),
        prior_tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        prior_scheduler=UnCLIPScheduler(**recipe.config["prior_scheduler"]),
        prior_image_processor=processor(),
    )


def processor() -> CLIPImageProcessorPil:
    """What brings a picture to the size of the picture tower."""
    return CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})


def movq(weights: Path) -> VQModel:
    """The autoencoder of both Kandinskys."""
    return VQModel.from_pretrained(weights / "movq", torch_dtype=torch.float32).eval()


def picture_tower(folder: Path) -> CLIPVisionModelWithProjection:
    """The picture tower with its projection of a whole CLIP pair, in float32."""
    pair = CLIPModel.from_pretrained(folder, dtype=torch.float32)
    made = CLIPVisionModelWithProjection(pair.config.vision_config)
    made.vision_model.load_state_dict(pair.vision_model.state_dict())
    made.visual_projection.load_state_dict(pair.visual_projection.state_dict())
    return made.eval()
