r"""Guidance: what is made of a denoiser's predictions before the solver takes its step.

Each function is elementwise or per picture, pure, and named as in its paper. Predictions are tensors [B,C,h,w] of one kind
(noise, data or velocity: all that is linear in the prediction is the same for each). c is the prediction with the caption,
u without; w is the weight, u + w (c - u), so w = 1 is the conditional model and w = 0 the unconditional one.
"""

from __future__ import annotations

import torch
from torch import Tensor


def classifier_free(c: Tensor, u: Tensor, w: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598; their weight is w - 1)."""
    return u + w * (c - u)


def negative_prompt(c: Tensor, n: Tensor, w: float) -> Tensor:
    """The same with n, what is predicted for a caption to move away from, in the place of the empty one."""
    return classifier_free(c, n, w)


def classifier(eps: Tensor, gradient: Tensor, s: Tensor | float, scale: float) -> Tensor:
    r"""Classifier guidance (Dhariwal & Nichol 2021, arXiv:2105.05233, algorithm 2) of predicted noise.

    gradient: of log p(y | x_t) by x_t; s: the noise's deviation \sqrt{1 - \bar\alpha_t}.
    """
    return eps - scale * s * gradient


def interval(c: Tensor, u: Tensor, w: float, progress: float, low: float, high: float) -> Tensor:
    """Guidance in a limited interval (Kynkäänniemi et al. 2024, arXiv:2404.07724): w where low <= progress < high of the
    steps done, the conditional model elsewhere."""
    return classifier_free(c, u, w) if low <= progress < high else c


def rescaled(guided: Tensor, c: Tensor, share: float) -> Tensor:
    """Rescaled guidance (Lin et al. 2023, arXiv:2305.08891, section 3.4): the deviation of c, for a `share` of the way."""
    across = tuple(range(1, c.ndim))
    deviation = c.std(across, keepdim=True) / guided.std(across, keepdim=True)
    return share * guided * deviation + (1 - share) * guided


def autoguidance(strong: Tensor, weak: Tensor, w: float) -> Tensor:
    """Autoguidance (Karras et al. 2024, arXiv:2406.02507): away from what a worse version of the model predicts for the
    same caption."""
    return classifier_free(strong, weak, w)


def perturbed_attention(c: Tensor, perturbed: Tensor, scale: float) -> Tensor:
    """Perturbed-attention guidance (Ahn et al. 2024, arXiv:2403.17377): away from the model whose self-attention is the
    identity. Its scale of 0 is the conditional model."""
    return c + scale * (c - perturbed)


def projected(c: Tensor, u: Tensor, w: float, eta: float, threshold: float, momentum: float = 0.0, before: Tensor | float = 0.0):
    """Adaptive projected guidance (Sadat et al. 2024, arXiv:2410.02416), on predictions of the data.

    Returns the guided prediction and the running difference, to be given as `before` at the next step. The difference
    c - u (plus `momentum` of those before) is shortened to `threshold`, and its part along c is kept for a share `eta`.
    """
    across = tuple(range(1, c.ndim))
    running = c - u + momentum * before
    difference = running
    if threshold > 0:
        norm = difference.norm(p=2, dim=across, keepdim=True)
        difference = difference * (threshold / norm).clamp_max(1)
    along, beside = split(difference, c)
    return u + w * (beside + eta * along), running


def split(difference: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The parts of `difference` along c and at right angles to it, per picture."""
    across = tuple(range(1, c.ndim))
    direction = c.double() / c.double().norm(p=2, dim=across, keepdim=True).clamp_min(1e-12)
    along = ((difference.double() * direction).sum(across, keepdim=True) * direction).to(difference.dtype)
    return along, difference - along


def zero_terminal_snr(betas: Tensor) -> Tensor:
    r"""Betas whose last \bar\alpha is 0 (arXiv:2305.08891, algorithm 1): \sqrt{\bar\alpha} is shifted to end at 0 and
    stretched to begin where it began."""
    root = (1 - betas).cumprod(0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    kept = ((root - last) * first / (first - last)).square()
    return 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])


def to_noise(prediction: Tensor, x: Tensor, a: Tensor | float, s: Tensor | float, kind: str) -> Tensor:
    """Predicted noise from what a network of `kind` (diffusers' prediction_type) says of x = a x0 + s eps."""
    match kind:
        case "epsilon":
            return prediction
        case "v_prediction":
            return a * prediction + s * x
        case "sample":
            return (x - a * prediction) / s
    raise ValueError(f"prediction type {kind!r} is not one of epsilon, v_prediction, sample")


def to_data(eps: Tensor, x: Tensor, a: Tensor | float, s: Tensor | float) -> Tensor:
    """The data that predicted noise implies."""
    return (x - s * eps) / a
