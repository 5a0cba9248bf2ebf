"""Adapters by name: what ships with the project, a local folder, or a repository of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diffusers import ControlNetModel, DiffusionPipeline, T2IAdapter
from torch import Tensor

from experiments.adapters import image_prompt
from experiments.data import maps
from experiments.data.relief import relief
from experiments.data.render import Rendering
from experiments.data.scenes import Scene
from experiments.models.recipes import RECIPES
from experiments.models.zoo import WEIGHTS

RELEASED = ("models", "ip-adapter_sd15.safetensors")  # folder and file of h94/IP-Adapter for Stable Diffusion 1.5


def there(name: str) -> bool:
    """Whether an adapter can be loaded: it ships and is trained, or is a folder or a hub id (owner/name)."""
    return (WEIGHTS / name / "training.json").is_file() or Path(name).is_dir() or name.count("/") == 1


def place(name: str) -> str:
    """The folder of a shipped adapter, or the name itself. Raises ValueError for a short name that does not ship."""
    if not there(name):
        raise ValueError(f"no adapter {name!r}: train it with `python -m experiments train {name}`, or give a folder or a hub id")
    return str(WEIGHTS / name) if (WEIGHTS / name).is_dir() else name


def branch(name: str, pipe: DiffusionPipeline, kind: type = ControlNetModel) -> ControlNetModel | T2IAdapter:
    """The network that reads maps, in the device and precision of the pipeline's U-Net."""
    return kind.from_pretrained(place(name), torch_dtype=pipe.unet.dtype).to(pipe.device).eval()


def asked(name: str, scenes: Sequence[Scene], drawn: Rendering | None = None, otherwise: str = "segmentation") -> Tensor:
    """Maps of scenes as the network `name` reads them, uint8 [N,3,R,R]: of the kind in its name, or else of `otherwise`.

    What ships on depth reads it without the floor (`data.relief`); a released one reads whole depth.
    """
    kind = next((kind for kind in maps.KINDS if kind in name), otherwise)
    found = maps.condition(kind, scenes, drawn)
    return relief(found) if name in RECIPES and RECIPES[name].config.get("kind") == "relief" else found


def low_rank(pipe: DiffusionPipeline, name: str, adapter: str) -> DiffusionPipeline:
    """The pipeline with a LoRA or DoRA under the name `adapter`, by diffusers' own loader."""
    pipe.load_lora_weights(place(name), adapter_name=adapter)
    return pipe


def image(pipe: DiffusionPipeline, name: str) -> DiffusionPipeline:
    """The pipeline with an IP-Adapter, by diffusers' own loader."""
    if (WEIGHTS / name).is_dir():
        return image_prompt.shipped(pipe, WEIGHTS / name)
    pipe.load_ip_adapter(name, subfolder=RELEASED[0], weight_name=RELEASED[1])
    return pipe
