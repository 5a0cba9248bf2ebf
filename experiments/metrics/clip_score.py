"""CLIP score (Hessel et al. 2021, arXiv:2104.08718): how well a picture fits its words, by a CLIP model.

100 times the cosine between the two embeddings, torchmetrics' scale; the paper's is 2.5 times the cosine. Values of two
CLIP models have nothing to do with each other: the miniature's come from `weights/clip-eval`, trained with another seed
than the tower that conditions the models, the released models' from ViT-L/14.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.artefacts import ROOT
from experiments.metrics.images import require_uint8
from experiments.metrics.intervals import Estimate, bootstrap

FOLDER = ROOT / "weights" / "clip-eval"
RELEASED = "openai/clip-vit-large-patch14"
OURS = {"image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}  # our towers see what the program sees: [-1, 1]


class Scores(NamedTuple):
    """100 cos for each picture, and how many texts were longer than the model reads."""

    values: Tensor
    truncated: int


class Clip:
    """A CLIP model (a folder or a hub id) that turns pictures and texts into unit vectors."""

    def __init__(self, name: str | Path = FOLDER, device: str | torch.device = "cpu"):
        self.name, self.device = str(name), torch.device(device)

    @cached_property
    def model(self) -> torch.nn.Module:
        from transformers import CLIPModel

        if Path(self.name).is_absolute() and not Path(self.name).exists():
            raise FileNotFoundError(f"no CLIP model in {Path(self.name).name}/: train it with "
                                    "`python -m experiments train clip-eval`")
        return CLIPModel.from_pretrained(self.name, dtype=torch.float32).eval().to(self.device)

    @cached_property
    def tokenizer(self):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.name)

    @cached_property
    def preprocessing(self) -> dict:
        """Side, mean and deviation of the pictures the model was trained on."""
        from transformers.utils import cached_file

        file = cached_file(self.name, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False)
        given = json.loads(Path(file).read_text()) if file else OURS
        return {"side": self.model.config.vision_config.image_size, "mean": given["image_mean"],
                "deviation": given["image_std"]}

    @property
    def longest(self) -> int:
        """Tokens of the longest text that is read whole, with the two that mark its ends."""
        return self.model.config.text_config.max_position_embeddings

    @torch.no_grad()
    def images(self, images: Tensor, batch: int = 128) -> Tensor:
        """Unit vectors [N,D] of uint8 pictures [N,3,H,W]."""
        parts = require_uint8(images).cpu().split(batch)
        return torch.cat([_unit(self.model.get_image_features(pixels(p, **self.preprocessing).to(self.device)))
                          for p in parts]).cpu()

    @torch.no_grad()
    def texts(self, texts: Sequence[str], batch: int = 256) -> Tensor:
        """Unit vectors [N,D]. Long texts are cut by the tokenizer, so the token that ends them, which is the one that
        is read out, stays."""
        texts = list(texts)
        parts = [self.tokens(texts[i:i + batch]).to(self.device) for i in range(0, len(texts), batch)]
        return torch.cat([_unit(self.model.get_text_features(**p)) for p in parts]).cpu()

    def tokens(self, texts: list[str]):
        """Token ids and mask, padded to the longest of the batch."""
        return self.tokenizer(texts, padding=True, truncation=True, max_length=self.longest, return_tensors="pt")

    def truncated(self, texts: Sequence[str]) -> int:
        """How many texts are too long to be read whole."""
        ids = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return sum(len(i) > self.longest for i in ids)


def _unit(output) -> Tensor:
    """Normalised embeddings; transformers 5 wraps them in an output object, 4 does not."""
    return F.normalize(getattr(output, "pooler_output", output), dim=-1)


def pixels(images: Tensor, side: int, mean: Sequence[float], deviation: Sequence[float]) -> Tensor:
    """uint8 [N,3,H,W] on the CPU as CLIP takes them: shorter side to `side` (bicubic, antialiased, in bytes as Pillow
    does it), middle square, normalised."""
    height, width = images.shape[-2:]
    if min(height, width) != side:
        size = [side * height // min(height, width), side * width // min(height, width)]
        images = F.interpolate(images, size, mode="bicubic", antialias=True)
    top, left = (images.shape[-2] - side) // 2, (images.shape[-1] - side) // 2
    square = images[..., top:top + side, left:left + side].float() / 255
    return (square - square.new_tensor(mean)[:, None, None]) / square.new_tensor(deviation)[:, None, None]


def clip_scores(images: Tensor, texts: Sequence[str], clip: Clip) -> Scores:
    """100 cos between each uint8 picture [N,3,H,W] and its text."""
    if len(images) != len(texts):
        raise ValueError(f"{len(images)} pictures for {len(texts)} texts: there must be one text per picture")
    return Scores(100 * (clip.images(images) * clip.texts(texts)).sum(1), clip.truncated(texts))


def clip_score(images: Tensor, texts: Sequence[str], clip: Clip, seed: int = 0) -> Estimate:
    """Mean CLIP score with a bootstrap interval over pictures. Like torchmetrics' a mean below 0 counts as 0."""
    mean = bootstrap(clip_scores(images, texts, clip).values.tolist(), seed=seed)
    return mean._replace(value=max(0.0, mean.value), low=max(0.0, mean.low), high=max(0.0, mean.high))
