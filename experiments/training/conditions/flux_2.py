"""FLUX.2 [klein]: the states of three layers of the language model side by side; padding, masked in the encoder, counts as text."""

from __future__ import annotations

import torch

from experiments.models.text_tokenizers import chat
from experiments.training.conditions import filled, length

TOKENIZERS = ("tokenizer",)
USUAL, LONG = 64, 512
LAYERS = (1, 2, 3)  # of 4; the release takes 9, 18 and 27 of 36


def wording(pipeline, text: str) -> str:
    return chat(pipeline.tokenizer, text)


@torch.no_grad()
def told(pipeline, ids, generator):
    pad = pipeline.tokenizer.pad_token_id
    long = filled(ids["tokenizer"], length(USUAL, LONG, generator), pad)
    said = pipeline.text_encoder(input_ids=long, attention_mask=(long != pad).long(), output_hidden_states=True, use_cache=False)
    return {"encoder_hidden_states": torch.cat([said.hidden_states[k] for k in LAYERS], -1)}


def say(pipeline, x, timestep, told):
    packed = pipeline._patchify_latents(x)
    answer = pipeline.transformer(
        hidden_states=pipeline._pack_latents(packed),
        timestep=timestep / 1000,
        guidance=None,
        txt_ids=pipeline._prepare_text_ids(told["encoder_hidden_states"]).to(x.device),
        img_ids=pipeline._prepare_latent_ids(packed).to(x.device),
        return_dict=False,
        **told,
    )[0]
    return pipeline._unpatchify_latents(answer.permute(0, 2, 1).reshape(packed.shape))
