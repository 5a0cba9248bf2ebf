"""What training reads: pictures, their captions as token ids, and their codes, each made once and kept."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.data.captions import STYLES, caption
from experiments.data.dataset import images, scenes
from experiments.models.zoo import weights_hash

TRAINING_SCENES = 40_000


def captions(split: str, count: int, language: str = "en") -> list[list[str]]:
    """All captions of the first `count` scenes of a split, one list a style."""
    drawn = scenes(split, 0, count)
    return [[caption(s, language, style) for s in drawn] for style in range(STYLES)]


def tokens(tokenizer, split: str, count: int, language: str = "en") -> torch.Tensor:
    """Token ids of all captions, int64 [count, STYLES, length]; kept under the hash of tokenizer, scenes and wordings."""
    code = source_hash("experiments.data.captions")
    key = fingerprint(code, tokenizer.backend_tokenizer.to_str(), tokenizer.model_max_length, split, count, language)
    path = store("tokens", f"{key[:24]}.npy")
    if not path.exists():
        length = tokenizer.model_max_length
        ids = [tokenizer(t, padding="max_length", max_length=length, truncation=True)["input_ids"] for t in captions(split, count, language)]
        with atomic_write(path) as file:
            np.save(file, np.array(ids, dtype=np.int32).transpose(1, 0, 2))
    return torch.from_numpy(np.load(path)).long()


@torch.no_grad()
def codes(autoencoder: AutoencoderKL, folder, split: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of q(z|x), times `scaling_factor`, float32 [count,C,H/8,W/8] each; kept under the hash of weights and pictures.

    folder: where the autoencoder's weights lie, to name the result by.
    """
    key = fingerprint(source_hash("experiments.data.render"), weights_hash(folder), split, count)
    path = store("codes", f"{key[:24]}.npy")
    if not path.exists():
        pictures = images(split, 0, count)
        parts = []
        for i in range(0, count, 100):
            x = torch.from_numpy(np.array(pictures[i : i + 100])).float() / 127.5 - 1
            code = autoencoder.encode(x.to(autoencoder.device)).latent_dist
            parts.append(torch.stack([code.mean, code.std]).cpu() * autoencoder.config.scaling_factor)
        with atomic_write(path) as file:
            np.save(file, torch.cat(parts, 1).half().numpy())
    mean, deviation = torch.from_numpy(np.load(path)).float()
    return mean, deviation
