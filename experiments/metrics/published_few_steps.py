"""What was published about few steps from Stable Diffusion 1.5: FID and CLIP score by stage and number of steps.

MS-COCO 2017 validation, 5,000 pictures. The stages have the names of `studies.instaflow`.
"""

from __future__ import annotations

from typing import NamedTuple

SOURCE = "wang2024rectified"  # table 1, of `book/references.bib`


class Few(NamedTuple):
    """FID, CLIP score (cosine), and seconds a picture where the table has them."""

    fid: float
    clip: float
    seconds: float | None = None


TABLE: dict[tuple[str, int], Few] = {
    ("diffusion, guided", 25): Few(20.1, 0.318, 0.88),
    ("2-rectified flow", 1): Few(47.91, 0.272, 0.09),
    ("2-rectified flow", 2): Few(31.35, 0.296, 0.13),
    ("2-rectified flow", 25): Few(21.65, 0.315, 0.88),
    ("InstaFlow", 1): Few(23.4, 0.304, 0.09),
    ("InstaFlow", 2): Few(73.49, 0.261, 0.13),
    ("InstaFlow", 4): Few(103.48, 0.245, 0.21),
    ("rectified diffusion", 1): Few(27.26, 0.295, 0.09),
    ("rectified diffusion", 2): Few(22.98, 0.309, 0.13),
    ("rectified diffusion", 25): Few(21.28, 0.316),
}
COMPARED = (  # pairs whose order is looked at: the same number of steps, then more steps of the same stage
    (("rectified diffusion", 1), ("2-rectified flow", 1)),
    (("rectified diffusion", 2), ("2-rectified flow", 2)),
    (("InstaFlow", 1), ("2-rectified flow", 1)),
    (("InstaFlow", 1), ("rectified diffusion", 1)),
    (("2-rectified flow", 25), ("diffusion, guided", 25)),
    (("rectified diffusion", 25), ("diffusion, guided", 25)),
    (("2-rectified flow", 25), ("2-rectified flow", 1)),
    (("rectified diffusion", 2), ("rectified diffusion", 1)),
    (("InstaFlow", 2), ("InstaFlow", 1)),
    (("InstaFlow", 4), ("InstaFlow", 2)),
)
A100_DAYS = 199.0  # of InstaFlow's training, by its paper's abstract (liu2024instaflow)
