"""Attention injection: decoupled against concatenated attention, on the way and at the end, and what their lambda does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from experiments.adapters import image_prompt, learning
from experiments.adapters.image_prompt import ImagePrompt, trained_adapter
from experiments.data.prompts import Prompt, Requirement
from experiments.data.prompts import prompts as asked
from experiments.metrics import image_scores as measures
from experiments.metrics.alignment import evaluate
from experiments.metrics.held_out import held_out, truth
from experiments.studies.study import Study

SEEDS, N = (0, 1, 2), 24
SCALES = (0.0, 0.25, 0.5, 1.0, 1.5)


def parts() -> Iterator[tuple[str, int]]:
    yield from ((way, seed) for seed in SEEDS for way in image_prompt.WAYS)


def measure(way: str, seed: int) -> dict[str, Any]:
    """One adapter: its loss on held-out scenes on the way; at the end likeness and prompt adherence by lambda."""
    pipe, history = trained_adapter(ImagePrompt(way, seed), look=held_out_loss())
    others = held_out("test", N)
    references, prompts = truth(others).image, asked("test", "colours", N)  # the picture of a scene, and words about something else
    silent = [Prompt(p.id, p.category, "", Requirement(())) for p in prompts]
    alone = measures.with_image(pipe, silent, references, 1.0, seed)
    swept = {}
    for scale in SCALES:
        pictures = measures.with_image(pipe, prompts, references, scale, seed)
        swept[f"{scale:g}"] = scored(pictures, prompts, references, others) | shares(pipe, way)
    return {
        "seconds": history.seconds,
        "images": history.curve[-1][0] * ImagePrompt().batch,
        "parameters": sum(value.numel() for value in image_prompt.state_of(pipe.unet).values()),
        "looks": history.looks,
        "alone": scored(alone, silent, references, others),
        "scales": swept,
    }


def scored(pictures: torch.Tensor, prompts: list[Prompt], references: torch.Tensor, others: tuple) -> dict[str, list[float]]:
    """Picture by picture: likeness to the reference, its floor (1 or 0), and the prompt (1 or 0)."""
    return {
        "likeness": [round(float(x), 3) for x in measures.likeness(pictures, references)],
        "floor": [int(name == scene.floor) for name, scene in zip(measures.floor(pictures), others)],
        "prompt": [int(verdict.ok) for verdict in evaluate(prompts, pictures)],
    }


def shares(pipe: Any, way: str) -> dict[str, float]:
    """The share of the attention that the words have, mean over layers and pixels of the last step; one softmax of their own gives all."""
    if way == "decoupled":
        return {"share of words": 1.0}
    kept = [processor.share[processor.share.shape[0] // 2 :].mean() for processor in image_prompt.image_processors(pipe.unet)]
    return {"share of words": round(float(torch.stack(kept).mean()), 4)}


def held_out_loss(count: int = 128):
    """A look at the loss on scenes that were not learned from: the same noise, times and captions each time."""
    known = {}

    @torch.no_grad()
    def look(pipe: Any, unet: Any) -> dict[str, float]:
        if not known:
            full = learning.material(pipe, learning.SCENES + count)
            at = slice(learning.SCENES, None)
            known["some"] = learning.Material(full.scenes[at], full.mean[at], full.deviation[at], full.captions[at], full.words, full.silence)
            known["seen"] = image_prompt.embed(image_prompt.encoder(), truth(tuple(full.scenes[at])).image)
        generator = torch.Generator().manual_seed(1)
        at, x, timestep, words, eps = learning.noised(pipe, known["some"], count, 0.0, generator)
        said = unet(x, timestep, words, added_cond_kwargs={"image_embeds": [known["seen"][at][:, None]]}).sample
        return {"loss": round(float((said - eps).square().mean()), 5)}

    return look


STUDIES = (
    Study(
        "adapters-image",
        parts,
        measure,
        ("experiments.studies.adapters_image", "experiments.adapters.image_prompt", "experiments.metrics.image_scores"),
        (learning.BASE, "clip", "clip-eval", "checker"),
        {"seeds": list(SEEDS), "n": N, "scales": list(SCALES)},
    ),
)
