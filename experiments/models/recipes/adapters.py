"""Rows of what attaches to `mini-sd1.5` (ControlNet, T2I-Adapter, IP-Adapter, LoRA, DoRA), and of the reader that judges structure."""

from __future__ import annotations

from experiments.models.recipes.recipe import CAPTIONS, LOOP, RENDER, Recipe

_LEARNING = (LOOP, RENDER, CAPTIONS, "experiments.training.paths")
_BY_READER = (LOOP, RENDER, "experiments.metrics.checker_data", "experiments.metrics.structure")
_BY_BRANCH = (*_LEARNING, "experiments.data.maps")
_BY_IMAGE = _LEARNING
_BY_WEIGHTS = (*_LEARNING, "experiments.data.novel")
_BY_RELIEF = (*_LEARNING, "experiments.data.relief")
_SHAPE = dict(scores="experiments.metrics.control_scores:branch")
_RELIEF = dict(scores="experiments.metrics.relief_scores:branch")
_IMAGE = dict(scores="experiments.metrics.image_scores:image_prompt")
_WEIGHTS = dict(scores="experiments.metrics.concept_scores:concept")
_BASE = ("mini-sd1.5",)

ROWS = (
    Recipe(
        "structure-reader",
        "experiments.metrics.structure_training:train",
        mirrors="the detectors that ControlNet's authors took their maps from; a small U-Net on renders",
        objective="cross-entropy of solids, absolute error of depth",
        images=8_000,
        batch=32,
        rate=4e-3,
        made_by=_BY_READER,
        needs=("checker",),
        config=dict(scores="experiments.metrics.structure_training:measure"),
        expected={"solid IoU": 0.85},
    ),
    *(
        Recipe(
            name,
            "experiments.adapters.shipping:branch",
            mirrors=mirrors,
            objective="epsilon",
            images=32_000,
            batch=16,
            rate=rate,
            made_by=_BY_RELIEF if kind == "relief" else _BY_BRANCH,
            needs=_BASE,
            config=dict(kind=kind, way=way) | (_RELIEF if kind == "relief" else _SHAPE),
            expected={"solid IoU": 0.7},
        )
        for name, kind, way, rate, mirrors in (
            ("controlnet-segmentation", "segmentation", "controlnet", 3e-3, "ControlNet on segmentation maps for sd-1.5"),
            ("controlnet-edges", "edges", "controlnet", 3e-3, "ControlNet on Canny edges for sd-1.5"),
            ("controlnet-depth", "relief", "controlnet", 3e-3, "ControlNet on depth for sd-1.5; it is shown depth without the floor"),
            ("controlnet-spectrogram", "spectrogram", "controlnet", 3e-3, "ControlNet for sd-1.5, on the spectrogram of a sound that tells the scene"),
            ("t2i-adapter-segmentation", "segmentation", "t2i-adapter", 2e-3, "T2I-Adapter on segmentation maps for sd-1.4"),
        )
    ),
    Recipe(
        "ip-adapter",
        "experiments.adapters.shipping:image",
        mirrors="IP-Adapter for sd-1.5 (ip-adapter_sd15)",
        objective="epsilon",
        images=3_200,
        batch=16,
        rate=2e-3,
        made_by=_BY_IMAGE,
        needs=("mini-sd1.5", "clip"),
        config=dict(way="decoupled") | _IMAGE,
    ),
    *(
        Recipe(
            name,
            "experiments.adapters.shipping:concept",
            mirrors=f"a {'DoRA' if method['way'] == 'dora' else 'LoRA'} for sd-1.5",
            objective="epsilon",
            images=1_200,
            batch=8,
            rate=4e-3,
            made_by=_BY_WEIGHTS,
            needs=_BASE,
            config=dict(method=method) | _WEIGHTS,
            expected={"concept": 0.7},
        )
        for name, method in (
            ("lora-tower", dict(way="lora", rank=4, concept="tower")),
            ("dora-tower", dict(way="dora", rank=4, concept="tower")),
            ("lora-stripes", dict(way="lora", rank=4, concept="stripes")),
        )
    ),
)
