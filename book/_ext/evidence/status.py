"""`{status}`: what was run, on which machine, for how long, and how far the weights were trained."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from evidence import files, line, tables, wording
from evidence.claims import reference
from evidence.library import RECORD, TRAINING
from experiments.records.weights import missed

NOTHING = "Nothing was run for this book yet: every number reads “not measured”."


class StatusDirective(SphinxDirective):
    """Three tables read from the records: chapters, weights, environment."""

    def run(self) -> list[nodes.Node]:
        library = self.env.app.evidence
        for folder, names, file in ((library.results, library.records, RECORD), (library.weights, library.trainings, TRAINING)):
            for name in names:
                self.env.note_dependency(str(folder / name / file))
        shown: list[nodes.Node] = []
        if library.records:
            shown += self._part("Chapters", self._chapters()) + self._part("Environment", self._environment())
        else:
            shown.append(nodes.paragraph("", NOTHING))
        return shown + (self._part("Weights", self._weights()) if library.trainings else [])

    def _part(self, name: str, table: nodes.table) -> list[nodes.Node]:
        return [nodes.rubric("", name), nodes.container("", table, classes=["evidence-table"])]

    def _chapters(self) -> nodes.table:
        head = ["chapter", "scale", "device", "time", "peak memory", "n", "started", "commit", "record"]
        return tables.plain(head, [self._chapter(*each) for each in self.env.app.evidence.records.items()])

    def _chapter(self, name: str, record: dict[str, Any]) -> list[str | nodes.Node]:
        n = record.get("n")
        return [
            reference("doc", f"/book/{name}", name),
            record["scale"],
            line.device(record),
            wording.duration(record.get("wall_seconds")),
            wording.memory(record.get("peak_memory_mib")),
            wording.NOT_MEASURED if n is None else f"{n:,}",
            record["started"][:16].replace("T", " "),
            wording.commit(record),
            files.link(self.env, "record", files.record_uri(name)),
        ]

    def _environment(self) -> nodes.table:
        records = self.env.app.evidence.records
        names = sorted({package for record in records.values() for package in record.get("versions", {})})
        rows = [["Python", *(record["python"] for record in records.values())]]
        rows += [[name, *(r.get("versions", {}).get(name, "–") for r in records.values())] for name in names]
        rows.append(["lock", *((r.get("lock_sha256") or "none")[:12] for r in records.values())])
        return tables.plain(["", *records], rows)

    def _weights(self) -> nodes.table:
        head = ["weights", "mirrors", "parameters", "images seen", "budget", "time", "device", "scores", "state", "record"]
        return tables.plain(head, [self._trained(*each) for each in self.env.app.evidence.trainings.items()])

    def _trained(self, name: str, training: dict[str, Any]) -> list[str | nodes.Node]:
        late = missed(training)
        return [
            name,
            _plain(training.get("mirrors")),
            _whole(training.get("parameters")),
            _whole(training.get("images_seen")),
            _whole(training.get("images_budget")),
            wording.duration(training.get("seconds_spent")),
            training.get("device") or wording.NOT_MEASURED,
            scores(training),
            line.badge("under-trained: " + "; ".join(late), "undertrained") if late else nodes.Text("reached its bar"),
            files.link(self.env, "training", files.training_uri(name)),
        ]


def scores(training: dict[str, Any]) -> str:
    """Each expected score as "psnr 31.2 (bar 30)"."""
    reached = training.get("scores") or {}
    told = []
    for name, bar in (training.get("expected") or {}).items():
        given = reached.get(name)
        value = given.get("value") if isinstance(given, dict) else given
        told.append(f"{name} {wording.number(value)} (bar {wording.number(bar)})")
    return "; ".join(told) or "no bar set"


def _whole(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else wording.NOT_MEASURED if value is None else str(value)


def _plain(value: Any) -> str:
    return str(value) if value else "–"
