"""Kandinsky 3: one encoder's states, with a mask, cut to one more than the longest text; the empty wish is nothing at all."""

from __future__ import annotations

import torch

from experiments.training.conditions import filled

TOKENIZERS = ("tokenizer",)


@torch.no_grad()
def told(pipeline, ids, generator):
    words = ids["tokenizer"]
    mask = (words != pipeline.tokenizer.pad_token_id).long()
    states = pipeline.text_encoder(words, attention_mask=mask)[0] * mask.unsqueeze(2)
    keep = int(mask.sum(-1).max()) + 1
    empty = (mask.sum(-1, keepdim=True) <= 1).long()  # the end mark alone: replaced by zeros behind a closed mask
    states, mask = states * (1 - empty).unsqueeze(2), mask * (1 - empty)
    states = torch.nn.functional.pad(states, (0, 0, 0, keep - states.shape[1]))
    return {"encoder_hidden_states": states, "encoder_attention_mask": filled(mask, keep, 0).bool()}


def say(pipeline, x, timestep, told):
    return pipeline.unet(x, timestep, return_dict=False, **told)[0]
