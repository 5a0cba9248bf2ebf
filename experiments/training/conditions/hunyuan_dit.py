"""Hunyuan-DiT: 77 states of the bilingual CLIP and 256 of mT5, with masks: what is masked is replaced by learned padding.

The pooling of mT5's states has no mask, so all 256 are made. The bilingual tower is asked only for the words there are.
"""

from __future__ import annotations

import torch
from diffusers.models.embeddings import get_2d_rotary_pos_embed
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import get_resize_crop_region_for_grid

from experiments.training.conditions import filled

TOKENIZERS = ("tokenizer", "tokenizer_2")
WORDS, PIECES = 77, 256
BASE = 512 // 8  # of the pipeline's rotary grid, in latent pixels


@torch.no_grad()
def told(pipeline, ids, generator):
    words, pieces = ids["tokenizer"], filled(ids["tokenizer_2"], PIECES, pipeline.tokenizer_2.pad_token_id)
    mask, mask_2 = (words != pipeline.tokenizer.pad_token_id).long(), (pieces != pipeline.tokenizer_2.pad_token_id).long()
    states = pipeline.text_encoder(words, attention_mask=mask)[0]
    return {
        "encoder_hidden_states": torch.nn.functional.pad(states, (0, 0, 0, WORDS - states.shape[1])),
        "text_embedding_mask": filled(mask, WORDS, 0),
        "encoder_hidden_states_t5": pipeline.text_encoder_2(pieces, attention_mask=mask_2)[0],
        "text_embedding_mask_t5": mask_2,
    }


def say(pipeline, x, timestep, told):
    rotary = _rotary(pipeline.transformer, x.shape[-2], x.shape[-1], x.device)
    answer = pipeline.transformer(x, timestep.to(x.dtype), image_rotary_emb=rotary, return_dict=False, **told)[0]
    return answer.chunk(2, dim=1)[0]  # the second half is the variance, which nobody asks for


def _rotary(transformer, height: int, width: int, device):
    patch = transformer.config.patch_size
    grid = height // patch, width // patch
    corners = get_resize_crop_region_for_grid(grid, BASE // patch)
    return get_2d_rotary_pos_embed(transformer.inner_dim // transformer.num_heads, corners, grid, device=device, output_type="pt")
