"""Text encoders from the configs of their rows: the release's own classes at small widths, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from torch import Tensor, nn
from transformers import BertConfig, BertModel, CLIPModel, Qwen3Config, Qwen3ForCausalLM, T5Config, T5EncoderModel, T5ForConditionalGeneration


def t5(config: Mapping[str, Any], tokenizer) -> T5ForConditionalGeneration:
    """Encoder and the small decoder that it is trained with."""
    marks = dict(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=tokenizer.pad_token_id)
    size = dict(vocab_size=len(tokenizer), dropout_rate=0.0, tie_word_embeddings=False)
    made = T5ForConditionalGeneration(T5Config(**size, **marks, **config["model"]))
    nn.init.normal_(made.lm_head.weight, std=config["model"]["d_model"] ** -0.5)  # the class's own deviation is 1: a loss of 190
    return made


def t5_encoder(whole: T5ForConditionalGeneration) -> T5EncoderModel:
    """The encoder alone, which is what pipelines take."""
    made = T5EncoderModel(whole.config)
    names = made.state_dict().keys()
    made.load_state_dict({k: v for k, v in whole.state_dict().items() if k in names})
    return made.to(whole.device).eval()


def language_model(config: Mapping[str, Any], tokenizer) -> Qwen3ForCausalLM:
    """A causal language model."""
    marks = dict(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    return Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), **marks, **config["model"]))


class TextTower(nn.Module):
    """A text encoder of any class beside CLIP's picture tower: to both losses and to retrieval it looks like a CLIP pair.

    The sentence is the state of the first token (Bert) or what the encoder itself makes of all (MultilingualCLIP).
    """

    def __init__(self, encoder: nn.Module, width: int, dimension: int, pad: int):
        super().__init__()
        self.encoder, self.pad = encoder, pad
        self.projection = nn.Linear(width, dimension, bias=False) if isinstance(encoder, BertModel) else nn.Identity()
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))
        self.text_projection = nn.Identity()

    @property
    def device(self) -> torch.device:
        return self.logit_scale.device

    def forward(self, ids: Tensor) -> Tensor:
        """Sentence vectors [B,D] in the space of CLIP's embeddings."""
        mask = (ids != self.pad).long()
        if isinstance(self.encoder, BertModel):
            return self.projection(self.encoder(ids, attention_mask=mask).last_hidden_state[:, 0])
        return self.encoder(ids, attention_mask=mask)[0]

    def text_model(self, input_ids: Tensor) -> SimpleNamespace:
        return SimpleNamespace(pooler_output=self(input_ids))

    def beside(self, pair: CLIPModel) -> SimpleNamespace:
        """This tower and the picture tower of `pair`, as `training.clip.retrieval` reads a pair."""
        return SimpleNamespace(
            device=self.device,
            vision_model=pair.vision_model,
            visual_projection=pair.visual_projection,
            text_model=self.text_model,
            text_projection=self.text_projection,
        )


def bilingual(config: Mapping[str, Any], tokenizer) -> TextTower:
    """Hunyuan-DiT's first encoder: a BERT trained as the text tower of a CLIP."""
    bert = BertConfig(vocab_size=len(tokenizer), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **config["model"])
    return TextTower(BertModel(bert), bert.hidden_size, config["dimension"], tokenizer.pad_token_id)


def multilingual(config: Mapping[str, Any], tokenizer) -> TextTower:
    """Kandinsky 2.1's encoder: an XLM-R with a linear map into CLIP's space."""
    marks = dict(pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    sizes = dict(transformerDimSize=config["model"]["hidden_size"], imageDimSize=config["dimension"])
    xlm = MCLIPConfig(
        vocab_size=len(tokenizer), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes, **marks, **config["model"]
    )
    return TextTower(MultilingualCLIP(xlm), xlm.hidden_size, config["dimension"], tokenizer.pad_token_id)
