"""MS-COCO's own format: scenes written in it, and any folder of that format read back.

    <folder>/<split>/000000000001.png                 pictures, 12 digits
    <folder>/annotations/captions_<split>.json        captions in English, captions_<split>_zh.json in Chinese
    <folder>/annotations/instances_<split>.json       boxes and masks (written, not needed for reading)

COCO 2017 unpacked as it is downloaded is such a folder with split `val2017`, so evaluation has one reader. The format:
Lin et al. 2014, arXiv:1405.0312, and https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from experiments.artefacts import atomic_folder, source_hash, write_json
from experiments.data.captions import STYLES, caption
from experiments.data.scenes import SHAPES, Scene, Solid, sample_scene

FILTERS = {f.name.lower(): f for f in Image.Resampling}
BATCH = 20  # scenes rendered at once


class CocoError(ValueError):
    """A folder, an annotation or a picture cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One entry of `images`: COCO's id, the file's name inside the split's folder, and the size it should have."""

    id: int
    file: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A picture that cannot be shown, and why."""

    picture: Picture
    reason: str


@dataclass(frozen=True)
class Coco:
    """A split: `images` in order of id, and for each of them its captions in order of annotation id."""

    folder: Path  # of the pictures
    split: str
    images: tuple[Picture, ...]
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.images)

    def image(self, i: int, size: int | None = None, resample: str = "bicubic") -> torch.Tensor:
        """Picture `i` as uint8 [3, size, size], or [3, height, width] as stored where `size` is None.

        The largest square in the middle is cut out, then resized by Pillow's filter `resample` (which widens its
        support when it reduces, so it does not alias). Grey, palette and CMYK pictures become RGB, transparent ones
        are laid on white. Raises CocoError, naming the picture, where it is missing or truncated.
        """
        if resample not in FILTERS:
            raise ValueError(f"resample {resample!r} is not one of {', '.join(FILTERS)}")
        picture = self.images[i]
        path = self.folder / picture.file
        try:
            rgb = _open(path)
        except _Unusable as error:
            raise CocoError(
                f"image {picture.id} of split {self.split} ({path}) {error}: fetch it again, "
                "or leave such images out with `coco.without(coco.broken())`"
            ) from error.__cause__
        return torch.from_numpy(np.array(_square(rgb, size, resample) if size else rgb)).permute(2, 0, 1).contiguous()

    def broken(self) -> list[Broken]:
        """Every picture that is missing, truncated or no picture at all; opens all files."""
        found = []
        for picture in self.images:
            try:
                _open(self.folder / picture.file)
            except _Unusable as error:
                found.append(Broken(picture, str(error)))
        return found

    def without(self, broken: Iterable[Broken]) -> Coco:
        """The same split without those pictures and their captions."""
        bad = {b.picture.id for b in broken}
        kept = [(p, c) for p, c in zip(self.images, self.captions) if p.id not in bad]
        return replace(self, images=tuple(p for p, _ in kept), captions=tuple(c for _, c in kept))


# ---- reading --------------------------------------------------------------------------------------------------------

def read(folder: str | Path, split: str, language: str = "en") -> Coco:
    """The pictures and captions of `<folder>/annotations/captions_<split>.json`; no picture is opened yet.

    White space around and inside captions is made single; a picture may have any number of captions, also none.
    Raises CocoError where the file is absent, is no caption file, or names images that it does not list.
    """
    folder = Path(folder)
    path = _captions(folder, split, language)
    content = _load(path, folder)
    try:
        images = sorted((Picture(e["id"], e["file_name"], e["width"], e["height"]) for e in content["images"]), key=_id)
        said = [(a["id"], a["image_id"], " ".join(a["caption"].split())) for a in content["annotations"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise CocoError(f"{path} is not a COCO caption file: an entry lacks {error}; use captions_*.json") from error
    captions: dict[int, list[str]] = {p.id: [] for p in images}
    if len(captions) < len(images):
        raise CocoError(f"{path} lists {len(images) - len(captions)} images twice: every image id must be unique")
    for number, image, words in sorted(said):
        if image not in captions:
            raise CocoError(f"caption {number} in {path} is of image {image}, which it does not list: fetch it again")
        captions[image].append(words)
    return Coco(folder / split, split, tuple(images), tuple(tuple(captions[p.id]) for p in images))


def _captions(folder: Path, split: str, language: str) -> Path:
    return folder / "annotations" / f"captions_{split}{'' if language == 'en' else '_' + language}.json"


def _id(picture: Picture) -> int:
    return picture.id


def _load(path: Path, folder: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        there = sorted(p.stem.removeprefix("captions_") for p in path.parent.glob("captions_*.json"))
        advice = f"it has captions for {', '.join(there)}" if there else "unpack COCO's annotations there"
        raise CocoError(f"{folder} has no annotations/{path.name}: {advice}") from error
    except ValueError as error:
        raise CocoError(f"{path} is cut short or is not JSON ({error}): fetch it again") from error
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise CocoError(f"{path} is not a COCO caption file: it lacks images or annotations; use captions_*.json")
    return content


class _Unusable(Exception):
    """Why a file is no picture, as the end of a sentence."""


def _open(path: Path) -> Image.Image:
    """The picture as RGB, fully decoded (`convert` decodes)."""
    try:
        with Image.open(path) as image:
            if image.has_transparency_data:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise _Unusable("is missing") from error
    except UnidentifiedImageError as error:
        raise _Unusable("is not a picture") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what Pillow's decoders raise
        raise _Unusable(f"is truncated or damaged ({error})") from error


def _square(image: Image.Image, size: int, resample: str) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((size, size), FILTERS[resample])


# ---- writing --------------------------------------------------------------------------------------------------------

def export(
    folder: str | Path,
    split: str,
    n: int,
    *,
    start: int = 0,
    seed: int = 0,
    languages: Sequence[str] = ("en",),
    resolution: int = 64,
    extension: str = "png",
    date: datetime.date | None = None,
) -> Path:
    """Write scenes start .. start+n-1 of a split in COCO's format and return `folder`.

    Image id = index of the scene + 1; five captions each in every language; boxes and masks of the visible parts, with
    the shape as category and the other attributes beside it. `extension` png keeps the exact picture, jpg does not.
    `date` (default today) is COCO's date_created; all else depends on the arguments and the code alone.
    Raises StorageError where it cannot write; the split's pictures are then as they were.
    """
    if n < 1 or start < 0:
        raise ValueError(f"n = {n}, start = {start}: at least one scene is needed, from index 0 on")
    if extension not in ("png", "jpg"):
        raise ValueError(f"extension {extension!r} is not png or jpg")
    folder, day = Path(folder), (date or datetime.date.today()).isoformat()
    chosen = [sample_scene(i, seed, split) for i in range(start, start + n)]
    images = [_image_entry(start + k + 1, extension, resolution, day) for k in range(n)]
    spoken = {language: _caption_entries(chosen, images, language) for language in languages}
    instances: list[dict] = []
    with atomic_folder(folder / split) as scratch:
        for k in range(0, n, BATCH):
            instances += _draw(chosen[k : k + BATCH], images[k : k + BATCH], scratch, resolution)
    head = {"info": _info(split, seed, day), "licenses": [{"url": "", "id": 1, "name": "as the program that drew it"}]}
    for number, instance in enumerate(instances, 1):
        instance["id"] = number
    kinds = [{"supercategory": "solid", "id": i, "name": shape} for i, shape in enumerate(SHAPES, 1)]
    file = folder / "annotations" / f"instances_{split}.json"
    write_json(file, {**head, "images": images, "annotations": instances, "categories": kinds})
    for language, said in spoken.items():
        write_json(_captions(folder, split, language), {**head, "images": images, "annotations": said})
    return folder


def _info(split: str, seed: int, day: str) -> dict:
    return {
        "description": f"Captioned scenes, split {split}, seed {seed}",
        "url": "",
        "version": source_hash("experiments.data.coco")[:12],
        "year": int(day[:4]),
        "contributor": "",
        "date_created": day.replace("-", "/"),
    }


def _image_entry(number: int, extension: str, resolution: int, day: str) -> dict:
    return {
        "license": 1,
        "file_name": f"{number:012d}.{extension}",
        "coco_url": "",
        "height": resolution,
        "width": resolution,
        "date_captured": f"{day} 00:00:00",
        "flickr_url": "",
        "id": number,
    }


def _caption_entries(chosen: Sequence[Scene], images: Sequence[dict], language: str) -> list[dict]:
    texts = [(entry["id"], caption(s, language, k)) for s, entry in zip(chosen, images) for k in range(STYLES)]
    return [{"image_id": image, "id": number, "caption": words} for number, (image, words) in enumerate(texts, 1)]


def _draw(chosen: Sequence[Scene], images: Sequence[dict], scratch: Path, resolution: int) -> list[dict]:
    """Save one batch of pictures and return its instances, still without ids."""
    from experiments.data.render import render  # reading COCO needs no renderer

    drawn = render(chosen, resolution)
    for picture, entry in zip(drawn.image.permute(0, 2, 3, 1).numpy(), images):
        Image.fromarray(picture).save(scratch / entry["file_name"], quality=95)  # PNG takes no notice of quality
    masks = drawn.mask.numpy()
    return [
        _instance(mask == i, scene.solids[i], entry["id"])
        for scene, mask, entry in zip(chosen, masks, images)
        for i in np.unique(mask[mask >= 0])  # a solid that is wholly hidden is no instance
    ]


def _instance(mask: np.ndarray, solid: Solid, image: int) -> dict:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    return {
        "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
        "area": int(mask.sum()),
        "iscrowd": 0,
        "image_id": image,
        "bbox": [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
        "category_id": SHAPES.index(solid.shape) + 1,
        "attributes": {"colour": solid.colour, "size": solid.size, "material": solid.material},
    }


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run lengths of a boolean mask [H,W]: down the columns, beginning with the zeros."""
    flat = np.concatenate([[False], mask.flatten(order="F"), [False]])
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.concatenate([[0], turns, [mask.size]])
    lengths = np.diff(ends).tolist()
    return lengths if lengths[-1] else lengths[:-1]
