"""Figures that others published about the lecture's models: the lecture's own table, and those of papers.

Every row names its source by a key of `book/references.bib`. Nothing here was measured by this project.
"""

from __future__ import annotations

from typing import NamedTuple


class LectureRow(NamedTuple):
    """One row of the lecture's table (C45), as the slide prints it: FID, CLIP score, aesthetic score, seconds."""

    model: str
    fid: float
    clip: float
    aesthetic: float
    seconds: float


class Published(NamedTuple):
    """One published figure: what was measured, on which pictures, on how many of them, and where it stands."""

    model: str
    metric: str
    value: float
    pictures: str
    n: int | None
    source: str


LECTURE = (
    LectureRow("SD1.5", 156.48, 27.76, 5.35, 1.05),
    LectureRow("SDXL", 154.20, 28.38, 5.54, 6.57),
    LectureRow("SD3", 148.47, 28.14, 5.36, 12.04),
    LectureRow("SD3.5", 146.23, 28.24, 5.34, 14.8),
    LectureRow("FLUX.1", 154.19, 28.18, 5.43, 36.65),
    LectureRow("Hunyuan-DiT", 159.25, 27.85, 5.84, 18.31),
    LectureRow("Kandinsky", 154.49, 28.54, 5.65, 5.10),
)

SOURCES = {
    "wang2024rectified": "Wang et al. 2024, table 1",
    "liu2023instaflowweights": "InstaFlow's model card",
    "mlperf2024sdxl": "MLPerf's accuracy window",
    "ghosh2023geneval": "GenEval's repository",
}
"""How the sources, keys of `book/references.bib`, are called in a table."""

_COCO17, _COCO14, _GENEVAL = "MS-COCO 2017 validation", "MS-COCO 2014 validation", "GenEval's prompts"
_RECTIFIED, _INSTAFLOW, _MLPERF, _GHOSH = "wang2024rectified", "liu2023instaflowweights", "mlperf2024sdxl", "ghosh2023geneval"

PUBLISHED = (
    Published("SD1.5, 25 steps", "FID", 20.1, _COCO17, 5_000, _RECTIFIED),
    Published("SD1.5, 25 steps", "CLIP score", 31.8, _COCO17, 5_000, _RECTIFIED),
    Published("InstaFlow-0.9B, 1 step", "FID", 23.4, _COCO17, 5_000, _INSTAFLOW),
    Published("InstaFlow-0.9B, 1 step", "FID", 13.1, _COCO14, 30_000, _INSTAFLOW),
    Published("InstaFlow-0.9B, 1 step", "CLIP score", 30.4, _COCO17, 5_000, _INSTAFLOW),
    Published("SDXL, least allowed", "FID", 23.01, _COCO14, 5_000, _MLPERF),
    Published("SDXL, most allowed", "FID", 23.95, _COCO14, 5_000, _MLPERF),
    Published("SDXL, least allowed", "CLIP score", 31.69, _COCO14, 5_000, _MLPERF),
    Published("SDXL, most allowed", "CLIP score", 31.81, _COCO14, 5_000, _MLPERF),
    Published("SD1.5", "overall accuracy", 0.43, _GENEVAL, None, _GHOSH),
    Published("SD1.5", "colour attribution", 0.06, _GENEVAL, None, _GHOSH),
    Published("SDXL", "overall accuracy", 0.55, _GENEVAL, None, _GHOSH),
    Published("SDXL", "colour attribution", 0.23, _GENEVAL, None, _GHOSH),
)


def published(model: str, metric: str, n: int | None = None) -> float:
    """One figure of PUBLISHED; KeyError where there is none."""
    for found in PUBLISHED:
        if (found.model, found.metric, found.n) == (model, metric, n):
            return found.value
    raise KeyError(f"no published {metric} of {model} with n = {n}; there are: {', '.join(sorted({p.model for p in PUBLISHED}))}")
