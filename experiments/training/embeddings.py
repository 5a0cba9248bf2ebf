"""CLIP's embeddings of the training pictures, made once and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import CLIPModel

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.models.zoo import weights_hash
from experiments.training.autoencoder import to_tensor


@torch.no_grad()
def picture_embeddings(pair: CLIPModel, folder: Path, pictures: np.ndarray) -> torch.Tensor:
    """What `pair`, whose weights lie in `folder`, says of training pictures uint8 [N,3,H,W]: projections [N,D], not yet of length 1."""
    key = fingerprint(source_hash("experiments.data.render"), weights_hash(folder), len(pictures))
    path = store("embeddings", f"{key[:24]}.npy")
    if not path.exists():
        parts = []
        for i in range(0, len(pictures), 200):
            x = to_tensor(pictures[i : i + 200]).to(pair.device)
            parts.append(pair.visual_projection(pair.vision_model(pixel_values=x).pooler_output).float().cpu())
        with atomic_write(path) as file:
            np.save(file, torch.cat(parts).half().numpy())
    return torch.from_numpy(np.load(path)).float()
