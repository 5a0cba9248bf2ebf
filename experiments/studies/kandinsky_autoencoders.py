"""Two autoencoders of the miniatures on held-out pictures: MoVQ, with and without its codebook, and the KL autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from experiments.data.dataset import images, scenes
from experiments.data.prompts import Requirement, Wanted
from experiments.data.scenes import Scene
from experiments.metrics.alignment import check
from experiments.metrics.checker import detect
from experiments.metrics.images import to_uint8
from experiments.models import zoo
from experiments.models.pipelines import parts
from experiments.models.pipelines.kandinsky import movq
from experiments.studies.study import Study
from experiments.training.autoencoder import to_tensor

SCENES, BATCH = 1000, 100  # of the split `validation`
KINDS = ("MoVQ, before its codebook", "MoVQ, through its codebook", "KL", "the picture itself")
Trip = Callable[[Tensor], tuple[Tensor, Tensor]]  # pictures [B,3,64,64] in [-1, 1] to what comes back, and the code [B,C,8,8]
ASKED = {"named": ("shape", "colour"), "right": ("shape", "colour", "size", "material")}  # what prompts name of a solid, and all there is


def required(scene: Scene, attributes: tuple[str, ...]) -> Requirement:
    """All solids of a scene with some of their attributes."""
    return Requirement(tuple(Wanted(**{name: getattr(solid, name) for name in attributes}) for solid in scene.solids))


def trip(kind: str) -> Trip:
    """The way of a picture through a code and back. The pipelines of both Kandinskys decode what no codebook has rounded."""
    if kind == "the picture itself":
        return lambda x: (x, x)
    if kind == "KL":
        kl = parts.autoencoder(zoo.WEIGHTS).eval()
        return lambda x: (kl.decode(code := kl.encode(x).latent_dist.mean).sample, code)
    model, unquantised = movq(zoo.WEIGHTS), kind == KINDS[0]
    return lambda x: (model.decode(code := model.encode(x).latents, force_not_quantize=unquantised).sample, code)


@torch.inference_mode()
def measure(kind: str) -> dict[str, Any]:
    """For each scene the signal-to-noise ratio (dB, peak 2) and whether the checker finds all its solids, as ASKED; the shape of a code."""
    there_and_back, decibels, found, shape = trip(kind), [], [], []
    for x in to_tensor(images("validation", 0, SCENES)).split(BATCH):
        y, code = there_and_back(x)
        y, shape = y.clamp(-1, 1), list(code.shape[1:])
        found += detect(to_uint8(y))
        decibels += peak_signal_noise_ratio(y, x, data_range=2.0, reduction="none", dim=(1, 2, 3)).tolist()
    shown = list(zip(scenes("validation", 0, SCENES), found, strict=True))
    seen: dict[str, Any] = {
        name: "".join("01"[check(required(scene, attributes), solids).ok] for scene, solids in shown) for name, attributes in ASKED.items()
    }
    if kind == "the picture itself":
        return seen
    return seen | {"psnr": [round(d, 3) for d in decibels], "code": shape} | (entries() if kind == KINDS[1] else {})


@torch.inference_mode()
def entries() -> dict[str, int]:
    """How many entries of the codebook the pictures use, and of how many."""
    model = movq(zoo.WEIGHTS)
    pictures = to_tensor(images("validation", 0, SCENES)).split(BATCH)
    used = torch.cat([model.quantize(model.encode(x).latents)[2][2] for x in pictures]).unique()
    return {"used": len(used), "entries": model.config.num_vq_embeddings}


def _parts() -> Iterator[tuple[str]]:
    yield from ((kind,) for kind in KINDS)


STUDY = Study(
    "kandinsky-autoencoders",
    _parts,
    measure,
    ("experiments.studies.kandinsky_autoencoders", "experiments.metrics.alignment", "experiments.training.autoencoder"),
    ("movq", "autoencoder", "checker"),
    {"scenes": SCENES},
)
STUDIES = (STUDY,)
