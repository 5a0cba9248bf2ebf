"""Scores of parts of pipelines: text encoders trained on text alone, and autoencoders with a codebook."""

from __future__ import annotations

from typing import Any

from experiments.data.dataset import images
from experiments.metrics.intervals import Estimate, bootstrap, wilson

SCENES = {False: 50, True: 400}  # on the way, for the record


def token_accuracy(reader: Any, thorough: bool) -> dict[str, Estimate]:
    """Share of held-out tokens that a text model names right at first guess (sentinels do not count)."""
    from experiments.training.text_encoders import accuracy

    return {"token accuracy": wilson(*accuracy(reader, SCENES[thorough]))}


def reconstruction(movq: Any, thorough: bool) -> dict[str, Estimate]:
    """Peak signal-to-noise ratio, in dB, of pictures that went through the code without being quantised, as pipelines decode."""
    from experiments.training.autoencoder import to_tensor
    from experiments.training.movq import psnr

    pictures = to_tensor(images("validation", 0, 1000 if thorough else 100))
    return {"psnr": bootstrap(psnr(movq, pictures).cpu().numpy())}


def embedding_retrieval(prior: Any, thorough: bool) -> dict[str, Estimate]:
    """Share of held-out captions whose drawn embedding is nearest, of 64, to that of their own picture."""
    from experiments.training.prior import retrieved

    count = 640 if thorough else 128
    return {"embedding retrieval@1 of 64": wilson(retrieved(prior, count), count)}
