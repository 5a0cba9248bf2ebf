"""What the training of every adapter shares: the scenes it learns from, the loop with a look at the way, and its memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from experiments.artefacts import closure, fingerprint, source_hash, store, write_json
from experiments.data.captions import caption
from experiments.data.dataset import scenes
from experiments.data.scenes import Scene
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus, paths
from experiments.training.loop import Plan, fit

BASE = "mini-sd1.5"
SCENES, SOLIDS = 4_000, 2  # scenes of two solids, one map or reference picture each
STYLES = (2, 4)  # captions that leave size, material, floor and mostly place to the other condition
LOOK = 50  # steps between two looks


@dataclass(frozen=True)
class Material:
    """Scenes with their codes (mean and deviation [N,C,h,w]) and, for each, the rows [N,styles] of its captions in `words`
    [T,L,D], the states of the text tower; `silence` [L,D] are those of the empty caption."""

    scenes: list[Scene]
    mean: Tensor
    deviation: Tensor
    captions: Tensor
    words: Tensor
    silence: Tensor


@dataclass(frozen=True)
class History:
    """How it went: [[step, mean loss since the last]], [[step, what the look found]], seconds of training."""

    curve: list[list[float]]
    looks: list[list[Any]]
    seconds: float


@torch.no_grad()
def encode(pipe: DiffusionPipeline, texts: list[str]) -> Tensor:
    """States of the pipeline's text tower [T,L,D], as its own `encode_prompt` gives them."""
    ids = pipe.tokenizer(texts, padding="max_length", max_length=pipe.tokenizer.model_max_length, truncation=True, return_tensors="pt").input_ids
    return torch.cat([pipe.text_encoder(part).last_hidden_state for part in ids.split(64)])


def material(pipe: DiffusionPipeline, count: int = SCENES) -> Material:
    """The first `count` training scenes with `SOLIDS` solids."""
    drawn = scenes("train", 0, 3 * count)
    at = [i for i, scene in enumerate(drawn) if len(scene.solids) == SOLIDS][:count]
    mean, deviation = corpus.codes(pipe.vae, WEIGHTS / "autoencoder", "train", corpus.TRAINING_SCENES)
    texts = [[caption(drawn[i], "en", style) for style in STYLES] for i in at]
    unique = sorted({text for row in texts for text in row})
    place = {text: k for k, text in enumerate(unique)}
    rows = torch.tensor([[place[text] for text in row] for row in texts])
    return Material([drawn[i] for i in at], mean[at], deviation[at], rows, encode(pipe, unique), encode(pipe, [""])[0])


def noised(
    pipe: DiffusionPipeline, known: Material, batch: int, forget: float, generator: torch.Generator, early: bool = False
) -> tuple[Tensor, ...]:
    """One batch: places in the material [B], noisy codes, time steps, words (forgotten with that chance), and the noise to find.

    `early` draws time steps T (1 - u^3) instead of uniform ones, as T2I-Adapter does: structure is settled while there is much noise.
    """
    at = torch.randint(len(known.mean), (batch,), generator=generator)
    style = torch.randint(known.captions.shape[1], (batch,), generator=generator)
    silent = torch.rand(batch, 1, 1, generator=generator) < forget
    words = torch.where(silent, known.silence, known.words[known.captions[at, style]])
    x0 = known.mean[at] + known.deviation[at] * torch.randn(known.mean[at].shape, generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    if early:
        step = (len(pipe.scheduler.alphas_cumprod) * (1 - torch.rand(batch, generator=generator) ** 3)).long().clamp_max(len(pipe.scheduler.alphas_cumprod) - 1)
        kept = pipe.scheduler.alphas_cumprod[step].view(-1, 1, 1, 1)
        return at, kept.sqrt() * x0 + (1 - kept).sqrt() * eps, step, words, eps
    time = paths.variance_preserving(pipe.scheduler.alphas_cumprod)(batch, generator)
    return at, time.a * x0 + time.s * eps, time.timestep, words, eps


def key(modules: tuple[str, ...], *facts: Any) -> str:
    """Hash of what an adapter's weights follow from: code, facts (plain values), the base's weights."""
    names = (*modules, "experiments.adapters.learning")
    catalogues = [name for name in closure(names) if name.startswith("experiments.models")]  # how weights are found is not in them
    return fingerprint(source_hash(*names, without=["experiments.artefacts", *catalogues]), facts, weights_hash(WEIGHTS / BASE))


def learn(
    model: nn.Module,
    loss: Callable[[int, torch.Generator], Tensor],
    plan: Plan,
    name: str,
    look: Callable[[nn.Module], Mapping[str, float]] | None = None,
    tell: Callable[..., None] = lambda progress, plan: None,
) -> tuple[nn.Module, History]:
    """Train `model` in place and return the moving average of its weights; a finished or killed run of that `name` goes on.

    `look` is called every `LOOK` steps with the model as it stands, and once before the first.
    """
    checkpoint = store("adapters", f"{name}.pt")
    beside = checkpoint.with_suffix(".json")
    average = copy.deepcopy(model).requires_grad_(False)
    history = History(**json.loads(beside.read_text(encoding="utf-8"))) if checkpoint.exists() and beside.exists() else History([], [], 0.0)
    if look and not history.looks:
        history.looks.append([0, dict(look(model.eval()))])
    losses: list[float] = []
    for progress in fit(model, average, loss, plan, checkpoint):
        tell(progress, plan)
        losses.append(progress.loss)
        if progress.step % LOOK == 0 or progress.step == plan.steps:
            history.curve.append([progress.step, round(sum(losses) / len(losses), 5)])
            losses.clear()
            if look:
                history.looks.append([progress.step, dict(look(model.eval()))])
                model.train()
            history = History(history.curve, history.looks, round(progress.seconds, 1))
            write_json(beside, asdict(history))
    return average.eval(), history


def memory(model: nn.Module, *others: nn.Module) -> dict[str, int]:
    """Bytes that training must hold beside activations: weights of all parts, and for each trained weight its gradient and the two
    moments of Adam, in float32."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    weights = sum(p.numel() for part in (model, *others) for p in part.parameters())
    return {"trained": trained, "weights": 4 * weights, "gradients and moments": 12 * trained, "all": 4 * weights + 12 * trained}
