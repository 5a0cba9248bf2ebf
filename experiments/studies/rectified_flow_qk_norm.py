"""QK normalisation: attention logits, spikes of the loss and the largest stable learning rate, with and without.

A tiny MM-DiT learns without clipping of gradients and at a constant rate, so that nothing but the normalisation of
queries and keys (Henry et al. 2020, arXiv:2010.04245; Esser et al. 2024, arXiv:2403.03206, section 5.3.2) keeps it stable.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from experiments.data.scenes import COLOURS
from experiments.models.backbones import BACKBONES, build
from experiments.studies.study import Study
from experiments.training import backbones as training

NORMS = {"without": None, "with": "rms_norm"}
PRECISIONS = ("float32", "bfloat16")
RATES = (2e-3, 8e-3, 3.2e-2, 0.128, 0.512)
SEEDS = (0, 1, 2)
STEPS, BATCH, WARMUP = 80, 16, 10
SCENES = 3_000
TINY = dict(num_layers=2, num_attention_heads=2, attention_head_dim=16, caption_projection_dim=32)
SPIKE = 2.0  # a loss above so many times the least mean of ten steps before it


@lru_cache(maxsize=1)
def material():
    return training.material((1,), COLOURS, SCENES)


@contextmanager
def largest_logits(model: nn.Module):
    """A list that grows by the largest |q.k|/sqrt(d) of every attention layer that is called meanwhile."""
    found, hooks = [], []
    for block in model.transformer_blocks:
        attention = block.attn
        parts: dict[str, list] = {"q": [], "k": []}
        for name, layer in _ends(attention):
            hooks.append(layer.register_forward_hook(lambda _, __, out, name=name, parts=parts: parts[name].append(out.detach().float())))
        hooks.append(attention.register_forward_hook(lambda its, *_, parts=parts: found.append(_largest(its.heads, parts))))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _ends(attention) -> list[tuple[str, nn.Module]]:
    """The last layers that queries and keys of picture and text pass before they meet."""
    if attention.norm_q is not None:
        return [("q", attention.norm_q), ("q", attention.norm_added_q), ("k", attention.norm_k), ("k", attention.norm_added_k)]
    return [("q", attention.to_q), ("q", attention.add_q_proj), ("k", attention.to_k), ("k", attention.add_k_proj)]


def _largest(heads: int, parts: dict[str, list]) -> float:
    """The largest of |q.k|/sqrt(d) over all pairs; parts are emptied."""
    def whole(tensors):
        split = [t if t.dim() == 4 else t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in tensors]  # [B,heads,tokens,d]
        return torch.cat(split, 2)

    q, k = whole(parts["q"]), whole(parts["k"])
    parts["q"].clear(), parts["k"].clear()
    return float((q @ k.transpose(-1, -2)).abs().max() / math.sqrt(q.shape[-1]))


def run(norm: str, precision: str, rate: float, seed: int) -> dict[str, Any]:
    """One short training: loss at the end, number of spikes, the largest logit of the last step and of all."""
    torch.manual_seed(seed)
    model = build(BACKBONES["mmdit"], qk_norm=NORMS[norm], **TINY)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    of_step, losses, logits = training.loss(model, material(), BATCH), [], []
    for step in range(STEPS):
        for one in optimiser.param_groups:
            one["lr"] = rate * min(1.0, (step + 1) / WARMUP)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"), largest_logits(model) as seen:
            value = of_step(step, torch.Generator().manual_seed(1_000_003 * seed + step))
        losses.append(value.item())
        if not math.isfinite(losses[-1]):
            break
        logits.append(max(seen))
        value.backward()
        optimiser.step()
        optimiser.zero_grad()
    return summary(losses, logits)


def summary(losses: list[float], logits: list[float]) -> dict[str, Any]:
    """The end (mean of the last quarter; None where the loss was not finite), spikes, logits."""
    finite = len(losses) == STEPS and math.isfinite(losses[-1])
    means = [sum(losses[i - 10 : i]) / 10 for i in range(10, len(losses))]
    spikes = sum(not loss <= SPIKE * min(means[: k + 1]) for k, loss in enumerate(losses[10:]))
    quarter = losses[-STEPS // 4 :]
    thin = [round(v, 4) if math.isfinite(v) and v < 1e4 else None for v in losses[::4]]
    return {
        "end": round(sum(quarter) / len(quarter), 5) if finite else None,
        "spikes": spikes,
        "logit": round(logits[-1], 3) if finite else None,
        "largest": round(max((v for v in logits if math.isfinite(v)), default=math.nan), 3),
        "losses": thin,
    }


def measure(norm: str, precision: str, seed: int) -> dict[str, Any]:
    """All RATES, by their text."""
    return {f"{rate:g}": run(norm, precision, rate, seed) for rate in RATES}


STUDY = Study(
    "rectified-flow-qk-norm",
    parts=lambda: [(norm, precision, seed) for precision in PRECISIONS for seed in SEEDS for norm in NORMS],
    measure=measure,
    made_by=("experiments.training.backbones", "experiments.models.backbones", "experiments.studies.rectified_flow_qk_norm"),
    needs=("autoencoder", "clip"),
)
STUDIES = (STUDY,)
