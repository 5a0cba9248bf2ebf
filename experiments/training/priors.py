"""Ways from a caption to the embedding of a picture: drawn from the diffusion prior, its mean, a linear map, or the caption's own embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import KandinskyPriorPipeline, PriorTransformer, UnCLIPScheduler
from torch import Tensor
from transformers import CLIPTokenizer

from experiments.models.pipelines import parts
from experiments.models.pipelines.kandinsky import picture_tower, processor
from experiments.models.recipes import RECIPES
from experiments.models.zoo import WEIGHTS
from experiments.sampling.generate import generator
from experiments.training.prior_loss import reader

STEPS = 10


def pipeline(weights: Path = WEIGHTS) -> KandinskyPriorPipeline:
    """The shipped prior in its own pipeline."""
    made = KandinskyPriorPipeline(
        prior=PriorTransformer.from_pretrained(weights / "kandinsky-prior", torch_dtype=torch.float32).eval(),
        image_encoder=picture_tower(weights / "clip"),
        text_encoder=parts.projected_tower(weights, "clip").eval(),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        scheduler=UnCLIPScheduler(**RECIPES["kandinsky-prior"].config["scheduler"]),
        image_processor=processor(),
    )
    made.set_progress_bar_config(disable=True)
    return made


@torch.no_grad()
def drawn(pipe: KandinskyPriorPipeline, texts: Sequence[str], names: Sequence[str], seed: int, guidance: float = 1.0) -> Tensor:
    """One embedding for each text, [N,D]; noise comes from name and seed. Guidance 1 is the prior's own distribution."""
    found = []
    for i in range(0, len(texts), 64):
        noise = [generator(f"prior/{name}", seed) for name in names[i : i + 64]]
        found.append(pipe(list(texts[i : i + 64]), num_inference_steps=STEPS, guidance_scale=guidance, generator=noise).image_embeds)
    return torch.cat(found)


@torch.no_grad()
def mean(pipe: KandinskyPriorPipeline, texts: Sequence[str], seed: int = 0) -> Tensor:
    """What the prior says of pure noise, [N,D]: trained to say E[z|z_t,y], it is left with E[z|y] at the last time, when z_t tells nothing of z."""
    sentences, states, mask = reader(pipe.text_encoder, pipe.tokenizer.eos_token_id)(_ids(pipe, texts))
    noise = torch.randn(len(texts), pipe.prior.config.embedding_dim, generator=torch.Generator().manual_seed(seed))
    last = torch.full((len(texts),), pipe.scheduler.config.num_train_timesteps - 1)
    return pipe.prior.post_process_latents(pipe.prior(noise, last, sentences, states, mask).predicted_image_embedding)


@torch.no_grad()
def of_text(pipe: KandinskyPriorPipeline, texts: Sequence[str]) -> Tensor:
    """CLIP's embeddings of the texts themselves, [N,D]."""
    return pipe.text_encoder(_ids(pipe, texts)).text_embeds


def _ids(pipe: KandinskyPriorPipeline, texts: Sequence[str]) -> Tensor:
    length = pipe.tokenizer.model_max_length
    return pipe.tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")["input_ids"]
