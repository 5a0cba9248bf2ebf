"""`{adapters}`: every adapter that ships, how far it was trained and what it scores."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from evidence import files, line, tables, wording
from evidence.library import TRAINING
from evidence.released import _parameters
from experiments.models.recipes import adapters

BASE = "mini-sd1.5"
ROWS = [row.name for row in adapters.ROWS if BASE in row.needs]


class Adapters(SphinxDirective):
    """The adapters' rows of the recipes that have a record of training, in their order."""

    def run(self) -> list[nodes.Node]:
        library = self.env.app.evidence
        found = {name: library.trainings[name] for name in ROWS if name in library.trainings}
        for name in found:
            self.env.note_dependency(str(library.weights / name / TRAINING))
        if not found:
            return [nodes.paragraph("", wording.NOT_MEASURED, classes=["not-measured"])]
        head = ["adapter", "state", "scores", "images seen", "parameters", "mirrors", "record"]
        return [nodes.container("", tables.plain(head, [self._row(*each) for each in found.items()]), classes=["evidence-table"])]

    def _row(self, name: str, record: dict[str, Any]) -> list[str | nodes.Node]:
        judged = record["expected"] or record["scores"]  # what its bar is about, and all where there is none
        return [
            name,
            line.state(record),
            "; ".join(f"{score} {wording.score(record['scores'].get(score))}" for score in judged),
            f"{record['images_seen']:,} of {record['images_budget']:,}",
            _parameters(record["parameters"]),
            record["mirrors"],
            files.link(self.env, "training", files.training_uri(name)),
        ]
