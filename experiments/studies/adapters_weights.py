"""Weight injection: a new concept by full fine-tuning, LoRA and DoRA; two LoRAs together; the spectrum of the full change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from experiments.adapters import learning
from experiments.adapters.drawing import draw
from experiments.adapters.weights import Method, attach, change, layers_of, trained_weights, truncated
from experiments.data.novel import TOWER
from experiments.metrics import concept_scores as measures
from experiments.metrics.alignment import evaluate
from experiments.metrics.concept import ceiling
from experiments.models import zoo
from experiments.studies.study import Study

SEEDS = (0, 1, 2)
METHODS = (
    ("full", 0, "attention"),
    ("lora", 4, "attention"),
    ("dora", 4, "attention"),
    ("lora", 1, "attention"),
    ("lora", 64, "attention"),
    ("lora", 16, "attention"),
    ("lora", 4, "words"),
    ("lora", 4, "attention and convolutions"),
)
RATES = {"full": 5e-4, "lora": 4e-3, "dora": 4e-3}
RANKS = (1, 4, 16)  # to which the full change is cut
MIXES = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.7, 0.7))  # weights of the LoRAs for tower and stripes
COPIES = 3
AGAIN = 5  # methods that are trained with every seed


def parts() -> Iterator[tuple[Any, ...]]:
    yield ("base",)
    yield from ((way, rank, layers, 0) for way, rank, layers in METHODS)
    yield ("together",)
    yield from ((way, rank, layers, seed) for seed in SEEDS[1:] for way, rank, layers in METHODS[:AGAIN])


def measure(way: str, rank: int = 0, layers: str = "", seed: int = 0) -> dict[str, Any]:
    """One way to learn the tower; or the base without it; or two LoRAs together."""
    if way == "base":
        return scores(zoo.load(learning.BASE)) | {"probes": {q: round(float(right.mean()), 4) for q, right in ceiling().items()}}
    if way == "together":
        return together()
    method = Method(way, rank, layers, TOWER, seed, rate=RATES[way])
    pipe, history = trained_weights(method)
    fresh = zoo.load(learning.BASE).unet
    attach(fresh, method)
    found = scores(pipe) | {"memory": learning.memory(fresh), "seconds": history.seconds, "curve": history.curve}
    return found | (spectra(pipe) if way == "full" else {})


def scores(pipe: Any) -> dict[str, Any]:
    """Mastery of the tower, picture by picture, and which of the old prompts are still drawn right."""
    asked, before = measures.concept_prompts(TOWER, COPIES), measures.old_prompts()
    kept = [int(verdict.ok) for verdict in evaluate(before, draw(pipe, before))]
    return {"tower": measures.mastery(draw(pipe, asked), asked, TOWER), "old prompts": kept}


def spectra(pipe: Any) -> dict[str, Any]:
    """Of the change that full fine-tuning made: how much of it lies in few directions, and what a change cut to them still does."""
    delta, base = change(pipe), zoo.load(learning.BASE)
    rows = {}
    for name, difference in delta.items():
        own = energy(difference)
        random = energy(torch.randn(difference.flatten(1).shape, generator=torch.Generator().manual_seed(0)))
        rows[name] = {"full rank": min(difference.flatten(1).shape), "change": own, "before": energy(base.unet.state_dict()[name]), "random": random}
    asked, found = measures.concept_prompts(TOWER, COPIES), {}
    for rank in RANKS:
        state = base.unet.state_dict()
        state |= {name: value for name, value in pipe.unet.state_dict().items() if value.ndim <= 1}
        state |= {name: state[name] + cut for name, cut in truncated(delta, rank).items()}
        cut_pipe = zoo.load(learning.BASE)
        cut_pipe.unet.load_state_dict(state)
        found[str(rank)] = measures.mastery(draw(cut_pipe, asked), asked, TOWER)["concept"]
    return {"spectrum": rows, "cut to rank": found}


def energy(matrix: Tensor) -> list[float]:
    """Shares of the squared norm in the first 1, 2, 4, ... 64 singular directions, and the number that holds 90% of it."""
    values = torch.linalg.svdvals(matrix.flatten(1)).square()
    shares = values.cumsum(0) / values.sum().clamp_min(1e-30)
    return [round(float(shares[min(r, len(shares)) - 1]), 4) for r in (1, 2, 4, 8, 16, 32, 64)] + [int((shares < 0.9).sum()) + 1]


def together() -> dict[str, Any]:
    """Striped towers, which neither of two LoRAs has seen, by their weights; one LoRA scaled; and what fusing changes."""
    pipe = zoo.load(learning.BASE)
    for concept in (TOWER, "stripes"):
        learned, _ = trained_weights(Method("lora", 4, concept=concept))
        pipe.load_lora_weights({f"unet.{name}": value for name, value in layers_of(learned.unet).items()}, adapter_name=concept)
    asked, found = measures.concept_prompts("both", COPIES), {}
    for mix in MIXES:
        pipe.set_adapters([TOWER, "stripes"], list(mix))
        found[f"{mix[0]:g} + {mix[1]:g}"] = measures.mastery(draw(pipe, asked), asked, "both")
    plain, scaled = measures.concept_prompts(TOWER, COPIES), {}
    for scale in (0.0, 0.5, 1.0, 1.5):
        pipe.set_adapters([TOWER, "stripes"], [scale, 0.0])
        scaled[f"{scale:g}"] = measures.mastery(draw(pipe, plain), plain, TOWER)
    pipe.set_adapters([TOWER, "stripes"], [1.0, 1.0])
    return {"mixes": found, "scaled": scaled} | fused(pipe, asked[:8])


def fused(pipe: Any, asked: list) -> dict[str, Any]:
    """Seconds a picture with the LoRAs beside the weights, inside them, and without; and how far the pictures differ, in levels."""
    timed = {}
    beside, timed["beside"] = _timed(pipe, asked)
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    inside, timed["inside"] = _timed(pipe, asked)
    _, timed["without"] = _timed(zoo.load(learning.BASE), asked)
    return {"seconds a picture": timed, "fused differs by": int((beside.int() - inside.int()).abs().max())}


def _timed(pipe: Any, asked: list) -> tuple[Tensor, float]:
    draw(pipe, asked)
    begun = time.process_time()
    pictures = draw(pipe, asked)
    return pictures, round((time.process_time() - begun) / len(asked), 4)


STUDIES = (
    Study(
        "adapters-weights",
        parts,
        measure,
        ("experiments.studies.adapters_weights", "experiments.adapters.weights", "experiments.metrics.concept_scores"),
        (learning.BASE, "checker"),
        {"seeds": list(SEEDS), "copies": COPIES},
    ),
)
