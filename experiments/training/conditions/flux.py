"""FLUX.1: T5's states as words, CLIP's sentence vector beside the time, and guidance as an input where the denoiser has one.

As in the release the T5 gets no mask: padding counts as text.
"""

from __future__ import annotations

import torch

from experiments.training.conditions import filled, length

TOKENIZERS = ("tokenizer", "tokenizer_2")
USUAL, LONG = 40, 512


@torch.no_grad()
def told(pipeline, ids, generator):
    long = filled(ids["tokenizer_2"], length(USUAL, LONG, generator), pipeline.tokenizer_2.pad_token_id)
    return {
        "encoder_hidden_states": pipeline.text_encoder_2(long)[0],
        "pooled_projections": pipeline.text_encoder(ids["tokenizer"]).pooler_output,
    }


def say(pipeline, x, timestep, told):
    n, c, h, w = x.shape
    answer = pipeline.transformer(
        hidden_states=pipeline._pack_latents(x, n, c, h, w),
        timestep=timestep / 1000,
        txt_ids=torch.zeros(told["encoder_hidden_states"].shape[1], 3, device=x.device),
        img_ids=pipeline._prepare_latent_image_ids(n, h // 2, w // 2, x.device, torch.float32),
        return_dict=False,
        **told,
    )[0]
    return unpacked(answer, h, w)


def unpacked(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Packed latents [B,hw/4,4C] as [B,C,h,w]: the pipeline's own function, in latent pixels."""
    n, _, c = tokens.shape
    grid = tokens.view(n, height // 2, width // 2, c // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(n, c // 4, height, width)
