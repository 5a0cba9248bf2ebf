"""What others published about several of the lecture's models on one benchmark: columns whose order can be compared.

Beside `published`, whose rows stand alone. Each value was read in its source, or in several copies of it that agree.
"""

from __future__ import annotations

from experiments.metrics.published import Published

_GENEVAL, _MJHQ = "GenEval's prompts", "MJHQ-30K"
_GHOSH, _SANA = "ghosh2023geneval", "xie2025sana"

ORDERED = (
    Published("SD1.5", "overall accuracy", 0.43, _GENEVAL, None, _GHOSH),
    Published("SDXL", "overall accuracy", 0.55, _GENEVAL, None, _GHOSH),
    Published("SD3", "overall accuracy", 0.62, _GENEVAL, None, _SANA),
    Published("FLUX.1", "overall accuracy", 0.67, _GENEVAL, None, _SANA),
    Published("SD3", "FID", 11.92, _MJHQ, 30_000, _SANA),
    Published("FLUX.1", "FID", 10.15, _MJHQ, 30_000, _SANA),
    Published("SD3", "CLIP score", 27.83, _MJHQ, 30_000, _SANA),
    Published("FLUX.1", "CLIP score", 27.47, _MJHQ, 30_000, _SANA),
    Published("SD3", "seconds", 4.4, "one picture at 1024 x 1024, A100, half precision", None, _SANA),
    Published("FLUX.1", "seconds", 23.0, "one picture at 1024 x 1024, A100, half precision", None, _SANA),
)  # fmt: skip
SOURCES = {_GHOSH: "GenEval's repository", _SANA: "Xie et al. 2025, table 7"}


def column(metric: str, pictures: str = _GENEVAL) -> dict[str, float]:
    """One published column by the lecture's names of the models."""
    return {row.model: row.value for row in ORDERED if (row.metric, row.pictures) == (metric, pictures)}
