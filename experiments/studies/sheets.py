"""A sheet of each miniature: its pictures of eight fixed prompts, and what a picture costs it.

The sheets lie beside the records, as `weights/studies/sheet-<name>.png`. A miniature that ships later gets its own study;
one that is trained further makes only its own sheet stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from experiments.artefacts import atomic_write
from experiments.data.prompts import CATEGORIES, Prompt, prompts
from experiments.metrics import cost
from experiments.models import zoo
from experiments.sampling.generate import generate, generator
from experiments.studies.study import FOLDER, Study

SEED, PICTURES, GAP = 0, 8, 4
DENOISERS = ("unet", "transformer")


def fixed() -> list[Prompt]:
    """The eight prompts: the first two of position and colour attribution, the first of each other category (tune split)."""
    twice = CATEGORIES[-2:]
    return [one for category in CATEGORIES for one in prompts("tune", category, 2 if category in twice else 1)]


def measure(name: str) -> Mapping[str, Any]:
    """Draw the sheet of `name` and count what one picture costs; the prompts with whether the checker finds them followed."""
    from experiments.metrics.alignment import evaluate

    pipeline, call = zoo.load(name), zoo.defaults(name)
    wanted = fixed()
    pictures = generate(pipeline, wanted, SEED, **call)
    _save(pictures, name)
    return {
        "seed": SEED,
        "prompts": [one.text for one in wanted],
        "followed": [verdict.ok for verdict in evaluate(wanted, pictures)],
        "call": dict(call),
        "parameters": cost.parameters(pipeline),
        "gigaflops": _operations(pipeline, wanted[0], call),
    }


def _save(pictures: torch.Tensor, name: str) -> None:
    """uint8 [N,3,H,W] side by side on white, losslessly."""
    side = pictures.shape[-1]
    sheet = torch.full((3, side, len(pictures) * (side + GAP) - GAP), 255, dtype=torch.uint8)
    for k, picture in enumerate(pictures):
        sheet[:, :, k * (side + GAP) : k * (side + GAP) + side] = picture
    with atomic_write(FOLDER / f"sheet-{name}.png") as handle:
        Image.fromarray(sheet.permute(1, 2, 0).numpy()).save(handle, "PNG", optimize=True)


def _operations(pipeline: Any, prompt: Prompt, call: Mapping[str, Any]) -> dict[str, float]:
    """10^9 operations of one forward pass of the denoiser on one latent, and of a whole picture."""
    seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    denoiser = next(getattr(pipeline, name) for name in DENOISERS if getattr(pipeline, name, None) is not None)
    hook = denoiser.register_forward_pre_hook(lambda _, args, named: seen.append((args, named)), with_kwargs=True)
    noise = generator(prompt.id, SEED)
    whole = cost.flops(lambda: pipeline(prompt=[prompt.text], generator=[noise], output_type="pt", **call))
    hook.remove()
    args, named = seen[0]
    latent = args[0] if args else named.get("sample", named.get("hidden_states"))
    once = cost.flops(lambda: denoiser(*args, **named)) / len(latent)
    return {"forward": once / 1e9, "image": whole / 1e9}


def _study(name: str) -> Study:
    return Study(
        f"sheet-{name}",
        parts=lambda: [(name,)],
        measure=measure,
        made_by=("experiments.studies.sheets",),
        needs=(name, "checker"),
        settings={"seed": SEED},
    )


STUDIES = tuple(_study(name) for name in zoo.shipped())
