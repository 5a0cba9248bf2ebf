"""Attention injection: IP-Adapter (arXiv:2308.06721), whose image tokens have keys and values of their own, and the way that it
was made to replace, in which they stand beside the words in one softmax.

    decoupled       Z = Attn(Q, K_text, V_text) + lambda Attn(Q, K_img, V_img)
    concatenated    Z = Attn(Q, [K_text; K_img], [V_text; V_img]), where the weights exp(q k) of image tokens count lambda times

Both have the same weights, initialisation, data and cost, so what is compared is the softmax alone.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPModel, CLIPVisionModelWithProjection

from experiments.adapters import learning
from experiments.adapters.learning import Material
from experiments.artefacts import store
from experiments.data.dataset import images, scenes
from experiments.models import zoo
from experiments.models.zoo import WEIGHTS
from experiments.training.autoencoder import to_tensor
from experiments.training.loop import Plan
from experiments.training.objective import attention

TOKENS = 4
DROP = 0.05  # share of batches' rows without image, without text, and without both (IP-Adapter's own training)
SUBFOLDER, FILE, ENCODER = "models", "ip-adapter.safetensors", "image_encoder"  # the layout of the release
WAYS = ("decoupled", "concatenated")
MODULES = ("experiments.adapters.image_prompt",)


@dataclass(frozen=True)
class ImagePrompt:
    """One adapter: how the two attentions are joined, and its plan."""

    way: str = "decoupled"
    seed: int = 0
    images: int = 3_200
    batch: int = 16
    rate: float = 2e-3

    @property
    def plan(self) -> Plan:
        return Plan(self.images, self.batch, self.rate, warmup=20, average=0.98, seed=self.seed)

    @property
    def name(self) -> str:
        return f"ip-{self.way}-{self.seed}-{learning.key(MODULES, asdict(self))[:16]}"


class Concatenated(IPAdapterAttnProcessor2_0):
    """IP-Adapter's weights in one softmax over words and image tokens. `scale` multiplies the unnormalised weights of the image; `share`
    [B,H,P] keeps what fell on the words at the last call."""

    def __call__(self, attn, hidden_states, encoder_hidden_states, attention_mask=None, temb=None, scale=1.0, ip_adapter_masks=None):
        words, (seen,) = encoder_hidden_states
        out, self.share = joint(attn, self, hidden_states, words, seen[:, 0])
        return attn.to_out[1](attn.to_out[0](out))


def joint(attn, processor, hidden_states: Tensor, words: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Attention over words [B,L,D] and image tokens [B,T,D] at once: what it returns before `to_out` [B,P,C], and the share [B,H,P] of the
    softmax that falls on the words."""
    weight = float(processor.scale[0])
    keys = torch.cat([attn.to_k(words), processor.to_k_ip[0](seen)], 1)
    values = torch.cat([attn.to_v(words), processor.to_v_ip[0](seen)], 1)
    query, key, value = (t.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for t in (attn.to_q(hidden_states), keys, values))
    bias = query.new_zeros(keys.shape[1])
    bias[words.shape[1] :] = math.log(weight) if weight > 0 else -math.inf
    share = (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias).softmax(-1)
    out = (share @ value).transpose(1, 2).flatten(2)
    return out, share[..., : words.shape[1]].sum(-1)


def begin(unet, encoder_width: int, seed: int) -> dict[str, dict[str, Tensor]]:
    """Weights at the start: keys and values of the image are copies of the text's, the projection is random."""
    generator = torch.Generator().manual_seed(seed)
    width = unet.config.cross_attention_dim
    state: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    state["image_proj"]["proj.weight"] = torch.randn(TOKENS * width, encoder_width, generator=generator) / math.sqrt(encoder_width)
    state["image_proj"]["proj.bias"] = torch.zeros(TOKENS * width)
    state["image_proj"]["norm.weight"], state["image_proj"]["norm.bias"] = torch.ones(width), torch.zeros(width)
    crossing = [name.removesuffix(".processor") for name in unet.attn_processors if ".attn2." in name]
    for k, name in enumerate(crossing):
        layer = unet.get_submodule(name)
        state["ip_adapter"][f"{2 * k + 1}.to_k_ip.weight"] = layer.to_k.weight.detach().clone()
        state["ip_adapter"][f"{2 * k + 1}.to_v_ip.weight"] = layer.to_v.weight.detach().clone()
    return state


def load(unet, state: dict[str, dict[str, Tensor]], way: str = "decoupled") -> None:
    """Put an adapter into a U-Net, as `pipe.load_ip_adapter` does; then join the attentions in that `way`, one of `WAYS`."""
    if way not in WAYS:
        raise ValueError(f"no way {way!r} to join text and image: {' or '.join(WAYS)}")
    unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
    if way == "concatenated":
        for processor in image_processors(unet):
            processor.__class__ = Concatenated


def image_processors(unet) -> list[IPAdapterAttnProcessor2_0]:
    """The processors that hold the image's keys and values, one a layer of cross-attention."""
    return [p for p in unet.attn_processors.values() if isinstance(p, IPAdapterAttnProcessor2_0)]


def state_of(unet) -> dict[str, Tensor]:
    """The adapter's weights under the names of the released files."""
    projection = unet.encoder_hid_proj.image_projection_layers[0]
    named = {"image_proj.proj": projection.image_embeds, "image_proj.norm": projection.norm}
    state = {f"{name}.{part}": getattr(layer, part).detach() for name, layer in named.items() for part in ("weight", "bias")}
    for k, processor in enumerate(image_processors(unet)):
        state |= {f"ip_adapter.{2 * k + 1}.{part}.weight": getattr(processor, part)[0].weight.detach() for part in ("to_k_ip", "to_v_ip")}
    return {name: value.contiguous() for name, value in state.items()}


def parted(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The flat names of a file as the two dictionaries that diffusers works with."""
    return {part: {k.removeprefix(f"{part}."): v for k, v in state.items() if k.startswith(f"{part}.")} for part in ("image_proj", "ip_adapter")}


def encoder(weights: Path = WEIGHTS) -> CLIPVisionModelWithProjection:
    """The vision tower of the CLIP pair whose text tower conditions the base."""
    return vision_tower(weights / "clip")


@lru_cache(maxsize=2)
def vision_tower(folder: Path) -> CLIPVisionModelWithProjection:
    """The vision tower of a CLIP pair that ships whole, with its projection."""
    pair = CLIPModel.from_pretrained(folder, dtype=torch.float32)
    tower = CLIPVisionModelWithProjection(pair.config.vision_config).eval()
    tower.vision_model.load_state_dict(pair.vision_model.state_dict())
    tower.visual_projection.load_state_dict(pair.visual_projection.state_dict())
    return tower


@torch.no_grad()
def embed(tower: CLIPVisionModelWithProjection, pictures) -> Tensor:
    """Image embeddings [N,E] of uint8 pictures [N,3,64,64], as the pipelines take them from the tower."""
    return torch.cat([tower(to_tensor(pictures[i : i + 100])).image_embeds for i in range(0, len(pictures), 100)])


def references(known: Material) -> Tensor:
    """Embeddings [N,E] of the material's own pictures, made once."""
    path = store("adapters", f"references-{learning.key(MODULES, len(known.scenes), zoo.weights_hash(WEIGHTS / 'clip'))[:16]}.pt")
    if not path.exists():
        drawn = scenes("train", 0, 3 * len(known.scenes))
        at = [i for i, scene in enumerate(drawn) if len(scene.solids) == learning.SOLIDS][: len(known.scenes)]
        torch.save(embed(encoder(), images("train", 0, 3 * len(known.scenes))[at]), path)
    return torch.load(path, weights_only=True)


def loss(pipe: DiffusionPipeline, unet, known: Material, embeddings: Tensor, batch: int):
    """The loss of one step: each scene with its caption and its own picture, each sometimes left out."""

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at, x, timestep, words, eps = learning.noised(pipe, known, batch, 0.0, generator)
        lot = torch.rand(batch, 1, 1, generator=generator)
        words = torch.where((lot > DROP) & (lot < 3 * DROP), known.silence, words)
        seen = torch.where(lot < 2 * DROP, 0.0, embeddings[at][:, None])
        with attention(x.device):
            said = unet(x, timestep, words, added_cond_kwargs={"image_embeds": [seen]}).sample
        return (said - eps).square().mean()

    return of_step


def trained_adapter(row: ImagePrompt, look=None, tell=lambda progress, plan: None) -> tuple[DiffusionPipeline, learning.History]:
    """The base's pipeline with the trained adapter in its U-Net, from the store where it was trained before."""
    pipe = zoo.load(learning.BASE)
    known = learning.material(pipe)
    embeddings = references(known)
    load(pipe.unet, begin(pipe.unet, embeddings.shape[1], row.seed), row.way)
    pipe.unet.requires_grad_(False)
    for part in (pipe.unet.encoder_hid_proj, *image_processors(pipe.unet)):
        part.requires_grad_(True)
    own = None if look is None else lambda model: look(pipe, model)
    pipe.unet, history = learning.learn(pipe.unet, loss(pipe, pipe.unet, known, embeddings, row.batch), row.plan, row.name, own, tell)
    return pipe, history


def shipped(pipe: DiffusionPipeline, folder: Path, way: str = "decoupled") -> DiffusionPipeline:
    """`pipe` with a shipped adapter, by diffusers' own loader; concatenated where asked for."""
    pipe.load_ip_adapter(str(folder), subfolder=SUBFOLDER, weight_name=FILE, image_encoder_folder=ENCODER)
    if way == "concatenated":
        load(pipe.unet, parted({k: v.float() for k, v in load_file(folder / SUBFOLDER / FILE).items()}), way)
    return pipe
