"""MS-COCO 2017 in small, in its exact layout: pictures of any shape, ids with gaps, five or six captions each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from PIL import Image

from experiments.data.coco import export

SPLIT = "val2017"
PICTURES = 12  # what the tests' folder holds


def number(i: int) -> int:
    """The id of picture i: as in COCO, not consecutive."""
    return 139 + 146 * i + i % 7


def coco_2017(folder: Path, n: int) -> Path:
    """`<folder>/val2017/000000000139.jpg` ... and `<folder>/annotations/{captions,instances}_val2017.json`; returns `folder`.

    Pictures are scenes, stretched to 80 x 64 or 64 x 80; every fourth has a sixth caption.
    """
    made = export(folder / "scenes", "test", n, extension="jpg")
    (folder / SPLIT).mkdir(parents=True)
    (folder / "annotations").mkdir()
    for kind in ("captions", "instances"):
        held = json.loads((made / "annotations" / f"{kind}_test.json").read_text())
        held["info"]["description"] = "COCO 2017 Dataset"
        for entry in held["images"]:
            i = entry["id"] - 1
            entry |= dict(id=number(i), file_name=f"{number(i):012d}.jpg", width=80 if i % 2 else 64, height=64 if i % 2 else 80)
        for entry in held["annotations"]:
            entry["image_id"] = number(entry["image_id"] - 1)
        if kind == "captions":
            last = max(entry["id"] for entry in held["annotations"])
            held["annotations"] += [dict(id=last + 1 + i, image_id=number(i), caption="A picture.\n") for i in range(0, n, 4)]
        (folder / "annotations" / f"{kind}_{SPLIT}.json").write_text(json.dumps(held))
    for i in range(n):
        with Image.open(made / "test" / f"{i + 1:012d}.jpg") as picture:
            picture.resize((80, 64) if i % 2 else (64, 80)).save(folder / SPLIT / f"{number(i):012d}.jpg", quality=90)
    shutil.rmtree(made)
    return folder
