"""Languages: what frozen encoders know of three of them, and what one U-Net hears through each encoder after equal training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from transformers import CLIPModel

from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.data.languages import LANGUAGES
from experiments.data.mixed import SPOKEN
from experiments.metrics import listening_scores as scores
from experiments.models.listeners import ARMS, ENCODERS, reader
from experiments.models.zoo import WEIGHTS
from experiments.studies.study import Study
from experiments.training import listening
from experiments.training.autoencoder import to_tensor

SEEDS, N, CHOICES = (0, 1, 2), 56, 48
FULLEST, LEARNT, ASKED = 3, 2000, 640  # style of caption that names most; scenes that a probe learns from and is asked about
TAUGHT = (("en",), ("en", "zh"))  # languages whose captions a probe learns from
FOLDER = WEIGHTS / "arms"
_SCORES = ("experiments.metrics.listening_scores", "experiments.metrics.alignment", "experiments.data.mixed")


def folder(arm: str, seed: int = 0):
    """Where an arm ships."""
    return FOLDER / f"listener-{arm.lower().replace(' + ', '-').replace(' ', '-')}-{seed}"


def know(encoder: str) -> dict[str, Any]:
    """Retrieval, of 64: of a picture by a caption, through a linear map learned from some languages; of the English caption by its translation."""
    import torch

    read = reader(encoder)
    pair = CLIPModel.from_pretrained(WEIGHTS / "clip", dtype=torch.float32).eval()
    told = {split: {language: said(read, split, n, language) for language in LANGUAGES} for split, n in (("train", LEARNT), ("validation", ASKED))}
    with torch.no_grad():
        true = torch.cat([pair.visual_projection(pair.vision_model(to_tensor(x)).pooler_output) for x in _chunks(images("validation", 0, ASKED))])
    centre = listening.embeddings().mean(0)
    pictures, true = listening.embeddings()[:LEARNT] - centre, true - centre
    found: dict[str, Any] = {"pictures": {}, "translations": {}}
    for taught in TAUGHT:
        known = scores.probe(torch.cat([told["train"][language] for language in taught]), pictures.repeat(len(taught), 1))
        found["pictures"]["+".join(taught)] = {language: scores.nearest(scores.mapped(known, x), true) for language, x in told["validation"].items()}
    middle = told["train"]["en"].mean(0)
    for language in LANGUAGES:
        found["translations"][language] = scores.nearest(told["validation"][language] - middle, told["validation"]["en"] - middle)
    found["tokens"] = {language: read.tokenizer.tokenize(caption(scenes("validation", 0, 1)[0], language, 2)) for language in LANGUAGES}
    return found | {"parameters": sum(p.numel() for p in read.model.parameters())}


def said(read, split: str, n: int, language: str):
    return scores.sentences(read, [caption(scene, language, FULLEST) for scene in scenes(split, 0, n)])


def _chunks(pictures, size: int = 160):
    return (pictures[i : i + size] for i in range(0, len(pictures), size))


def hear(arm: str, seed: int) -> dict[str, Any]:
    """Train an arm; by language, what it chooses and draws right, and what it draws right when it is told nothing."""
    encoders, started = ARMS[arm], time.monotonic()
    pipe, model, curve = listening.train(encoders, seed)
    found = {"seconds": round(time.monotonic() - started, 1), "curve": curve, "parameters": sum(p.numel() for p in model.trained().values())}
    if seed == 0:
        listening.ship(model, folder(arm), {"recipe": folder(arm).name, "encoders": encoders, "seed": seed, "images_seen": listening.IMAGES, **found})
    return found | heard(pipe, model, encoders, seed)


def heard(pipe, model, encoders, seed: int) -> dict[str, Any]:
    empty, wanted = listening.silence(encoders), scores.wishes(N)
    silent = scores.drawn(pipe, model, wanted, scores.nothing(encoders, len(wanted)), empty, seed)
    found: dict[str, Any] = {"chosen": {}, "drawn": {}, "silent": silent}
    for spoken in SPOKEN:
        found["chosen"][spoken] = {c: scores.chosen(pipe, model, encoders, c, spoken, CHOICES, seed) for c in scores.CATEGORIES}
        wanted = scores.wishes(N, spoken)
        found["drawn"][spoken] = scores.drawn(pipe, model, wanted, listening.told(encoders, [p.text for p in wanted]), empty, seed)
    return found


def _parts() -> Iterator[tuple[str, int]]:
    yield from ((arm, seed) for seed in SEEDS for arm in ARMS)


ENCODER_STUDY = Study(
    "language-encoders",
    lambda: [(name,) for name in ENCODERS],
    know,
    ("experiments.studies.languages", *_SCORES, "experiments.models.listeners", "experiments.data.captions", "experiments.data.render"),
    ENCODERS,
    dict(learnt=LEARNT, asked=ASKED, style=FULLEST),
)
ARM_STUDY = Study(
    "languages",
    _parts,
    hear,
    ("experiments.studies.languages", *listening.MODULES, *_SCORES),
    (listening.BASE, *ENCODERS, "checker"),
    dict(seeds=list(SEEDS), n=N, choices=CHOICES, images=listening.IMAGES, batch=listening.BATCH, rate=listening.RATE, call=listening.CALL),
)
STUDIES = (ENCODER_STUDY, ARM_STUDY)
