"""Condition maps: a scene as a picture that answers "what is at pixel (x, y)?", one function for each kind of input.

    kind          what it shows                                             what it leaves open
    edges         outlines and creases, white on black                      colours, materials, which shape
    segmentation  the shape seen at each pixel, in one colour a shape       colours, materials, rotation
    depth         how near the surface is, bright for near                  colours, materials
    pose          for each solid three arms from its foot: two along its    colours, shapes, sizes, materials
                  sides (red, green), one upwards (blue)
    typography    the name of each shape, written where it should stand     colours, sizes, materials, rotation
    spectrogram   a sound (see `sound`), time to the right, pitch upwards   colours, materials, rotation

Edges, segmentation and depth come with every render; pose and typography are drawn here; the spectrogram is that of a
waveform, so a microphone could have heard it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.data.render import CAMERA, FIELD_OF_VIEW, TARGET, Rendering, render
from experiments.data.scenes import SHAPES, Scene, Solid

KINDS = ("edges", "segmentation", "depth", "pose", "typography", "spectrogram")
RENDERED = KINDS[:3]
SIDE = 64
PALETTE = torch.tensor([[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66]], dtype=torch.uint8)
NEAR, FAR = 7.0, 14.0  # tiles from the camera: the ends of the depth map
ARM = 0.6  # tiles, the length of a pose's arms
MIDDLE = 0.85  # height of a solid's middle, in radii
RATE, HOP, WINDOW = 8192, 128, 256  # samples a second, samples a column, samples of a spectrum: 32 Hz a row
SECONDS = SIDE * HOP / RATE
LENGTHS = {"small": 0.12, "large": 0.24}  # seconds of a tone
PARTIALS = {"sphere": (0,), "cube": (0, 256), "cylinder": (0, 256, 512), "cone": (0,)}  # Hz above the pitch
GLIDE = {"cone": 512.0}  # Hz by which a tone rises
GLYPHS = {
    "s": "011 100 010 001 110", "p": "110 101 110 100 100", "h": "101 101 111 101 101", "e": "111 100 110 100 111",
    "r": "110 101 110 101 101", "c": "011 100 100 100 011", "u": "101 101 101 101 111", "b": "110 101 110 101 110",
    "y": "101 101 010 010 010", "l": "100 100 100 100 111", "i": "111 010 010 010 111", "n": "111 101 101 101 101",
    "d": "110 101 101 101 110", "o": "111 101 101 101 111",
}  # fmt: skip


def condition(kind: str, scenes: Sequence[Scene], drawn: Rendering | None = None) -> Tensor:
    """Maps of one of `KINDS`, uint8 [B,3,R,R]; R is that of `drawn`, the scenes' rendering, and 64 without.

    Raises ValueError for an unknown kind, naming the known ones.
    """
    if kind not in KINDS:
        raise ValueError(f"no condition map {kind!r}: there are {', '.join(KINDS)}")
    if kind in RENDERED:
        return _rendered(kind, scenes, drawn if drawn is not None else render(scenes))
    draw = {"pose": pose, "typography": typography, "spectrogram": spectrogram}[kind]
    return torch.stack([draw(scene) for scene in scenes])


def kept(kind: str, scenes: Sequence[Scene], name: str) -> Tensor:
    """`condition`, made once: `name` and the code name the file. uint8 [N,3,64,64]."""
    path = store("maps", f"{fingerprint(source_hash('experiments.data.maps'), kind, name, len(scenes))[:24]}.npy")
    if not path.exists():
        parts = [condition(kind, scenes[i : i + 20]).numpy() for i in range(0, len(scenes), 20)]
        with atomic_write(path) as file:
            np.save(file, np.concatenate(parts))
    return torch.from_numpy(np.load(path))


def _rendered(kind: str, scenes: Sequence[Scene], drawn: Rendering) -> Tensor:
    if kind == "edges":
        gray = drawn.edges.float()
    elif kind == "depth":
        gray = ((FAR - drawn.depth) / (FAR - NEAR)).clamp(0, 1)
    else:
        shapes = torch.tensor([[SHAPES.index(s.shape) + 1 for s in scene.solids] + [0] * (4 - len(scene.solids)) for scene in scenes])
        seen = drawn.mask.long()
        named = torch.gather(shapes, 1, seen.clamp_min(0).flatten(1)).view_as(seen)
        return PALETTE[torch.where(seen < 0, 0, named)].permute(0, 3, 1, 2).contiguous()
    return (gray * 255).round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1).contiguous()


def project(points: Sequence[tuple[float, float, float]], side: int = SIDE) -> list[tuple[float, float]]:
    """Pixels (column, row) at which points of the world (in tiles) are seen."""
    eye, target = np.array(CAMERA), np.array(TARGET)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up, extent = np.cross(right, forward), np.tan(FIELD_OF_VIEW / 2)
    away = np.asarray(points) - eye
    depth = away @ forward * extent
    return [((x + 1) / 2 * side, (1 - y) / 2 * side) for x, y in zip(away @ right / depth, away @ up / depth)]


def pose(scene: Scene) -> Tensor:
    """The skeletons of the solids, uint8 [3,64,64]: place and rotation, and nothing else."""
    picture = Image.new("RGB", (SIDE, SIDE))
    pen = ImageDraw.Draw(picture)
    for solid in sorted(scene.solids, key=lambda s: -s.y):
        c, s = ARM * np.cos(solid.rotation), ARM * np.sin(solid.rotation)
        ends = [(solid.x + c, solid.y + s, 0.0), (solid.x - s, solid.y + c, 0.0), (solid.x, solid.y, ARM)]
        foot, *arms = [(round(x), round(y)) for x, y in project([(solid.x, solid.y, 0.0), *ends])]
        for arm, ink in zip(arms, ((255, 0, 0), (0, 255, 0), (64, 64, 255))):
            pen.line([foot, arm], fill=ink)
        pen.rectangle([foot[0] - 1, foot[1] - 1, foot[0] + 1, foot[1] + 1], fill=(255, 255, 255))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def typography(scene: Scene) -> Tensor:
    """The names of the shapes, each in the middle of where it should stand, uint8 [3,64,64]."""
    page = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
    for solid in sorted(scene.solids, key=lambda s: -s.y):
        word = _written(solid.shape)
        ((column, row),) = project([(solid.x, solid.y, MIDDLE * solid.radius)])
        height, width = word.shape
        top = min(max(round(row - height / 2), 0), SIDE - height)
        left = min(max(round(column - width / 2), 0), SIDE - width)
        page[top : top + height, left : left + width] = word
    return page.expand(3, -1, -1).clone()


def _written(word: str) -> Tensor:
    """A word in letters of 3x5 pixels, uint8 [5, 4 * letters - 1]."""
    letters = [torch.tensor([[255 * int(dot) for dot in row] for row in GLYPHS[letter].split()], dtype=torch.uint8) for letter in word]
    gap = torch.zeros(5, 1, dtype=torch.uint8)
    return torch.cat([part for letter in letters for part in (letter, gap)][:-1], 1)


def sound(scene: Scene) -> np.ndarray:
    """The scene as a sound of `SECONDS` at `RATE`: each solid is a tone.

    Further right is later, further behind is higher, larger is longer; the shape is the timbre: a sphere one pure tone, a cube two,
    a cylinder three, a cone a rising one.
    """
    time = np.arange(round(RATE * SECONDS)) / RATE
    return np.sum([_tone(solid, time) for solid in scene.solids], axis=0)


def _tone(solid: Solid, time: np.ndarray) -> np.ndarray:
    middle, length = SECONDS * (solid.x + 2.2) / 4.4, LENGTHS[solid.size]
    since = time - middle + length / 2
    pitch = 256.0 + 720.0 * (solid.y + 1.3) / 2.6
    envelope = np.where((since > 0) & (since < length), np.sin(np.pi * (since / length).clip(0, 1)) ** 0.5, 0.0)
    rise = GLIDE.get(solid.shape, 0.0) / (2 * length)
    return envelope * sum(np.sin(2 * np.pi * ((pitch + partial) * since + rise * since**2)) for partial in PARTIALS[solid.shape])


def spectrogram(scene: Scene) -> Tensor:
    """The power of `sound` on a scale of 60 dB, high tones at the top, uint8 [3,64,64]."""
    wave = torch.from_numpy(sound(scene)).float()
    spectrum = torch.stft(wave, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True).abs()[:SIDE, :SIDE]
    level = 1 + 20 * (spectrum / (WINDOW / 4)).clamp_min(1e-6).log10() / 60
    return (level.clamp(0, 1) * 255).round().to(torch.uint8).flip(0).expand(3, -1, -1).clone()
