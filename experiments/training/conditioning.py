"""How each pipeline class tells its denoiser what to draw: from token ids, as the pipeline's own `encode_prompt` does.

Training works on token ids that were made once; tests check that these functions agree with the pipelines.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline

Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]
LONG_PADDING = 256  # SD3's default number of T5 tokens


def predictor(pipeline: DiffusionPipeline) -> Predict:
    """`predict(x_t [B,C,H,W], timestep [B], ids [B,L], generator)`, what the denoiser that the pipeline holds now says."""
    return {"StableDiffusionPipeline": _cross_attention, "StableDiffusion3Pipeline": _joint_attention}[type(pipeline).__name__](pipeline)


def denoiser(pipeline: DiffusionPipeline) -> torch.nn.Module:
    """The part that is trained."""
    return pipeline.unet if getattr(pipeline, "unet", None) is not None else pipeline.transformer


def _cross_attention(pipeline) -> Predict:
    unet = pipeline.unet

    def predict(x, timestep, ids, generator):
        with torch.no_grad():
            words = pipeline.text_encoder(ids).last_hidden_state
        return unet(x, timestep, words).sample

    return predict


def _joint_attention(pipeline) -> Predict:
    """The two CLIP towers side by side, padded to the width of the T5 that is left out, whose tokens are zeros.

    Their number is the caller's `max_sequence_length`, 256 unless told: one batch in eight trains with that many, the
    rest with 16, so that either works.
    """
    transformer, width = pipeline.transformer, pipeline.transformer.config.joint_attention_dim

    def predict(x, timestep, ids, generator):
        absent = LONG_PADDING if torch.rand((), generator=generator) < 0.125 else 16
        words, pooled = clip_words(pipeline, ids)
        words = torch.nn.functional.pad(words, (0, width - words.shape[-1], 0, absent))
        return transformer(x, words, pooled, timestep).sample

    return predict


@torch.no_grad()
def clip_words(pipeline, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Penultimate states of both towers side by side [B,L,D1+D2] and their projections [B,P1+P2] (SD3, section 5.3)."""
    said = [tower(ids, output_hidden_states=True) for tower in (pipeline.text_encoder, pipeline.text_encoder_2)]
    return torch.cat([s.hidden_states[-2] for s in said], -1), torch.cat([s.text_embeds for s in said], -1)
