"""torch-fidelity and an Inception-v3 with stand-in weights, where they can be had.

`TORCH_FIDELITY=<folder>` names a place where they were installed without touching this environment:
`pip install --no-deps --target <folder> torch-fidelity torchvision==<the release for this torch>`.
A torchvision compiled for another build of torch imports only once its compiled operators are declared; no metric calls one.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import torch

SIDE = 299


@cache
def available() -> str:
    """Empty where torch-fidelity can be imported; else why not."""
    place = os.environ.get("TORCH_FIDELITY", "")
    if place and place not in sys.path:
        sys.path.append(place)
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return "needs the extra `full` (torch-fidelity, torchvision), or TORCH_FIDELITY=<a folder with both>"
    except RuntimeError:  # "operator torchvision::nms does not exist"
        _declare()
    try:
        import torch_fidelity  # noqa: F401
    except (ImportError, RuntimeError) as error:
        return f"torch-fidelity cannot be imported: {error}"
    from torchmetrics.utilities import imports

    return "" if imports._TORCH_FIDELITY_AVAILABLE else "torchmetrics was imported before torch-fidelity was there: run this file alone"


_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")  # must outlive what is registered with it


def _declare() -> None:
    """Give torchvision's operators their schemas, so that what follows from them can be registered."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    for name in ("nms", "qnms"):
        _OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def stand_in(folder: Path) -> Path:
    """A file of weights for torch-fidelity's Inception-v3: drawn, with deviations that keep activations alive."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):
        """Its constructor fetches weights; this one leaves them as torch draws them."""

        def load_state_dict(self, *_, **__):
            return None

    file = folder / "inception.pt"
    torch.manual_seed(0)
    torch.save({}, file)
    network = Unloaded("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file))
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    torch.save(network.state_dict(), file)
    return file


def pictures(n: int, seed: int, folder: Path | None = None) -> torch.Tensor:
    """uint8 pictures [n,3,32,32] of soft blobs in colours that depend on the seed; as PNG files too where a folder is given."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=g) * (0.6 + 0.1 * seed) + 0.05 * seed
    images = (torch.nn.functional.interpolate(coarse, 32, mode="bicubic").clamp(0, 1) * 255).round().to(torch.uint8)
    if folder is not None:
        from PIL import Image

        folder.mkdir()
        for k, image in enumerate(images):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{k:04d}.png")
    return images
