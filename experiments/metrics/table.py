"""The evaluation table: what judges see in pictures, and what a row of the table makes of it.

Pictures are seen once (`see`, `draw`): features for FID and KID, and one CLIP and one aesthetic score each. Everything in
the table follows from those numbers, so that a set of pictures need not be kept, and a comparison of two models on the
same prompts (`gap`) resamples the pictures of both together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from experiments.data.coco import Coco
from experiments.data.prompts import Prompt, Requirement
from experiments.metrics.aesthetic import FOLDER as PROXY
from experiments.metrics.aesthetic import proxy, released
from experiments.metrics.clip_score import FOLDER as CLIP
from experiments.metrics.clip_score import RELEASED, Clip, clip_scores
from experiments.metrics.features import extract, network
from experiments.metrics.frechet import fid, fid_bootstrap, reference
from experiments.metrics.intervals import LEVEL, Estimate, bootstrap, centred
from experiments.metrics.kernel import kid, kid_bootstrap
from experiments.metrics.latency import latency
from experiments.sampling.generate import BATCH, batches, generate

METRICS = ("FID", "KID", "CLIP score", "aesthetic")
RESAMPLES = 200
ABSENT = Estimate(float("nan"), float("nan"), float("nan"), 0, "not measured")


@dataclass(frozen=True)
class Judges:
    """The networks that look at pictures, and the models behind them for the record; None for one that is not there."""

    network: nn.Module  # features of FID and KID
    clip: Clip | None
    predictor: Callable[[Tensor], Tensor] | None  # aesthetic score of an embedding of `clip`
    models: tuple[str, ...] = field(default=())


class SceneClip(Clip):
    """Our CLIP for scenes: its training shows pictures in [-1, 1] and saves no image processor that would say so."""

    preprocessing = {"side": 64, "mean": [0.5] * 3, "deviation": [0.5] * 3}


class Seen(NamedTuple):
    """What the judges saw in N pictures: features [N,D], 100 cos with their texts [N], aesthetic scores [N].

    Scores of a judge that is not there are NaN, and leave their columns of the table empty.
    """

    features: Tensor
    clip: Tensor
    aesthetic: Tensor

    @property
    def n(self) -> int:
        return len(self.features)

    def first(self, n: int) -> Seen:
        """What was seen in the first n pictures."""
        return Seen(*(part[:n] for part in self))


def judges(full: bool = False) -> Judges:
    """For scenes the checker's features, our CLIP and the aesthetic proxy; at `full` those of the literature.

    A miniature that is not trained yet is left out, so that what it would measure reads "not measured".
    """
    if full:
        return Judges(network("inception"), Clip(RELEASED), released(), ("inception-v3", RELEASED, "LAION aesthetic"))
    trained = [folder.name for folder in (CLIP, PROXY) if (folder / "model.safetensors").is_file()]
    clip = SceneClip() if CLIP.name in trained else None
    predictor = proxy() if clip and PROXY.name in trained else None
    return Judges(network("scenes"), clip, predictor, ("checker", *trained))


def see(images: Tensor, texts: Sequence[str], by: Judges) -> Seen:
    """Show uint8 pictures [N,3,H,W] and their texts to the judges."""
    absent = torch.full((len(images),), float("nan"), dtype=torch.float64)
    scores = clip_scores(images, texts, by.clip).values.double() if by.clip else absent
    liked = by.predictor(by.clip.images(images)).detach().double() if by.predictor else absent
    return Seen(extract(images, by.network), scores, liked)


def join(parts: Iterable[Seen]) -> Seen:
    """Several sets of pictures as one."""
    return Seen(*(torch.cat(column) for column in zip(*parts, strict=True)))


def captions(coco: Coco, start: int, stop: int) -> list[Prompt]:
    """The first caption of each picture, as prompts whose ids (hence noise) follow from the picture's id."""
    rows = zip(coco.images[start:stop], coco.captions[start:stop], strict=True)
    return [Prompt(f"{coco.split}/{image.id}", "caption", said[0], Requirement(())) for image, said in rows]


def pictures(coco: Coco, start: int, stop: int, side: int) -> Tensor:
    """Pictures start .. stop-1 as uint8 [N,3,side,side]."""
    return torch.stack([coco.image(i, side) for i in range(start, stop)])


def draw(pipeline: Any, prompts: Sequence[Prompt], by: Judges, seed: int = 0, **call: Any) -> Seen:
    """Draw each prompt once and see it; pictures are let go batch by batch, so n is not bounded by memory."""
    return join(
        see(generate(pipeline, part, seed, **call), [p.text for p in part], by) for part in batches(prompts, BATCH)
    )


def row(seen: Seen, real: Tensor, seed: int = 0) -> dict[str, Estimate]:
    """The metrics of METRICS that were measured, with intervals over pictures; `real` holds the features of as many real pictures."""
    if seen.n != len(real):
        raise ValueError(f"{seen.n} pictures against {len(real)} real ones: FID compares at equal n only")
    distances = {
        "FID": fid_bootstrap(seen.features, reference(real), RESAMPLES, seed),
        "KID": kid_bootstrap(seen.features, real, seed=seed),
    }
    return distances | _means(seen.clip, seen.aesthetic, seed)


def gap(a: Seen, b: Seen, real: Tensor, seed: int = 0) -> dict[str, Estimate]:
    """The metrics of `b` minus those of `a`, on the same prompts, whose pictures are resampled in pairs."""
    if a.n != b.n:
        raise ValueError(f"{a.n} and {b.n} pictures are no pairs: draw both models with the same prompts")
    picks = torch.from_numpy(np.random.default_rng(seed).integers(a.n, size=(RESAMPLES, a.n)))
    against = reference(real)
    distances = {
        "FID": _paired(lambda x: fid(x, against), a.features, b.features, picks),
        "KID": _paired(lambda x: kid(x, real), a.features, b.features, picks),
    }
    return distances | _means(b.clip - a.clip, b.aesthetic - a.aesthetic, seed)


def _means(clip: Tensor, aesthetic: Tensor, seed: int) -> dict[str, Estimate]:
    """Means of per-picture scores with bootstrap intervals; what was not measured is left out."""
    scores = {"CLIP score": clip, "aesthetic": aesthetic}
    return {name: bootstrap(x.tolist(), seed=seed) for name, x in scores.items() if not x.isnan().any()}


def _paired(distance: Callable[[Tensor], float], a: Tensor, b: Tensor, picks: Tensor) -> Estimate:
    """distance(b) - distance(a); both biases are those of this n, so only the replicates' spread is used."""
    return centred(distance(b) - distance(a), [distance(b[p]) - distance(a[p]) for p in picks], len(a))


def seconds(pipeline: Any, prompt: str, device: str = "cpu", repeats: int = 5, **call: Any) -> Estimate:
    """Seconds for one picture asked for alone: median of `repeats` calls, with quartiles, after one to warm up."""
    took = latency(lambda: pipeline(prompt=prompt, output_type="pt", **call), repeats=repeats, device=device)
    return Estimate(took.median, took.low, took.high, repeats, took.interval)


def leads(right: np.ndarray, k: int) -> float:
    """Chance that the second of two models does strictly more of k prompts than the first.

    `right` is [N,2] bool, whether each model did each prompt; k of the N prompts are drawn without replacement.
    """
    from scipy.stats import multivariate_hypergeom

    first, second = (int(np.sum(right[:, i] & ~right[:, 1 - i])) for i in (0, 1))
    counts = [second, first, len(right) - first - second]
    ways = [(i, j, k - i - j) for i in range(1, k + 1) for j in range(min(i, k - i + 1))]
    return float(sum(multivariate_hypergeom.pmf(way, counts, k) for way in ways))


def leads_interval(right: np.ndarray, k: int, seed: int = 0, level: float = LEVEL) -> Estimate:
    """`leads` with its percentile bootstrap interval over prompts."""
    g = np.random.default_rng(seed)
    again = [leads(right[g.integers(len(right), size=len(right))], k) for _ in range(RESAMPLES)]
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
    name = f"{level:.0%} bootstrap over prompts, {RESAMPLES} resamples"
    return Estimate(leads(right, k), float(low), float(high), len(right), name)


def cell(estimate: Estimate | None, spec: str) -> str | None:
    """"0.83 (0.79 to 0.87)", or None for what was not measured."""
    if estimate is None:
        return None
    return f"{estimate.value:{spec}} ({estimate.low:{spec}} to {estimate.high:{spec}})"


def frame(rows: Mapping[str, Mapping[str, Estimate]], specs: Mapping[str, str], name: str = "model") -> Any:
    """A pandas frame of cells, one row per model; `specs` gives the columns and how each is printed."""
    import pandas as pd

    cells = [[cell(found.get(metric), spec) for metric, spec in specs.items()] for found in rows.values()]
    return pd.DataFrame(cells, index=pd.Index(list(rows), name=name), columns=list(specs))
