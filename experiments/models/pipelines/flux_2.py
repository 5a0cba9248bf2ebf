"""FLUX.2 [klein]: one causal language model, of which three layers' states are laid side by side, is all the text encoding."""

from __future__ import annotations

import inspect
from pathlib import Path

from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel

from experiments.models.pipelines import parts, text_parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> Flux2KleinPipeline:
    """The row's pipeline, not distilled: it guides by two passes, as klein-base does."""
    encoder, tokenizer = text_parts.language_model(weights)
    return Flux2KleinPipeline(
        vae=autoencoder(weights),
        text_encoder=encoder,
        tokenizer=tokenizer,
        transformer=Flux2Transformer2DModel(**recipe.config["denoiser"]),
        scheduler=FlowMatchEulerDiscreteScheduler(**recipe.config["scheduler"]),
        is_distilled=False,
    )


def autoencoder(weights: Path) -> AutoencoderKLFlux2:
    """The shared autoencoder in FLUX.2's class, which keeps mean and variance of the packed code: here 0 and 1."""
    shared = parts.autoencoder(weights)
    names = inspect.signature(AutoencoderKLFlux2.__init__).parameters
    made = AutoencoderKLFlux2(**{k: v for k, v in shared.config.items() if k in names})
    made.load_state_dict(shared.state_dict(), strict=False)  # what is not there are the statistics, 0 and 1 as they begin
    return made.eval()
