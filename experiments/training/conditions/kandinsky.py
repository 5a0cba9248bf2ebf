"""Kandinsky 2.1: the multilingual encoder's states and sentence vector, and the image embedding of the picture itself.

The empty wish is the empty text with the embedding of a gray picture, which is the prior pipeline's own negative.
"""

from __future__ import annotations

import torch

from experiments.training.conditions import filled

TOKENIZERS = ("tokenizer",)
WORDS = 77
PICTURE = "image_embeds"  # beside the ids, [B,D]


@torch.no_grad()
def told(pipeline, ids, generator):
    words = filled(ids["tokenizer"], WORDS, pipeline.tokenizer.pad_token_id)
    sentence, states = pipeline.text_encoder(input_ids=words, attention_mask=(words != pipeline.tokenizer.pad_token_id).long())
    return {"encoder_hidden_states": states, "added_cond_kwargs": {"text_embeds": sentence, "image_embeds": ids[PICTURE]}}


def say(pipeline, x, timestep, told):
    answer = pipeline.unet(sample=x, timestep=timestep, return_dict=False, **told)[0]
    return answer.split(x.shape[1], dim=1)[0]  # the second half is the variance, which nobody asks for
