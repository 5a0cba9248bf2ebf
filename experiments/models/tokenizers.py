"""Tokenizers of the miniatures, trained on captions as the originals were on their texts (Sennrich et al. 2016, BPE)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import pre_tokenizers, trainers
from transformers import CLIPTokenizer

MARKS = ("<|startoftext|>", "<|endoftext|>")


def clip_tokenizer(texts: Iterable[str], length: int, vocabulary: int = 1024) -> CLIPTokenizer:
    """CLIP's byte-level BPE with merges learned from `texts`; sequences are `length` tokens, start and end included.

    As in CLIP, every byte is a token on its own and as the end of a word, so no text is unknown to it.
    """
    learner = CLIPTokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    model = json.loads(learner.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    ends = [f"{byte}</w>" for byte in sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens = [*MARKS, *dict.fromkeys(t for t in (*tokens, *ends) if t not in MARKS)]
    merges = [tuple(m) for m in model["merges"]]
    return CLIPTokenizer({t: i for i, t in enumerate(tokens)}, merges, model_max_length=length)
