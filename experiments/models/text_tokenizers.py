"""Tokenizers of the text encoders beside CLIP, in the release's own classes, with vocabularies made from captions.

A few hundred words are too few for a unigram vocabulary to be learned (it falls apart into letters), so the pieces are the
captions' own words, each as likely as it is frequent, and single characters for all else.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping

from tokenizers import pre_tokenizers, trainers
from transformers import BertTokenizer, Qwen2TokenizerFast, T5TokenizerFast, XLMRobertaTokenizer

from experiments.data.captions import vocabulary, words

SENTINELS = 8  # of T5: at most so many spans are left out of one caption
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPACE = "▁"  # how SentencePiece writes the space before a word
RARE = -20.0  # log-probability of a single character: taken only where no word fits
Captions = Mapping[str, Iterable[str]]  # language to texts

CHAT = (
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{%- endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{%- if not enable_thinking %}<think>\n\n</think>\n\n{%- endif %}{%- endif %}"
)
CHAT_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")


def t5_tokenizer(captions: Captions, length: int) -> T5TokenizerFast:
    """T5's unigram pieces (Kudo 2018, arXiv:1804.10959), with sentinels for span corruption."""
    marks = [(mark, 0.0) for mark in ("<pad>", "</s>", "<unk>")]
    sentinels = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(SENTINELS))]
    return T5TokenizerFast(vocab=[*marks, *pieces(captions), *sentinels], extra_ids=SENTINELS, model_max_length=length)


def xlm_roberta_tokenizer(captions: Captions, length: int) -> XLMRobertaTokenizer:
    """XLM-R's unigram pieces, for all languages at once."""
    marks = [(mark, 0.0) for mark in ("<s>", "<pad>", "</s>", "<unk>")]
    return XLMRobertaTokenizer(vocab=[*marks, *pieces(captions), ("<mask>", 0.0)], model_max_length=length)


def pieces(captions: Captions) -> list[tuple[str, float]]:
    """Words with a space before them where the captions have one (Chinese: characters), and their log-probabilities."""
    counts: Counter[str] = Counter()
    for language, texts in captions.items():
        for text in texts:
            for chunk in text.split():
                first, *others = words(chunk, language)
                counts.update([SPACE, first] if language == "zh" else [SPACE + first])
                counts.update(others)
    total = math.log(counts.total())
    common = sorted(((p, round(math.log(n) - total, 4)) for p, n in counts.items()), key=lambda piece: (-piece[1], piece[0]))
    single = sorted({c for p in (*counts, LETTERS, SPACE) for c in p} - counts.keys())
    return [*common, *((c, RARE) for c in single)]


def bert_tokenizer(languages: Iterable[str], length: int) -> BertTokenizer:
    """BERT's word pieces: every word of the captions, every Chinese character on its own, and letters for all else."""
    known = sorted({w.lower() for language in languages for w in vocabulary(language)})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known, *LETTERS, *(f"##{c}" for c in LETTERS)]
    return BertTokenizer(vocab={t: i for i, t in enumerate(dict.fromkeys(tokens))}, model_max_length=length)


def qwen_tokenizer(texts: Iterable[str], length: int, size: int = 600) -> Qwen2TokenizerFast:
    """Qwen's byte-level BPE learned from `texts`, with the marks of a conversation and its template (ChatML)."""
    learner = Qwen2TokenizerFast().backend_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner.train_from_iterator(
        itertools.chain(texts, ["user", "assistant"] * 1000), trainers.BpeTrainer(vocab_size=size, special_tokens=list(CHAT_MARKS), initial_alphabet=alphabet, show_progress=False)
    )
    model = json.loads(learner.to_str())["model"]
    merges = [tuple(m) for m in model["merges"]]
    made = Qwen2TokenizerFast(vocab=model["vocab"], merges=merges, eos_token="<|im_end|>", model_max_length=length)
    made.add_special_tokens({"extra_special_tokens": list(CHAT_MARKS[1:])})
    made.chat_template = CHAT
    return made


def chat(tokenizer: Qwen2TokenizerFast, text: str) -> str:
    """`text` as the pipeline hands it to the language model: the user's turn, and the assistant's about to begin."""
    said = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True, enable_thinking=False)
