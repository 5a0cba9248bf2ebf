"""`{miniatures}`, `{miniature-training}` and `{miniature-sheets}`: what ships beside the release it mirrors, how it was trained, its pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from evidence import files, line, tables, wording
from evidence.library import TRAINING
from evidence.released import _parameters
from experiments.models import cards
from experiments.records.weights import missed

PREFIX, STUDY = "mini-", "sheet-"


class MiniatureDirective(SphinxDirective):
    """What the records of training and of sheets say of each miniature; a later one is picked up by its records alone."""

    def trainings(self) -> Iterator[tuple[str, dict[str, Any]]]:
        library = self.env.app.evidence
        for name, record in library.trainings.items():
            self.env.note_dependency(str(library.weights / name / TRAINING))
            if name.startswith(PREFIX):
                yield name, record

    def sheet(self, name: str) -> dict[str, Any] | None:
        """The result of the study of a miniature's sheet, or None where there is none."""
        found = self.env.app.evidence.studies.get(STUDY + name)
        return found["parts"][0]["result"] if found and found["parts"] else None


class MiniatureTable(MiniatureDirective):
    """A row for each miniature."""

    head: tuple[str, ...]

    def run(self) -> list[nodes.Node]:
        rows = [[name, *self.row(name, record)] for name, record in self.trainings()]
        if not rows:
            return [nodes.paragraph("", wording.NOT_MEASURED, classes=["not-measured"])]
        return [nodes.container("", tables.plain(["miniature", *self.head], rows), classes=["evidence-table"])]

    def row(self, name: str, record: dict[str, Any]) -> list[str | nodes.Node]:
        raise NotImplementedError


class Trained(MiniatureTable):
    """How far each was trained and what it scores."""

    head = ("single object", "overall", "images seen", "legs", "minutes", "state", "record")

    def row(self, name: str, record: dict[str, Any]) -> list[str | nodes.Node]:
        seen, budget = record.get("images_seen"), record.get("images_budget")
        scores, seconds = record.get("scores") or {}, record.get("seconds_spent")
        return [
            wording.score(scores.get("single object")),
            wording.score(scores.get("overall")),
            f"{seen:,} of {budget:,}" if seen is not None and budget else wording.NOT_MEASURED,
            str(1 + len(record.get("legs") or [])),
            f"{seconds / 60:.0f}, {record['device']}" if seconds is not None else wording.NOT_MEASURED,
            line.state(record),
            files.link(self.env, "training", files.training_uri(name)),
        ]


class Miniatures(MiniatureTable):
    """What each mirrors, its size beside the release's, and its work."""

    head = ("mirrors", "parameters", "of the release", "GFLOP a pass", "GFLOP a picture")

    def row(self, name: str, record: dict[str, Any]) -> list[str | nodes.Node]:
        card = cards.mirrored(record.get("mirrors") or "")
        work = (self.sheet(name) or {}).get("gigaflops") or {}
        return [
            record.get("mirrors") or "–",
            _parameters(record["parameters"]) if record.get("parameters") else wording.NOT_MEASURED,
            _parameters(cards.count(card)[cards.denoiser(card)]) if card else "–",
            wording.number(work["forward"], ".2g") if work else wording.NOT_MEASURED,
            wording.number(work["image"], ".2g") if work else wording.NOT_MEASURED,
        ]


class Sheets(MiniatureDirective):
    """The eight prompts, then a figure for each miniature: its pictures of them, in that order."""

    def run(self) -> list[nodes.Node]:
        found = [(name, record, self.sheet(name)) for name, record in self.trainings()]
        drawn = [(name, record, sheet) for name, record, sheet in found if sheet and self._path(name).is_file()]
        if not drawn:
            return [nodes.paragraph("", wording.NOT_MEASURED, classes=["not-measured"])]
        prompts = nodes.enumerated_list(enumtype="arabic", prefix="", suffix=".")
        prompts += [nodes.list_item("", nodes.paragraph("", text)) for text in drawn[0][2]["prompts"]]
        return [prompts, *(self._figure(*each) for each in drawn)]

    def _path(self, name: str):
        return self.env.app.evidence.weights / "studies" / f"{STUDY}{name}.png"

    def _figure(self, name: str, record: dict[str, Any], sheet: dict[str, Any]) -> nodes.figure:
        self.env.note_dependency(str(self._path(name)))
        right = [str(k) for k, good in enumerate(sheet["followed"], 1) if good]
        said = f"The checker finds prompts {', '.join(right)} followed." if right else "The checker finds no prompt followed."
        figure = nodes.figure(classes=["evidence-figure"])
        uri = "/" + os.path.relpath(self._path(name), self.env.srcdir).replace(os.sep, "/")
        figure += nodes.image(uri=uri, alt=f"Eight pictures by {name}, one for each prompt. {said}", classes=["evidence-card"])
        figure += nodes.caption("", f"{name}: one picture for each of the eight prompts, seed {sheet['seed']}. {said}")
        below = nodes.paragraph(classes=["evidence"])
        below += [line.model(self.env, name, bool(missed(record))), nodes.Text(" · "), files.link(self.env, "study", files.study_uri(STUDY + name))]
        figure += nodes.legend("", below)
        return figure

