"""What mini-sdxl draws when it is told another size or another cut than the whole picture's (arXiv:2307.01952, section 2.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.data.prompts import prompts
from experiments.metrics.alignment import evaluate
from experiments.metrics.checker import detect
from experiments.metrics.denoising import clean, coefficients, noise
from experiments.metrics.images import to_uint8
from experiments.models import zoo
from experiments.sampling.generate import generate
from experiments.studies.study import Study
from experiments.training.sizes import SIDE, spoil

MEMBER = "mini-sdxl"
ASKED = {
    "whole": {},
    "original 16": dict(original_size=(16, 16)),
    "original 32": dict(original_size=(32, 32)),
    "cut at the left": dict(crops_coords_top_left=(16, 32)),  # the window is the right part, so solids stand further left
    "cut at the right": dict(crops_coords_top_left=(16, 0)),
}
CATEGORIES = ("single object", "colours")
PROMPTS, SEEDS = 28, (0, 1, 2)
HEEDED, SMALL, LEVELS, SCENES, STYLE = ("heeds", 0), 16, (300, 500, 700), range(100, 400), 3  # STYLE: the fullest captions


def wanted() -> list:
    return [p for category in CATEGORIES for p in prompts("test", category, PROMPTS)]


def measure(asked: str, seed: int) -> dict[str, Any]:
    """For each prompt: roughness of the picture, whether it shows what was asked, and the mean column of its solids (pixels)."""
    if (asked, seed) == HEEDED:
        return heeds()
    pictures = generate(zoo.load(MEMBER), wanted(), seed, **zoo.defaults(MEMBER), **ASKED[asked])
    columns = [[d.column for d in found] for found in detect(pictures)]
    return {
        "roughness": [round(float(r), 3) for r in roughness(pictures)],
        "right": "".join("01"[v.ok] for v in evaluate(wanted(), pictures)),
        "column": [round(sum(c) / len(c), 2) if c else None for c in columns],
    }


def roughness(pictures: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring pixels of uint8 pictures [N,3,H,W], in levels of 255: small where it is blurred."""
    x = pictures.float()
    return ((x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3)) + (x[..., 1:, :] - x[..., :-1, :]).abs().mean((1, 2, 3))) / 2


@torch.inference_mode()
def heeds() -> dict[str, Any]:
    """Of SCENES as they are and as small originals: by how much the error of x0 rises at each of LEVELS if the denoiser is told
    the other size, and their roughness before and after the autoencoder; one value a scene."""
    pipe, texts = zoo.load(MEMBER), [caption(s, "en", STYLE) for s in scenes("validation", SCENES.start, SCENES.stop)]
    words, _, pooled, _ = pipe.encode_prompt(prompt=texts, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    x = torch.from_numpy(np.array(images("validation", SCENES.start, SCENES.stop))).float() / 127.5 - 1
    found: dict[str, Any] = {"rises": {}, "roughness": {}}
    for true, other in ((SIDE, SMALL), (SMALL, SIDE)):
        shown = spoil(x, torch.tensor([[true, true, 0, 0]]).expand(len(x), -1))
        codes = torch.cat([pipe.vae.encode(part).latent_dist.mean for part in shown.split(50)])
        decoded = torch.cat([pipe.vae.decode(part).sample for part in codes.split(50)])
        codes = codes * pipe.vae.config.scaling_factor
        found["roughness"][str(true)] = {"before": _listed(roughness(to_uint8(shown))), "after": _listed(roughness(to_uint8(decoded)))}
        for t in LEVELS:
            a, s = coefficients(pipe.scheduler, t)
            noisy, errors = a * codes + s * noise(codes.shape, t, 0), []
            for told in (true, other):
                size = torch.tensor([[told, told, 0, 0, SIDE, SIDE]]).expand(len(codes), -1)
                said = pipe.unet(noisy, t, words, added_cond_kwargs={"text_embeds": pooled, "time_ids": size}).sample
                errors.append((clean(pipe.scheduler, said, noisy, t) - codes).square().mean((1, 2, 3)))
            found["rises"].setdefault(str(true), {})[str(t)] = _listed((errors[1] - errors[0]) / errors[0].mean(), 4)
    return found


def _listed(values: torch.Tensor, digits: int = 3) -> list[float]:
    return [round(float(v), digits) for v in values]


STUDIES = (
    Study(
        "stable-diffusion-sizes",
        parts=lambda: [*((asked, seed) for seed in SEEDS for asked in ASKED), HEEDED],
        measure=measure,
        made_by=("experiments.metrics.alignment", "experiments.sampling.generate", "experiments.data.prompts"),
        needs=(MEMBER, "checker"),
        settings=dict(asked={name: str(said) for name, said in ASKED.items()}, categories=CATEGORIES, prompts=PROMPTS, seeds=SEEDS),
    ),
)
