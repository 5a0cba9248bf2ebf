"""The ways to guide, as guides for `guidance_sampler`: what each asks the network, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager

import torch
from diffusers import DiffusionPipeline
from diffusers.models.attention_processor import PAGIdentitySelfAttnProcessor2_0
from torch import Tensor

from experiments.data.prompts import Requirement
from experiments.models.latent_classifier import LatentClassifier, log_probability
from experiments.sampling import guidance
from experiments.sampling.guidance_sampler import Guide, Moment, Texts


def classifier_free(w: float) -> Guide:
    """At w = 0 and w = 1 the network is asked once a step, else for both texts."""
    if w in (0, 1):
        return lambda now, ask: ask(now, "caption" if w else "empty")[0]
    return lambda now, ask: guidance.classifier_free(*ask(now, "caption", "empty"), w)


def negative_prompt(w: float) -> Guide:
    return lambda now, ask: guidance.negative_prompt(*ask(now, "caption", "negative"), w)


def interval(w: float, low: float, high: float) -> Guide:
    """Asks for the empty caption only where it counts."""

    def guide(now: Moment, ask: Texts) -> Tensor:
        if not low <= now.progress < high:
            return ask(now, "caption")[0]
        return guidance.interval(*ask(now, "caption", "empty"), w, now.progress, low, high)

    return guide


def rescaled(w: float, share: float) -> Guide:
    def guide(now: Moment, ask: Texts) -> Tensor:
        c, u = ask(now, "caption", "empty")
        return guidance.rescaled(guidance.classifier_free(c, u, w), c, share)

    return guide


def autoguidance(weak: Texts, w: float) -> Guide:
    """`weak` holds the same captions for the network of a worse version."""
    return lambda now, ask: guidance.autoguidance(ask(now, "caption")[0], weak(now, "caption")[0], w)


def projected(w: float, eta: float, threshold: float, momentum: float) -> Guide:
    """On predicted data, as its paper has it; the running difference starts anew with each guide."""
    before: list[Tensor] = []

    def guide(now: Moment, ask: Texts) -> Tensor:
        c, u = (guidance.to_data(eps, now.x, now.a, now.s) for eps in ask(now, "caption", "empty"))
        data, running = guidance.projected(c, u, w, eta, threshold, momentum, before[-1] if before and now.progress else 0.0)
        before[:] = [running]
        return (now.x - now.a * data) / now.s

    return guide


def perturbed_attention(scale: float, w: float = 1.0) -> Guide:
    """Inside `identity_attention`, whose second half of a batch sees no other pixel. With w beside 1 also classifier-free."""

    def guide(now: Moment, ask: Texts) -> Tensor:
        if w == 1:
            return guidance.perturbed_attention(*ask(now, "caption", "caption"), scale)
        c, u, c_again, perturbed = ask(now, "caption", "empty", "caption", "caption")
        return guidance.classifier_free(c, u, w) + scale * (c_again - perturbed)

    return guide


@contextmanager
def identity_attention(pipe: DiffusionPipeline, layers: Sequence[str] = ("mid_block",)):
    """In the named blocks the second half of each batch has the identity for its map of self-attention (diffusers' own)."""
    usual = pipe.unet.attn_processors
    chosen = {name for name in usual if name.endswith("attn1.processor") and name.startswith(tuple(layers))}
    if not chosen:
        raise ValueError(f"no self-attention in {', '.join(layers)}: the network has it in {', '.join(sorted(usual))}")
    pipe.unet.set_attn_processor({name: PAGIdentitySelfAttnProcessor2_0() if name in chosen else own for name, own in usual.items()})
    try:
        yield
    finally:
        pipe.unet.set_attn_processor(usual)


def classifier(reader: LatentClassifier, wanted: Sequence[Requirement], scale: float, told_noise: bool = True) -> Guide:
    """The unconditional model and a classifier of latents. `told_noise=False` tells the classifier that x_t is clean."""

    def guide(now: Moment, ask: Texts) -> Tensor:
        level = now.t if told_noise else torch.zeros_like(now.t)
        return guidance.classifier(ask(now, "empty")[0], gradient(reader, now.x, level, wanted), now.s, scale)

    return guide


def gradient(reader: LatentClassifier, x: Tensor, t: Tensor, wanted: Sequence[Requirement]) -> Tensor:
    """Of log p(y | x_t) by x_t, for each picture its own requirement."""
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        return torch.autograd.grad(log_probability(*reader(x, t), wanted).sum(), x)[0]
