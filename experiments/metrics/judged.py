"""The networks of the literature, from local copies or from the hub, and what a number of theirs was made of.

A folder of local copies holds them as a hub cache does (`models--owner--name/snapshots/...`), or as `owner/name`, or by the
name of the file. A network that is not there is left out, with the reason, and what it would measure reads "not measured".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from experiments.artefacts import file_hash
from experiments.metrics import aesthetic, clip_score, cmmd, table
from experiments.metrics.clip_score import Clip
from experiments.metrics.features import extract
from experiments.metrics.frechet import Extrapolation, fid, fid_infinity, reference
from experiments.metrics.intervals import Estimate, jackknife
from experiments.metrics.kernel import kid_bootstrap
from experiments.models import zoo

BATCH = 50
WIDE, GROUPS = 1000, 20  # features from which a FID takes seconds; groups of pictures of its jackknife
INCEPTION = "pt_inception-2015-12-05-6726825d.pth"  # the weights with which FID was defined, as torch-fidelity names them
LIBRARIES = ("torch", "torchmetrics", "torch-fidelity", "transformers", "diffusers", "numpy", "scipy", "pillow")
RESIZE = {
    "inception": "to 299 x 299 inside the network, bilinear as in TensorFlow 1, no antialiasing",
    "clip": "shorter side bicubic with antialiasing, middle square",
    "scenes": "none: pictures are 64 x 64 as the network takes them",
    "real": "middle square, then Pillow's bicubic filter, which antialiases",
}


@dataclass(frozen=True)
class Panel:
    """The judges that are there, and for each that is not why."""

    network: nn.Module | None  # features of FID and KID
    clip: Clip | None
    predictor: Callable[[Tensor], Tensor] | None
    cmmd: Clip | None
    hashes: dict[str, str] = field(default_factory=dict)  # SHA-256 of the weights, by judge
    missing: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"  # of the feature network; a CLIP has its own

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self.hashes)


def inception_from(weights: str | Path | None = None, layer: str = "2048", antialias: bool = False) -> nn.Module:
    """Inception-v3 with the features of FID; `weights` is a file, or None for the download that torch-fidelity makes.

    `layer` names another of the network's outputs, by its number of features: 64, 192 or 768. FID was defined with a
    resize that aliases; torchmetrics antialiases by default since 1.8, which gives other numbers.

    Raises ImportError with what to install where torch-fidelity is missing.
    """
    try:
        import torch_fidelity  # noqa: F401
    except ImportError as error:
        raise ImportError("torch-fidelity and torchvision are not installed: pip install -e '.[full]'") from error
    from torchmetrics.image.fid import NoTrainInceptionV3

    file = str(weights) if weights else None
    found = NoTrainInceptionV3("inception-v3-compat", [layer], feature_extractor_weights_path=file, antialias=antialias)
    found.num_features = int(layer)
    return found


def ours() -> Panel:
    """The judges of scenes: the checker's features, our evaluation CLIP (for CMMD too), the aesthetic proxy."""
    by = table.judges()
    hashes = {name: zoo.weights_hash(zoo.WEIGHTS / name) for name in by.models}
    return Panel(by.network, by.clip, by.predictor, by.clip, hashes)


def local(releases: str | Path, name: str) -> Path | None:
    """The copy of `owner/model`, or of a file, in a folder of releases; None where it is not there."""
    cached = Path(releases) / f"models--{name.replace('/', '--')}"
    main = cached / "refs" / "main"
    places = [cached / "snapshots" / main.read_text().strip()] if main.is_file() else sorted(cached.glob("snapshots/*"))
    return next((place for place in (*places, Path(releases) / name, Path(releases) / Path(name).name) if place.exists()), None)


def panel(releases: str | Path = "", device: str | torch.device = "cpu") -> Panel:
    """The judges of the literature: Inception-v3, CLIP ViT-L/14, LAION's predictor, CMMD's encoder.

    From `releases` where it is given, and nothing else then; from the hub where it is not.
    """
    made: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, source, build in _judges(device):
        place = local(releases, source) if releases else None
        if releases and place is None:
            missing[name] = f"no {source} in the folder of releases"
            continue
        try:
            made[name] = build(place)
            hashes[name] = _hash(place)
        except (ImportError, OSError, RuntimeError) as error:
            missing[name] = str(error).strip().splitlines()[0]
    network, clip, predictor, encoder = (made.get(name) for name, _, _ in _judges(device))
    return Panel(network, clip, predictor, encoder, hashes, missing, str(device))


def _judges(device: str | torch.device) -> list[tuple[str, str, Callable[[Path | None], Any]]]:
    """Name, where it is found, and how it is built from a local place or (None) from the hub."""
    return [
        ("inception-v3", INCEPTION, inception_from),
        ("CLIP ViT-L/14", clip_score.RELEASED, lambda place: _clip(place or clip_score.RELEASED, device)),
        ("LAION aesthetic", aesthetic.RELEASED[0], lambda place: aesthetic.released(place and place / aesthetic.RELEASED[1])),
        ("CMMD's CLIP", cmmd.RELEASED, lambda place: _clip(place or cmmd.RELEASED, device)),
    ]


def _clip(name: str | Path, device: str | torch.device) -> Clip:
    """A CLIP that is loaded now, so that one that is not there is noticed now."""
    made = Clip(name, device)
    made.model, made.tokenizer  # noqa: B018  (cached properties)
    return made


def _hash(place: Path | None) -> str:
    """Hash of a local copy's weights; of a download, "from the hub"."""
    if place is None:
        return "from the hub"
    files = sorted(place.rglob("*.safetensors")) or sorted(place.rglob("*.p*t*")) if place.is_dir() else [place]
    return file_hash(files[0].resolve()) if files else ""


def versions() -> dict[str, str]:
    """Versions of the libraries that a number follows from; those that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def about(panel_hashes: dict[str, str], judge: str, resize: str) -> dict[str, Any]:
    """What a cell's record says beside value, interval and n: judge, its weights' hash, the filters, the versions."""
    filters = {"resize": RESIZE[resize], "resize of real pictures": RESIZE["real"]}
    return {"judge": judge, "sha256": panel_hashes.get(judge, ""), **filters, "versions": versions()}




# ---- looking --------------------------------------------------------------------------------------------------------


class Looked(NamedTuple):
    """What the judges saw in N pictures: `table.Seen`, and the embeddings [N,D] of CMMD's encoder.

    What belongs to a judge that is not there is NaN.
    """

    features: Tensor
    clip: Tensor
    aesthetic: Tensor
    embeddings: Tensor

    @property
    def n(self) -> int:
        return len(self.features)


def look(images: Tensor, texts: Sequence[str], by: Panel) -> Looked:
    """Show uint8 pictures [N,3,H,W] and their texts to the judges that are there."""
    absent = torch.full((len(images), 1), float("nan"), dtype=torch.float64)
    features = extract(images, by.network, BATCH, by.device) if by.network is not None else absent
    scores = clip_score.clip_scores(images, texts, by.clip).values.double() if by.clip else absent[:, 0]
    embedded = by.clip.images(images) if by.clip and (by.predictor or by.cmmd is by.clip) else None
    liked = by.predictor(embedded).detach().double() if by.predictor and embedded is not None else absent[:, 0]
    other = embedded if by.cmmd is by.clip else by.cmmd.images(images) if by.cmmd else None
    return Looked(features, scores, liked, absent if other is None else other.double())


def joined(parts: Iterable[Looked]) -> Looked:
    """Several sets of pictures as one."""
    return Looked(*(torch.cat(column) for column in zip(*parts, strict=True)))


def row(seen: Looked, real: Looked, seed: int = 0) -> dict[str, Estimate]:
    """The metrics that were measured, with intervals over pictures, against as many real pictures."""
    measure = _wide_row if seen.features.shape[1] >= WIDE and seen.n > seen.features.shape[1] else table.row
    found = _without_fid(measure, seen, real=real.features, seed=seed)
    if not (seen.embeddings.isnan().any() or real.embeddings.isnan().any()):
        found["CMMD"] = cmmd.cmmd_bootstrap(seen.embeddings, real.embeddings, seed=seed)
    return found


def _wide_row(seen: Looked, real: Tensor, seed: int) -> dict[str, Estimate]:
    """`table.row` where a FID takes seconds: its interval leaves out a group of pictures at a time, 20 times instead of 200."""
    narrow = table.row(seen._replace(features=seen.features[:, :2]), real[:, :2], seed)
    against = reference(real)
    groups = np.array_split(np.random.default_rng(seed).permutation(seen.n), GROUPS)
    left = [fid(seen.features[np.setdiff1d(np.arange(seen.n), group)], against) for group in groups]
    return narrow | {"FID": jackknife(fid(seen.features, against), left, seen.n), "KID": kid_bootstrap(seen.features, real, seed=seed)}


def unlimited(seen: Looked, real: Looked, seed: int = 0) -> Extrapolation | None:
    """FID at unlimited n with its line through six n; None where fewer than 1.7 times as many pictures as features were seen."""
    n, wide = seen.features.shape
    start = max(n // 2, wide + wide // 4)
    if seen.features.isnan().any() or start > 0.75 * n:
        return None
    sizes = [int(size) for size in np.linspace(start, n, 6)]
    return fid_infinity(seen.features, reference(real.features), sizes, repeats=2, seed=seed)


def gap(first: Looked, second: Looked, real: Looked, seed: int = 0) -> dict[str, Estimate]:
    """The metrics of the second minus those of the first, on the same prompts."""
    return _without_fid(table.gap, first, second, real=real.features, seed=seed)


def _without_fid(measure: Callable[..., dict[str, Estimate]], *seen: Looked, real: Tensor, seed: int) -> dict[str, Estimate]:
    """`measure`, with FID and KID left out where no feature network looked."""
    if not real.isnan().any():
        return measure(*seen, real, seed)
    blank = torch.eye(seen[0].n, 2, dtype=torch.float64)
    found = measure(*(each._replace(features=blank) for each in seen), blank, seed)
    return {name: value for name, value in found.items() if name not in ("FID", "KID")}
