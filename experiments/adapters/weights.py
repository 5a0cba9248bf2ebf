"""Weight injection: a concept that the base never saw, learned from few pictures by changing weights, all of them or few.

LoRA (arXiv:2106.09685) adds to a matrix W the product BA of two narrow ones; DoRA (arXiv:2402.09353) learns the lengths of the
columns of V = W + BA apart from their directions. Both through peft, as diffusers' training scripts do, and saved as they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from experiments.adapters import learning
from experiments.adapters.learning import Material
from experiments.data import novel
from experiments.data.novel import TOWER, Novelty
from experiments.data.scenes import COLOURS, SHAPES
from experiments.models import zoo
from experiments.training.autoencoder import to_tensor
from experiments.training.loop import Plan
from experiments.training.objective import attention

FEW = 24  # pictures
SHOWN = ("red", "blue", "green", "purple", "cyan", "yellow")  # colours of the pictures; gray and brown are left for the question
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
CONVOLUTIONS = ("conv1", "conv2", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
LAYERS = {"attention": ATTENTION, "words": ("attn2.to_k", "attn2.to_v"), "attention and convolutions": ATTENTION + CONVOLUTIONS}
MODULES = ("experiments.adapters.weights", "experiments.data.novel")


@dataclass(frozen=True)
class Method:
    """How the weights change: "full", "lora" or "dora", with a rank and the name of a set of `LAYERS` for the latter two."""

    way: str
    rank: int = 0
    layers: str = "attention"
    concept: str = TOWER
    seed: int = 0
    images: int = 1_200
    batch: int = 8
    rate: float = 4e-3

    @property
    def plan(self) -> Plan:
        return Plan(self.images, self.batch, self.rate, warmup=10, cooldown=0.5, average=0.9, seed=self.seed, weight_decay=0.0)

    @property
    def name(self) -> str:
        return f"{self.concept}-{self.way}-{self.rank}-{self.seed}-{learning.key(MODULES, asdict(self))[:16]}"


def examples(concept: str, seed: int) -> list[Novelty]:
    """The few pictures: towers, or stripes on the old shapes."""
    shapes, striped = ((TOWER,), False) if concept == TOWER else (SHAPES, True)
    return [novel.novelty(i, 100 + seed, shapes, striped, SHOWN) for i in range(FEW)]


@torch.no_grad()
def material(pipe: DiffusionPipeline, shown: list[Novelty]) -> Material:
    """The few pictures as codes, each with its one caption."""
    code = pipe.vae.encode(to_tensor(novel.draw(shown).numpy())).latent_dist
    scale = pipe.vae.config.scaling_factor
    words = learning.encode(pipe, [thing.text for thing in shown])
    return Material([], code.mean * scale, code.std * scale, torch.arange(len(shown))[:, None], words, learning.encode(pipe, [""])[0])


def attach(unet, method: Method) -> None:
    """Make the weights that the method trains the only ones with gradients; LoRA and DoRA get theirs. Raises ValueError for another way."""
    if method.way not in ("full", "lora", "dora") or method.layers not in LAYERS:
        raise ValueError(f"no way {method.way!r} on {method.layers!r}: full, or lora or dora on one of {', '.join(LAYERS)}")
    torch.manual_seed(method.seed)
    unet.requires_grad_(method.way == "full")
    if method.way != "full":
        names = list(LAYERS[method.layers])
        unet.add_adapter(LoraConfig(r=method.rank, lora_alpha=method.rank, target_modules=names, use_dora=method.way == "dora"))


def loss(pipe: DiffusionPipeline, unet, known: Material, batch: int):
    """The loss of one step: the base's own, on the few pictures."""

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        _, x, timestep, words, eps = learning.noised(pipe, known, batch, 0.0, generator)
        with attention(x.device):
            return (unet(x, timestep, words).sample - eps).square().mean()

    return of_step


def trained_weights(method: Method, tell=lambda progress, plan: None) -> tuple[DiffusionPipeline, learning.History]:
    """The base's pipeline whose U-Net has learned the concept, from the store where it did before."""
    pipe = zoo.load(learning.BASE)
    known = material(pipe, examples(method.concept, method.seed))
    attach(pipe.unet, method)
    pipe.unet, history = learning.learn(pipe.unet, loss(pipe, pipe.unet, known, method.batch), method.plan, method.name, tell=tell)
    return pipe, history


def layers_of(unet) -> dict[str, Tensor]:
    """The weights of the one LoRA or DoRA in a U-Net, under the names that diffusers saves."""
    return convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))


def change(pipe: DiffusionPipeline) -> dict[str, Tensor]:
    """By name of the weight, the difference between a fully fine-tuned U-Net and the base's, for all matrices and kernels."""
    base = zoo.load(learning.BASE).unet.state_dict()
    return {name: now - base[name] for name, now in pipe.unet.state_dict().items() if now.ndim > 1}


def truncated(difference: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """The nearest changes of at most that rank (Eckart and Young); a kernel [m,n,k,k] counts as a matrix [m, n k k]."""
    found = {}
    for name, delta in difference.items():
        u, s, v = torch.linalg.svd(delta.flatten(1), full_matrices=False)
        found[name] = ((u[:, :rank] * s[:rank]) @ v[:rank]).view_as(delta)
    return found
