"""PixArt: T5's states behind cross-attention, with a mask."""

from __future__ import annotations

import torch

TOKENIZERS = ("tokenizer",)


@torch.no_grad()
def told(pipeline, ids, generator):
    mask = (ids["tokenizer"] != pipeline.tokenizer.pad_token_id).long()
    return {
        "encoder_hidden_states": pipeline.text_encoder(ids["tokenizer"], attention_mask=mask)[0],
        "encoder_attention_mask": mask,
    }


def say(pipeline, x, timestep, told):
    sizes = {"resolution": None, "aspect_ratio": None}
    answer = pipeline.transformer(x, timestep=timestep, added_cond_kwargs=sizes, return_dict=False, **told)[0]
    return answer.chunk(2, dim=1)[0]  # the second half is the variance, which nobody asks for
