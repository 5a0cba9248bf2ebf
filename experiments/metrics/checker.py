"""The checker: a detector that reads a scene back from a picture, so that "did it draw what was asked" has an answer.

GenEval (Ghosh et al. 2023, arXiv:2310.11513) does this with a released detector; here it is trained on renders, where
the truth is known, and its own error on held-out renders (the ceiling) is printed beside everything it measures.
Anchor-free, after CenterNet (Zhou et al. 2019, arXiv:1904.07850): every cell of a 16x16 map says whether the centre of
a solid lies in it, and if so what the solid is and where on the floor it stands.

Its deepest feature map, averaged over the picture, is also the feature network of FID and KID for scenes: as
Inception's is that of a network trained to name what is in a photograph.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.artefacts import ROOT
from experiments.data.scenes import COLOURS, MATERIALS, SHAPES, SIZES
from experiments.metrics.images import require_uint8

RESOLUTION, STRIDE = 64, 4
CELLS = RESOLUTION // STRIDE
ATTRIBUTES = {"shape": SHAPES, "colour": COLOURS, "size": SIZES, "material": MATERIALS}
HEADS = {"centre": 1, **{name: len(words) for name, words in ATTRIBUTES.items()}, "offset": 2, "place": 2}
FOLDER = ROOT / "weights" / "checker"


class Detection(NamedTuple):
    """One solid read from a picture. `x`, `y` are tiles on the floor, `column`, `row` pixels, score 0..1."""

    shape: str
    colour: str
    size: str
    material: str
    x: float
    y: float
    column: float
    row: float
    score: float


class Block(nn.Module):
    """Residual block: two 3x3 convolutions with batch norm."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def conv(inside: int, outside: int, size: int = 3, stride: int = 1, active: bool = True) -> nn.Sequential:
    """Convolution, batch norm and, if `active`, ReLU."""
    layers = [nn.Conv2d(inside, outside, size, stride, size // 2, bias=False), nn.BatchNorm2d(outside)]
    return nn.Sequential(*layers, nn.ReLU()) if active else nn.Sequential(*layers)


class Checker(nn.Module):
    """[B,3,64,64] float in [-1,1] to maps [B,21,16,16]; `heads` names them."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.width = width
        self.fine = nn.Sequential(conv(3, width // 2, stride=2), conv(width // 2, width, stride=2), Block(width))
        self.coarse = nn.Sequential(conv(width, 2 * width, stride=2), Block(2 * width))
        self.join = nn.Sequential(conv(3 * width, 2 * width, size=1), conv(2 * width, 2 * width))
        self.read = nn.Conv2d(2 * width, sum(HEADS.values()), 1)
        nn.init.constant_(self.read.bias[:1], -3.0)  # few cells hold a centre

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images)
        coarse = F.interpolate(self.coarse(fine), scale_factor=2)
        return self.read(self.join(torch.cat([fine, coarse], 1)))

    def features(self, images: Tensor) -> Tensor:
        """The deepest map averaged over the picture, [B, 2 * width].

        Not the last one: that is trained to overlook blur and blocks, so a distance in it hardly sees them.
        """
        return self.coarse(self.fine(images)).mean((2, 3))

    @property
    def num_features(self) -> int:
        return 2 * self.width


def heads(output: Tensor) -> dict[str, Tensor]:
    """The channels of the output by name: logits, the centre's offset in cells, the place in tiles."""
    return dict(zip(HEADS, output.split(list(HEADS.values()), 1)))


def normalised(images: Tensor) -> Tensor:
    """uint8 [B,3,64,64] to floats in [-1,1], in the memory layout convolutions like."""
    if images.shape[-2:] != (RESOLUTION, RESOLUTION):
        raise ValueError(f"the checker reads pictures of {RESOLUTION}x{RESOLUTION}, not {tuple(images.shape[-2:])}: "
                         "it was trained on scenes; pictures of another size need another detector")
    return require_uint8(images).float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def detect(images: Tensor, checker: Checker | None = None, threshold: float = 0.4,
           batch: int = 256) -> list[list[Detection]]:
    """What is seen in each uint8 picture [N,3,64,64], surest first. In float32, so that batches do not matter."""
    checker = checker or load()
    found: list[list[Detection]] = []
    for part in images.split(batch):
        found += _decode(checker(normalised(part)), threshold)
    return found


def _decode(output: Tensor, threshold: float) -> list[list[Detection]]:
    """Peaks of the centre map (the highest of 5x5 cells: centres are at least 12 pixels apart) and what they say."""
    maps = heads(output.float())
    centre = maps["centre"].sigmoid()
    peak = (centre == F.max_pool2d(centre, 5, 1, 2)) & (centre > threshold)
    found: list[list[Detection]] = [[] for _ in output]
    for b, _, i, j in peak.nonzero().tolist():
        words = [names[int(maps[a][b, :, i, j].argmax())] for a, names in ATTRIBUTES.items()]
        (dx, dy), (x, y) = maps["offset"][b, :, i, j].tolist(), maps["place"][b, :, i, j].tolist()
        found[b].append(Detection(*words, x, y, (j + dx) * STRIDE, (i + dy) * STRIDE, float(centre[b, 0, i, j])))
    return [sorted(f, key=lambda d: -d.score) for f in found]


def save(checker: Checker, folder: Path) -> None:
    """Write the weights (float32 safetensors) and the configuration into an existing folder."""
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in checker.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"class": "Checker", "width": checker.width}, indent=1) + "\n")


_LOADED: dict[Path, Checker] = {}


def load(folder: str | Path = FOLDER) -> Checker:
    """The trained checker, ready to read (kept in memory). FileNotFoundError says how to train one."""
    from safetensors.torch import load_file

    folder = Path(folder).resolve()
    if not (folder / "model.safetensors").exists():
        raise FileNotFoundError(f"no checker in {folder.name}/: train it with `python -m experiments train checker`")
    if folder not in _LOADED:
        checker = Checker(json.loads((folder / "config.json").read_text())["width"])
        checker.load_state_dict(load_file(folder / "model.safetensors"))
        _LOADED[folder] = checker.eval().to(memory_format=torch.channels_last)
    return _LOADED[folder]
