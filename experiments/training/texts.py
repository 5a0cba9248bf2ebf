"""Captions and their token ids, each made once and kept: for text encoders, and for pipelines with several tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import numpy as np
import torch

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.data.captions import STYLES
from experiments.training import corpus


def captions(split: str, count: int, language: str) -> list[str]:
    """All captions of the first `count` scenes in one language, scene after scene, the five styles of each together."""
    key = fingerprint(source_hash("experiments.data.captions"), split, count, language)
    path = store("captions", f"{key[:24]}.json")
    if not path.exists():
        by_scene = [text for styles in zip(*corpus.captions(split, count, language)) for text in styles]
        with atomic_write(path, "w") as file:
            json.dump(by_scene, file, ensure_ascii=False)
    return json.loads(path.read_text(encoding="utf-8"))


def ids(tokenizer, split: str, count: int, languages: Iterable[str], word: Callable[[str], str] = str) -> torch.Tensor:
    """Token ids of all captions, int64 [count, languages x STYLES, length], as long as the longest of them.

    `word` puts a caption into the form in which the encoder gets it. Raises ValueError where the tokenizer cuts a caption.
    """
    parts = [_of_language(tokenizer, split, count, language, word) for language in languages]
    longest = max(part.shape[1] for part in parts)
    filled = [torch.nn.functional.pad(p, (0, longest - p.shape[1]), value=tokenizer.pad_token_id) for p in parts]
    return torch.cat([p.view(count, STYLES, longest) for p in filled], 1)


def _of_language(tokenizer, split: str, count: int, language: str, word: Callable[[str], str]) -> torch.Tensor:
    said = word("a cube"), tokenizer.backend_tokenizer.to_str(), tokenizer.model_max_length
    path = store("tokens", f"{fingerprint(source_hash('experiments.data.captions'), said, split, count, language)[:24]}.npy")
    if not path.exists():
        made = pad(tokenizer, [word(text) for text in captions(split, count, language)])
        with atomic_write(path) as file:
            np.save(file, made.numpy().astype(np.int16))
    return torch.from_numpy(np.load(path)).long()


def pad(tokenizer, texts: list[str], length: int | None = None) -> torch.Tensor:
    """Ids of `texts` with padding on the right, int64 [N, length], by default as long as the longest."""
    rows = tokenizer(texts)["input_ids"]
    longest = max(map(len, rows))
    if longest > tokenizer.model_max_length:
        text = next(t for t, row in zip(texts, rows) if len(row) == longest)
        raise ValueError(f"{text!r} has {longest} tokens, the tokenizer keeps {tokenizer.model_max_length}: give it that length")
    filled = np.full((len(rows), length or longest), tokenizer.pad_token_id, dtype=np.int64)
    for at, row in enumerate(rows):
        filled[at, : len(row)] = row
    return torch.from_numpy(filled)
