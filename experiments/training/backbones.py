"""Training of small networks on scenes and their captions in one wording.

What a step sees depends on the seed and the step alone, so backbones that are trained with one seed see the same codes,
captions, noises and times in the same order.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextModel, CLIPTokenizer

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.data.captions import caption
from experiments.data.scenes import Scene, sample_scene
from experiments.models.backbones import says
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus, paths
from experiments.training.loop import Plan, fit

LENGTH = 20  # tokens: the longest caption of this wording, four solids, with its start and end
STYLE = 2  # "a red cube and a blue sphere"
FORGET = 0.1  # share of captions replaced by the empty one, for classifier-free guidance


class Reader:
    """The text tower of `mini-sd1.5`: captions to one state for each token, [B,LENGTH,128]."""

    def __init__(self, weights: Path = WEIGHTS):
        self.tokenizer = CLIPTokenizer.from_pretrained(weights / "clip")
        self.tower = CLIPTextModel.from_pretrained(weights / "clip" / "text_encoder", dtype=torch.float32).eval()

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Raises ValueError for a caption that is longer than LENGTH tokens."""
        ids = self.tokenizer(list(texts), padding="max_length", max_length=LENGTH)["input_ids"]
        long = [t for t, row in zip(texts, ids) if len(row) > LENGTH]
        if long:
            raise ValueError(f"{long[0]!r} has more than {LENGTH} tokens: captions are of style {STYLE}, for at most four solids")
        return torch.cat([self.tower(torch.tensor(ids[i : i + 256])).last_hidden_state for i in range(0, len(ids), 256)])


@dataclass(frozen=True)
class Material:
    """Codes of scenes (mean and deviation [N,C,h,w]), the row [N] of each one's caption in `words` [K,L,D], the empty
    caption [1,L,D], and the scenes themselves."""

    mean: Tensor
    deviation: Tensor
    rows: Tensor
    words: Tensor
    empty: Tensor
    scenes: tuple[Scene, ...]


def autoencoder(weights: Path = WEIGHTS) -> AutoencoderKL:
    """The shared autoencoder in float32."""
    return AutoencoderKL.from_pretrained(weights / "autoencoder", torch_dtype=torch.float32).eval()


def material(solids: Sequence[int], colours: Sequence[str], count: int) -> Material:
    """Codes and captions of those of the first `count` training scenes that hold so many solids, in these colours alone.

    Made once and kept under the hash of what it follows from.
    """
    code = source_hash("experiments.data.render", "experiments.data.captions"), inspect.getsource(_material)
    parts = [weights_hash(WEIGHTS / part) for part in ("autoencoder", "clip")]
    key = fingerprint(code, list(solids), list(colours), count, parts)
    numbers, *tensors = remembered(f"backbones-{key[:24]}.pt", lambda: _material(solids, colours, count))
    return Material(*tensors, tuple(sample_scene(i) for i in numbers.tolist()))


def _material(solids: Sequence[int], colours: Sequence[str], count: int) -> tuple[Tensor, ...]:
    drawn = [sample_scene(i) for i in range(count)]
    kept = [i for i, scene in enumerate(drawn) if len(scene.solids) in solids and all(s.colour in colours for s in scene.solids)]
    texts = [caption(drawn[i], "en", STYLE) for i in kept]
    known = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    codes = corpus.codes(autoencoder(), WEIGHTS / "autoencoder", "train", corpus.TRAINING_SCENES)  # all, as they are kept
    reader = Reader()
    return torch.tensor(kept), *(part[kept] for part in codes), torch.tensor([known[t] for t in texts]), reader(list(known)), reader([""])


def remembered(name: str, make: Callable[[], Any]) -> Any:
    """What `make()` gives, made once and kept in the cache under a name that must change with what it follows from."""
    path = store("material", name)
    if not path.exists():
        made = make()
        with atomic_write(path) as file:
            torch.save(made, file)
    return torch.load(path, weights_only=True)


Pick = Callable[[int, torch.Generator, int], Tensor]  # (step, generator, batch) to rows of the material
Times = Callable[[int, torch.Generator], paths.Draw]  # (batch, generator) to times and the path's coefficients there


def loss(model: nn.Module, data: Material, batch: int, pick: Pick | None = None, objective: str = "flow", draw: Times | None = None):
    """The loss of one step: squared error of what the objective asks for, on the straight path with logit-normal times
    unless `draw` gives another. `pick` chooses the scenes; by default any."""
    draw = draw or paths.straight()

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at = pick(step, generator, batch) if pick else torch.randint(len(data.mean), (batch,), generator=generator)
        forget = torch.rand(batch, 1, 1, generator=generator) < FORGET
        x0 = data.mean[at] + data.deviation[at] * torch.randn(data.mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(batch, generator)
        words = torch.where(forget, data.empty, data.words[data.rows[at]])
        with sdpa_kernel(SDPBackend.MATH):
            said = says(model, time.a * x0 + time.s * eps, time.timestep, words)
        return (said.float() - paths.target(objective, x0, eps, time.a, time.s)).square().mean()

    return of_step


def train(model: nn.Module, data: Material, plan: Plan, kept: Path, points: int = 20, **how) -> tuple[nn.Module, list]:
    """Train by `plan`; the moving average of the weights and the curve [[images, mean loss]] of about `points` points.
    `how` goes to `loss`."""
    average = copy.deepcopy(model).requires_grad_(False)
    curve, losses = [], []
    for progress in fit(model, average, loss(model, data, plan.batch, **how), plan, kept):
        losses.append(progress.loss)
        if progress.step % max(1, plan.steps // points) == 0:
            curve.append([progress.images, round(float(np.mean(losses)), 5)])
            losses.clear()
    return average.eval(), curve


@torch.inference_mode()
def sample(model: nn.Module, words: Tensor, empty: Tensor, noise: Tensor, steps: int, w: float) -> Tensor:
    """Codes [B,C,h,w] by Euler's rule from `noise` at t = 1 to t = 0, guided by u + w (c - u)."""
    times, x = torch.linspace(1, 0, steps + 1), noise
    both = torch.cat([empty.expand_as(words), words])
    for t, after in zip(times, times[1:]):
        u, c = says(model, torch.cat([x, x]), 1000 * t.expand(2 * len(x)), both).chunk(2)
        x = x + (after - t) * (u + w * (c - u))
    return x


@torch.inference_mode()
def decode(vae: AutoencoderKL, codes: Tensor) -> Tensor:
    """Codes to pictures, uint8 [B,3,64,64]."""
    image = vae.decode(codes / vae.config.scaling_factor).sample
    return ((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
