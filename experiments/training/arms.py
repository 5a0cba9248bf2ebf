"""Training of the arms: the same scenes, captions, noises and times in the same order for every mechanism.

Scenes hold one or two solids and captions are those of styles 2 and 4, the wordings of the prompts, so that a few
thousand steps show a difference. A finished run is not done again and a killed one goes on where it was.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from experiments.artefacts import atomic_folder, fingerprint, source_hash, store, write_json
from experiments.data.captions import caption
from experiments.data.dataset import scenes
from experiments.data.prompts import CATEGORIES, Prompt
from experiments.models.ablations import ARMS, Arm
from experiments.models.mechanisms import Text, build, gigaflops, says
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus
from experiments.training.arm_loss import BATCH, Material, loss
from experiments.training.loop import Plan, fit
from experiments.training.narrow import narrow_

LENGTH = 12  # tokens: the longest caption of these styles has 10 with its start and end
STYLES = (2, 4)
SOLIDS = 2
SCENES, IMAGES, RATE = 10_000, 4_800, 1.5e-3
STEPS, GUIDANCE = 15, 3.0
ASKED = tuple(c for c in CATEGORIES if c != "counting")  # prompts count to four, these scenes to two
VISITS = 3
FOLDER = WEIGHTS / "arms"
MODULES = tuple(
    f"experiments.{name}" for name in ("training.loop", "training.arm_loss", "data.render", "data.captions")
)


class Reader:
    """The text tower that conditions the arms: captions to their words and sentence vectors."""

    def __init__(self, folder: Path = WEIGHTS / "clip"):
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)
        self.tower = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Text:
        """Raises ValueError for a caption that is longer than LENGTH tokens."""
        ids = self.tokenizer(list(texts), padding="max_length", max_length=LENGTH)["input_ids"]
        long = [t for t, row in zip(texts, ids) if len(row) > LENGTH]
        if long:
            raise ValueError(
                f"{long[0]!r} has more than {LENGTH} tokens: the arms learn from captions of styles 2 and 4"
            )
        said = [self.tower(torch.tensor(ids[i : i + 256])) for i in range(0, len(ids), 256)]
        return Text(torch.cat([s.last_hidden_state for s in said]), torch.cat([s.pooler_output for s in said]))


def material(reader: Reader, autoencoder: AutoencoderKL, count: int = SCENES) -> Material:
    """Codes and captions of those of the first `count` training scenes that hold at most SOLIDS solids."""
    drawn = scenes("train", 0, count)
    kept = [i for i, scene in enumerate(drawn) if len(scene.solids) <= SOLIDS]
    written = [[caption(drawn[i], "en", style) for style in STYLES] for i in kept]
    texts = sorted({t for row in written for t in row})
    place = {t: k for k, t in enumerate(texts)}
    mean, deviation = corpus.codes(
        autoencoder, WEIGHTS / "autoencoder", "train", corpus.TRAINING_SCENES
    )  # all, as they are kept
    rows = torch.tensor([[place[t] for t in row] for row in written])
    return Material(mean[kept], deviation[kept], rows, reader(texts), reader([""]))


@torch.inference_mode()
def sample(
    arm: Arm, model: nn.Module, text: Text, empty: Text, noise: Tensor, steps: int = STEPS, w: float = GUIDANCE
) -> Tensor:
    """Codes [B,C,h,w] drawn from `noise` by Euler's rule along the predicted velocity, guided by u + w (c - u).

    At w = 1 the network is asked once a step.
    """
    times = torch.linspace(1, 0, steps + 1)
    x, both = (
        noise,
        Text(*(torch.cat([e.expand(len(noise), *e.shape[1:]), t]) for e, t in zip(tuple(empty), tuple(text)))),
    )
    for t, after in zip(times, times[1:]):
        if w == 1:
            v = says(arm, model, x, 1000 * t.expand(len(x)), text, empty)
        else:
            u, c = says(arm, model, torch.cat([x, x]), 1000 * t.expand(2 * len(x)), both, empty).chunk(2)
            v = u + w * (c - u)
        x = x + (after - t) * v
    return x


@torch.inference_mode()
def draw(
    arm: Arm,
    model: nn.Module,
    wanted: Sequence[Prompt],
    reader: Reader,
    autoencoder: AutoencoderKL,
    seed: int = 0,
    **options: Any,
) -> Tensor:
    """Pictures of prompts, uint8 [N,3,64,64]; noise comes from prompt and seed, as everywhere."""
    from experiments.sampling.generate import batches, generator

    empty, pictures = reader([""]), []
    shape = (autoencoder.config.latent_channels, 8, 8)
    for group in batches(wanted, 50):
        noise = torch.stack([torch.randn(shape, generator=generator(p.id, seed)) for p in group])
        codes = sample(arm, model, reader([p.text for p in group]), empty, noise, **options)
        image = autoencoder.decode(codes / autoencoder.config.scaling_factor).sample
        pictures.append(((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))
    return torch.cat(pictures)


Measure = Callable[[Arm, nn.Module, int, bool], dict[str, Any]]  # (arm, model, seed, thorough) to named estimates


def train(arm: Arm, seed: int, data: Material, measure: Measure, images: int = IMAGES, folder: Path = FOLDER) -> Path:
    """Train one arm with one seed, write its weights (`narrow`) and record, return the folder. Done runs stay."""
    made = key(arm, seed, images)
    target = folder / f"{arm.name}-{seed}"
    if (target / "training.json").exists() and json.loads((target / "training.json").read_text())["made_of"] == made:
        return target
    torch.manual_seed(seed)  # initial weights only: what training draws has its own generator
    model = build(arm)
    average = copy.deepcopy(model).requires_grad_(False)
    plan = Plan(images=images, batch=BATCH, rate=RATE, warmup=50, average=0.99, seed=seed)
    curve, visits = _follow(arm, model, average, plan, data, measure, store("arms", f"{target.name}-{made[:16]}.pt"))
    scores = measure(arm, average.eval(), seed, True)
    with atomic_folder(target) as scratch:
        narrow_(average)
        average.save_pretrained(scratch)
        facts = _record(arm, model, plan, curve, visits, {name: found._asdict() for name, found in scores.items()})
        write_json(scratch / "training.json", facts | {"made_of": made})
    return target


def key(arm: Arm, seed: int, images: int = IMAGES) -> str:
    """Hash of what an arm's weights follow from."""
    return fingerprint(
        source_hash(*MODULES), arm, seed, images, [weights_hash(WEIGHTS / part) for part in ("autoencoder", "clip")]
    )


def _follow(arm, model, average, plan: Plan, data, measure, checkpoint: Path) -> tuple[list, list]:
    """Train; the curve [[images, loss]] and, for VISITS points on the way, [[images, {score: value}]]."""
    beside = checkpoint.with_suffix(".json")
    curve, visits = json.loads(beside.read_text()) if checkpoint.exists() and beside.exists() else ([], [])
    losses: list[float] = []
    spent = 0.0
    for progress in fit(model, average, loss(arm, model, data), plan, checkpoint):
        losses.append(progress.loss)
        spent = progress.seconds
        if progress.step % max(1, plan.steps // 40) == 0:
            curve.append([progress.images, round(float(np.mean(losses)), 5), round(spent, 1)])
            losses.clear()
        if progress.step % max(1, plan.steps // VISITS) == 0 and progress.step < plan.steps:
            found = measure(arm, average.eval(), plan.seed, False)
            visits.append([progress.images, {name: e.value for name, e in found.items()}])
            write_json(beside, [curve, visits])
    return curve, visits


def _record(arm: Arm, model: nn.Module, plan: Plan, curve: list, visits: list, scores: dict) -> dict[str, Any]:
    return {
        "recipe": arm.name,
        "backbone": arm.backbone,
        "told": arm.told,
        "mirrors": "mini-sd1.5's U-Net, narrower" if arm.backbone == "unet" else "DiT (arXiv:2212.09748)",
        "objective": "flow",
        "parameters": sum(p.numel() for p in model.parameters()),
        "gigaflops": gigaflops(arm, LENGTH),
        "images_seen": plan.steps * plan.batch,
        "images_budget": plan.images,
        "seconds_spent": curve[-1][2] if curve else 0.0,
        "device": "cpu",
        "cpu": platform.processor() or platform.machine(),
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "seed": plan.seed,
        "plan": dataclasses.asdict(plan),
        "sampling": {"solver": "Euler", "steps": STEPS, "w": GUIDANCE},
        "curve": [point[:2] for point in curve],
        "evaluations": visits,
        "expected": {},
        "scores": scores,
        "code_sha256": source_hash(*MODULES),
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }


def records(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The records of all arms that ship, in the order of the rows and of seeds."""
    found = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*/training.json"))]
    order = list(ARMS)
    return sorted((r for r in found if r["recipe"] in ARMS), key=lambda r: (order.index(r["recipe"]), r["seed"]))


def parts(weights: Path = WEIGHTS) -> tuple[Reader, AutoencoderKL]:
    """What all arms share: the text tower and the autoencoder."""
    return Reader(weights / "clip"), AutoencoderKL.from_pretrained(
        weights / "autoencoder", torch_dtype=torch.float32
    ).eval()
