"""Feature injection: a second network reads a condition map and adds to the features of the frozen U-Net.

ControlNet (arXiv:2302.05543) is a copy of the encoder whose outputs pass through convolutions that begin at zero; it is asked at
every step. T2I-Adapter (arXiv:2302.08453) is a small network of its own that does not see the noisy picture, so that it is asked
once a picture.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from diffusers import ControlNetModel, DiffusionPipeline, StableDiffusionAdapterPipeline, StableDiffusionControlNetPipeline, T2IAdapter
from torch import Tensor, nn

from experiments.adapters import learning
from experiments.adapters.learning import Material
from experiments.data import maps
from experiments.models import zoo
from experiments.training.loop import Plan
from experiments.training.objective import attention

FORGET = 0.5  # share of captions replaced by the empty one, so that the map must be read (arXiv:2302.05543, section 3.3)
EMBEDDING = (8, 16, 32, 64)  # channels of ControlNet's own small encoder of the map, from 64x64 down to 8x8
RATES = {"controlnet": 3e-3, "t2i-adapter": 2e-3}
MODULES = ("experiments.adapters.control", "experiments.data.maps")


@dataclass(frozen=True)
class Branch:
    """What is attached and how it begins. `way` is "controlnet" or "t2i-adapter"; `init` of the connections is "zero" or "ordinary"."""

    kind: str
    way: str = "controlnet"
    init: str = "zero"
    seed: int = 0
    images: int = 3_200
    batch: int = 16

    @property
    def plan(self) -> Plan:
        return Plan(self.images, self.batch, RATES[self.way], warmup=20, average=0.97, seed=self.seed)

    @property
    def name(self) -> str:
        return f"{self.way}-{self.kind}-{self.init}-{self.seed}-{learning.key(MODULES, asdict(self))[:16]}"


def build(branch: Branch, unet) -> ControlNetModel | T2IAdapter:
    """The network that reads the map, untrained. Raises ValueError for an unknown way or beginning."""
    torch.manual_seed(branch.seed)
    if branch.way == "t2i-adapter":
        width = unet.config.block_out_channels
        return T2IAdapter(in_channels=3, channels=list(width), num_res_blocks=2, downscale_factor=8, adapter_type="full_adapter")
    if branch.way != "controlnet" or branch.init not in ("zero", "ordinary"):
        raise ValueError(f"no branch {branch.way!r} that begins {branch.init!r}: controlnet (zero, ordinary) or t2i-adapter")
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    if branch.init == "ordinary":
        for layer in connections(made):
            layer.reset_parameters()
    return made


def connections(controlnet: ControlNetModel) -> list[nn.Conv2d]:
    """The convolutions that begin at zero: where the map's features enter the copy, and where the copy's enter the U-Net."""
    return [controlnet.controlnet_cond_embedding.conv_out, *controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block]


def predict(unet, branch: nn.Module, x: Tensor, timestep: Tensor, words: Tensor, picture: Tensor, scale: float = 1.0) -> Tensor:
    """The noise that the U-Net sees in x [B,C,h,w] when the branch has read the map `picture` [B,3,H,W] in [0,1]."""
    if isinstance(branch, ControlNetModel):
        down, middle = branch(x, timestep, words, controlnet_cond=picture, conditioning_scale=scale, return_dict=False)
        return unet(x, timestep, words, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample
    features = [scale * feature for feature in branch(picture)]
    return unet(x, timestep, words, down_intrablock_additional_residuals=features).sample


def loss(pipe: DiffusionPipeline, branch: nn.Module, known: Material, pictures: Tensor, batch: int):
    """The loss of one step; pictures uint8 [N,3,64,64] are the maps of the material's scenes. Only the branch has gradients."""

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at, x, timestep, words, eps = learning.noised(pipe, known, batch, FORGET, generator, early=True)
        with attention(x.device):
            said = predict(pipe.unet, branch, x, timestep, words, pictures[at].float() / 255)
        return (said - eps).square().mean()

    return of_step


def trained_branch(branch: Branch, pipe: DiffusionPipeline, look=None, tell=lambda progress, plan: None) -> tuple[nn.Module, learning.History]:
    """The branch after its plan, from the store where it was trained before."""
    pipe.unet.requires_grad_(False).eval()
    known = learning.material(pipe)
    pictures = maps.kept(branch.kind, known.scenes, "two solids")
    model = build(branch, pipe.unet)
    return learning.learn(model, loss(pipe, model, known, pictures, branch.batch), branch.plan, branch.name, look, tell)


def attach(pipe: DiffusionPipeline, branch: nn.Module) -> DiffusionPipeline:
    """The pipeline that draws with the branch, sharing all parts of `pipe`."""
    parts = dict(pipe.components)
    if isinstance(branch, ControlNetModel):
        made = StableDiffusionControlNetPipeline(**parts, controlnet=branch, requires_safety_checker=False)
    else:
        parts.pop("image_encoder", None)
        made = StableDiffusionAdapterPipeline(**parts, adapter=branch, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def scale_argument(branch: nn.Module) -> str:
    """The name under which the branch's pipeline takes its scale."""
    return "controlnet_conditioning_scale" if isinstance(branch, ControlNetModel) else "adapter_conditioning_scale"
