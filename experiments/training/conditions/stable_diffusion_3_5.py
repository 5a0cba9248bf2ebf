"""Stable Diffusion 3.5: two CLIP towers side by side, T5's states after them, and both sentence vectors."""

from __future__ import annotations

import torch

from experiments.training.conditions import filled, length

TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")
USUAL, LONG = 40, 256


@torch.no_grad()
def told(pipeline, ids, generator):
    towers = (pipeline.text_encoder, ids["tokenizer"]), (pipeline.text_encoder_2, ids["tokenizer_2"])
    said = [tower(tokens, output_hidden_states=True) for tower, tokens in towers]
    words, pooled = torch.cat([s.hidden_states[-2] for s in said], -1), torch.cat([s.text_embeds for s in said], -1)
    long = filled(ids["tokenizer_3"], length(USUAL, LONG, generator), pipeline.tokenizer_3.pad_token_id)
    text = pipeline.text_encoder_3(long)[0]
    words = torch.nn.functional.pad(words, (0, text.shape[-1] - words.shape[-1]))
    return {"encoder_hidden_states": torch.cat([words, text], 1), "pooled_projections": pooled}


def say(pipeline, x, timestep, told):
    return pipeline.transformer(x, timestep=timestep, **told).sample
