"""Released models on pages: what they are, what they hold, where they fit and how long they take; all counted from cards."""

from __future__ import annotations

import json
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from evidence import tables, wording
from experiments.models import cards, machines

UNKNOWN = "not known"
Cell = str | nodes.Node


class CardTable(SphinxDirective):
    """A table of the cards; the subclass says its columns and rows."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(cards.COUNTED))
        head, rows = self.content_of()
        if not rows:
            return [nodes.paragraph("", wording.NOT_MEASURED, classes=["not-measured"])]
        return [nodes.container("", tables.plain(head, rows), classes=["evidence-table"])]

    def content_of(self) -> tuple[list[str], list[list[Cell]]]:
        raise NotImplementedError


class Fits(CardTable):
    """Per model and GPU class: fits, fits with offload or 4-bit weights, or does not."""

    def content_of(self):
        head = ["model", *(f"{machine.memory} GB" for machine in machines.MACHINES), "licence", "gated", "download"]
        rows = [
            [name, *(machines.grade(name, machine.memory) for machine in machines.MACHINES), *_terms(name), _size(name)]
            for name in cards.names()
        ]
        return head, rows


class Gpus(CardTable):
    """The GPU of each class that the least times are computed for."""

    def content_of(self):
        head = ["memory", "example", "dense bf16", "bandwidth", "source"]
        rows = []
        for machine in machines.MACHINES:
            known = machine.peak is not None
            peak = f"{machine.peak:g} TFLOP/s" if known else UNKNOWN
            rows.append([f"{machine.memory} GB", machine.name or "–", peak,
                         f"{machine.bandwidth:,} GB/s" if known else UNKNOWN, source(machine.source)])
        return head, rows


class Times(CardTable):
    """Work and least time of a picture with the default call, and what was measured on a GPU."""

    def content_of(self):
        known = [machine for machine in machines.MACHINES if machine.peak]
        measured, lecture = self._measured(), lecture_seconds()
        head = ["model", "steps", "pixels", "work", *(f"least, {machine.name}" for machine in known), "measured", "lecture"]
        rows = []
        for name in cards.names():
            call = cards.card(name)["defaults"]
            least = [_seconds(machines.seconds(name, machine)) for machine in known]
            size, work = f"{call['height']}×{call['width']}", _work(cards.gigaflops(name)["image"])
            told = measured.get(name, wording.NOT_MEASURED)
            rows.append([name, str(call["steps"]), size, work, *least, told, _seconds(lecture.get(name))])
        return head, rows

    def _measured(self) -> dict[str, str]:
        """By card: seconds alone, as it is and compiled, with the GPU's name."""
        said: dict[str, list[str]] = {}
        for path in sorted((self.env.app.evidence.weights / "timing").glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            self.env.note_dependency(str(path))
            for held in record["systems"].values() if record["real"] else ():
                seconds = [held["pieces"].get(f"{way} 1", {}).get("seconds") for way in ("eager", "compiled")]
                told = ", compiled ".join(_seconds(value) for value in seconds if value)
                said.setdefault(held["card"], []).append(f"{told} ({record['device']})" if told else "too large")
        return {name: "; ".join(parts) for name, parts in said.items()}


class Sizes(CardTable):
    """Parameters by kind of component, operations, licence, date."""

    def content_of(self):
        head = ["model", "released", "denoiser", "text encoders", "all", "a forward pass", "a picture", "licence", "gated"]
        head += ["not seen"]
        rows = []
        for name in cards.names():
            sizes, work = cards.count(name), cards.gigaflops(name)
            texts = sum(size for part, size in sizes.items() if "text_encoder" in part)
            released = cards.card(name)["released"]
            sure = "" if _dated(name) else " (not verified)"
            parts = [_parameters(size) for size in (sizes[cards.denoiser(name)], texts, sum(sizes.values()))]
            unseen = ", ".join(part.replace("_", " ") for part in cards.unseen(name)) or "–"
            rows.append([name, released + sure, *parts, _work(work["forward"]), _work(work["image"]), *_terms(name), unseen])
        return head, rows


class Published(CardTable):
    """Sizes that others published beside what is counted: of denoisers, and wherever the difference is explained."""

    def content_of(self):
        head = ["model", "component", "published", "counted", "difference", "source", "why it differs"]
        rows = []
        for name in cards.names():
            for row in cards.published(name):
                if row.part == cards.denoiser(name) or row.explanation:
                    rows.append([name, row.part.replace("_", " "), _parameters(row.value), _parameters(row.counted),
                                 f"{row.difference:+.1%}", row.source, row.explanation or "–"])
        return head, rows


def lecture_seconds() -> dict[str, float]:
    """Seconds of the lecture's table by card."""
    from experiments.metrics.published import LECTURE

    by_title = {row.model: row.seconds for row in LECTURE}
    return {card: by_title[title] for card, title in LECTURE_CARDS.items()}


LECTURE_CARDS = {"sd-1.5": "SD1.5", "sdxl-base-1.0": "SDXL", "sd3-medium": "SD3", "sd3.5-medium": "SD3.5", "flux.1-dev": "FLUX.1",
                 "hunyuan-dit-v1.2": "Hunyuan-DiT", "kandinsky-2.1": "Kandinsky"}


def source(text: str) -> Cell:
    """A source, as a link where it is an address."""
    if not text.startswith("https://"):
        return text or "–"
    return nodes.reference("", text.removeprefix("https://").split("/")[0], refuri=text)


def _terms(name: str) -> list[Cell]:
    """Licence, and whether the hub asks for a token, with a link to who says so."""
    known, licence = cards.access(name), cards.card(name)["license"]
    if "withdrawn" in known:
        said = f"withdrawn {known['withdrawn']}; a copy: {known['mirror']}"
    else:
        said = {True: "yes", False: "no", None: UNKNOWN}[known.get("gated")]
    return [licence, nodes.reference("", said, refuri=known["source"]) if known else said]


def _dated(name: str) -> bool:
    said = cards.card(name)["released_source"]
    return "NOT" not in said and "not verified" not in said


def _size(name: str) -> str:
    return f"{sum(cards.gigabytes(name).values()):.1f} GB"


def _parameters(count: float) -> str:
    return f"{count / 1e9:.3f} B" if count >= 1e9 else f"{count / 1e6:.1f} M"


def _work(gigaflops: float) -> str:
    """Operations in the unit that keeps them short."""
    for size, unit in ((1e6, "PFLOP"), (1e3, "TFLOP")):
        if gigaflops >= size:
            return f"{gigaflops / size:.3g} {unit}"
    return f"{gigaflops:.2g} GFLOP"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
