"""Feature networks for FID and KID: uint8 pictures [B,3,H,W] in, features [B,D] out.

Both are `nn.Module`s with `num_features`, which is what torchmetrics' classes take, so every value can be had from
them too. `scenes`: the deepest map of our checker, averaged (128 features). `inception`: Inception-v3, with which FID
was defined (2048), for released models. Distances in two networks have nothing to do with each other: name the network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from experiments.metrics.checker import Checker, load, normalised
from experiments.metrics.images import require_uint8

NETWORKS = ("scenes", "inception")


class SceneFeatures(nn.Module):
    """The checker's deepest feature map averaged over the picture."""

    def __init__(self, checker: Checker | None = None):
        super().__init__()
        self.checker = (checker or load()).eval()
        self.num_features = self.checker.num_features

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.checker.features(normalised(images))


def network(name: str = "scenes") -> nn.Module:
    """A feature network by name. `inception` needs the extra `full` and its weights (95 MB, fetched once)."""
    if name == "scenes":
        return SceneFeatures()
    if name == "inception":
        return _inception()
    raise ValueError(f"feature network {name!r} is not one of {', '.join(NETWORKS)}")


def _inception() -> nn.Module:
    try:
        import torch_fidelity  # noqa: F401  (torchmetrics needs it, but says so less clearly)
    except ImportError as error:
        raise ImportError("Inception-v3 features need torch-fidelity: install the extra `full` "
                          "(pip install -e '.[full]'), or use the feature network 'scenes'") from error
    from torchmetrics.image.fid import NoTrainInceptionV3

    inception = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
    inception.num_features = 2048
    return inception


@torch.no_grad()
def extract(images: Tensor, using: nn.Module, batch: int = 256, device: str | torch.device = "cpu") -> Tensor:
    """Features of uint8 pictures [N,3,H,W] as [N,D] float64 on the CPU."""
    using = using.to(device)
    return torch.cat([using(part.to(device)).double().cpu() for part in require_uint8(images).split(batch)])
