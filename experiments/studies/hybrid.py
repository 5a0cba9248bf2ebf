"""Double- against single-stream blocks at equal parameters: what each mix learns, costs, and says of other sizes."""

from __future__ import annotations

import copy
import time
from functools import lru_cache

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from experiments.artefacts import fingerprint, store
from experiments.data.dataset import scenes
from experiments.data.render import render
from experiments.metrics.arm_scores import CHOSEN, HELD_OUT, LEVELS, Choice, choices
from experiments.models.hybrid import MIXES, build, says
from experiments.models.mechanisms import Text
from experiments.models.zoo import WEIGHTS
from experiments.studies.study import Study
from experiments.training import arms, corpus, paths
from experiments.training.arm_loss import FORGET, Material, without
from experiments.training.loop import Plan, fit

SEEDS = (0, 1, 2)
IMAGES, BATCH, RATE = 4_000, 16, 1.5e-3
ASKED = ("colours", "colour attribution")
SIZES = {"8x8, as trained": (64, None), "8x5, a crop": (64, 5), "12x12": (96, None)}  # side in pixels, columns kept
SHOWN = 200  # held-out scenes by which errors at other sizes are measured


@lru_cache(maxsize=1)
def material() -> tuple[Material, arms.Reader, torch.nn.Module]:
    reader, autoencoder = arms.parts()
    return arms.material(reader, autoencoder), reader, autoencoder


def loss(model, data: Material):
    """Squared error of the velocity on the straight path with logit-normal times; draws do not depend on the mix."""
    draw = paths.straight()

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at = torch.randint(len(data.mean), (BATCH,), generator=generator)
        style = torch.randint(data.captions.shape[1], (BATCH,), generator=generator)
        forget = torch.rand(BATCH, generator=generator) < FORGET
        x0 = data.mean[at] + data.deviation[at] * torch.randn(data.mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        when = draw(BATCH, generator)
        told = without(data.text[data.captions[at, style]], forget, data.empty)
        return (says(model, when.a * x0 + when.s * eps, when.timestep, told) - (eps - x0)).square().mean()

    return of_step


def train(mix: str, seed: int):
    """The mix after IMAGES training images (averaged weights) and the seconds it took; resumes where it was killed."""
    torch.manual_seed(seed)
    model = build(mix)
    average = copy.deepcopy(model).requires_grad_(False)
    plan = Plan(images=IMAGES, batch=BATCH, rate=RATE, warmup=50, average=0.99, seed=seed)
    seconds, path = 0.0, store("hybrid", f"{fingerprint(mix, seed, STUDY.made())[:16]}.pt")
    for progress in fit(model, average, loss(model, material()[0]), plan, path):
        seconds = progress.seconds
    return average.eval(), seconds


def measure(mix: str, seed: int) -> dict:
    """Train the mix, then how often it tells two captions apart, its errors by size, and what it costs."""
    model, seconds = train(mix, seed)
    return {
        **judged(model, seed),
        "parameters": sum(p.numel() for p in model.parameters()),
        "gigaflops": gigaflops(mix),
        "training seconds": round(seconds, 1),
    }


@torch.inference_mode()
def judged(model, seed: int) -> dict:
    _, reader, autoencoder = material()
    codes = corpus.codes(autoencoder, WEIGHTS / "autoencoder", "validation", HELD_OUT)[0]
    return {
        "chosen": {name: chosen(model, choices(name, CHOSEN), codes, reader, seed) for name in ASKED},
        "errors": errors(model, reader, seed),
        "milliseconds": round(1000 * took(model, reader), 2),
    }


def chosen(model, offered: list[Choice], codes: Tensor, reader, seed: int) -> list[int]:
    """How many of the pairs of a true and a false caption are told apart by the smaller error, and of how many."""
    true, false = reader([c.true for c in offered]), reader([c.false for c in offered])
    x0 = codes[[c.scene for c in offered]]
    better = sum(error(model, x0, false, t, seed) - error(model, x0, true, t, seed) for t in LEVELS)
    return [int((better > 0).sum()), len(offered)]


def error(model, x0: Tensor, told: Text, t: float, seed: int, scale: float = 1.0) -> Tensor:
    """Squared error [B] of the predicted velocity at time t, the same noise for every model."""
    g = torch.Generator().manual_seed(1000 * seed + round(100 * t))
    eps = torch.randn(x0.shape, generator=g)
    said = says(model, (1 - t) * x0 + t * eps, torch.full((len(x0),), 1000 * t), told, scale)
    return (said - (eps - x0)).square().mean((1, 2, 3))


@lru_cache(maxsize=4)
def seen_at(pixels: int, columns: int | None) -> Tensor:
    """Codes of the first held-out scenes rendered at another size or cropped."""
    _, _, autoencoder = material()
    pictures = torch.cat([render(scenes("validation", i, i + 20), pixels).image for i in range(0, SHOWN, 20)])
    codes = torch.cat([autoencoder.encode(x.float() / 127.5 - 1).latent_dist.mean for x in pictures.split(50)])
    return codes[..., :columns] if columns else codes


def errors(model, reader, seed: int) -> dict[str, float]:
    """Mean error without a caption at sizes that were and were not trained, with positions as they count and squeezed."""
    nothing = Text(*(part.expand(SHOWN, *part.shape[1:]) for part in tuple(reader([""]))))
    found = {}
    for name, (pixels, columns) in SIZES.items():
        x0 = seen_at(pixels, columns)
        found[name] = float(sum(error(model, x0, nothing, t, seed).mean() for t in LEVELS) / len(LEVELS))
    x0 = seen_at(96, None)
    squeezed = sum(error(model, x0, nothing, t, seed, 8 / 12).mean() for t in LEVELS) / len(LEVELS)
    return found | {"12x12, positions squeezed to 8": float(squeezed)}


def gigaflops(mix: str) -> float:
    """Multiply-adds times two of one prediction for one picture, in 10^9; positions are on the CPU, weights on meta."""
    text = Text(torch.empty(1, arms.LENGTH, 128, device="meta"), torch.empty(1, 128, device="meta"))
    with torch.device("meta"):
        model = build(mix).eval()
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        says(model, torch.empty(1, 16, 8, 8), torch.zeros(1), text)
    return counter.get_total_flops() / 1e9


def took(model, reader, batch: int = 32) -> float:
    """Seconds of one prediction for a picture in batches of 32, the least of five, so that other work disturbs little."""
    x, told = torch.randn(batch, 16, 8, 8, generator=torch.Generator().manual_seed(0)), reader(["a red cube"] * batch)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        says(model, x, torch.full((batch,), 500.0), told)
        times.append(time.perf_counter() - start)
    return min(times) / batch


STUDY = Study(
    "hybrid",
    lambda: [(mix, seed) for seed in SEEDS for mix in MIXES],
    measure,
    ("experiments.studies.hybrid", "experiments.models.hybrid", "experiments.training.arm_loss", "experiments.training.loop", "experiments.data.render",
     "experiments.data.captions"),
    needs=("autoencoder", "clip"),
    settings=dict(images=IMAGES, batch=BATCH, rate=RATE, levels=list(LEVELS), shown=SHOWN, chosen=CHOSEN),
)  # fmt: skip
STUDIES = (STUDY,)
