"""`{status-chapters}`, `{status-weights}`, `{status-environment}`: what was run, where, and how long."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from evidence import files, line, tables, wording
from evidence.library import RECORD, STUDIES, TRAINING
from evidence.shown import reference

NOTHING = "not measured: nothing was run yet"


class StatusTable(SphinxDirective):
    """A table read from every record of one kind; without any it says that nothing was run."""

    def run(self) -> list[nodes.Node]:
        library = self.env.app.evidence
        for name in library.records:
            self.env.note_dependency(str(library.results / name / RECORD))
        for name in library.trainings:
            self.env.note_dependency(str(library.weights / name / TRAINING))
        for name in library.studies:
            self.env.note_dependency(str(library.weights / STUDIES / f"{name}.json"))
        table = self.table()
        if table is None:
            return [nodes.paragraph("", NOTHING, classes=["not-measured"])]
        return [nodes.container("", table, classes=["evidence-table"])]

    def table(self) -> nodes.table | None:
        raise NotImplementedError


class Chapters(StatusTable):
    """Where, when and for how long each chapter ran."""

    def table(self) -> nodes.table | None:
        head = ["chapter", "scale", "device", "time", "peak memory", "n", "record", "started", "commit"]
        rows = [self._chapter(*each) for each in self.env.app.evidence.records.items()]
        return tables.plain(head, rows) if rows else None

    def _chapter(self, name: str, record: dict[str, Any]) -> list[str | nodes.Node]:
        n = record.get("n")
        return [
            reference(self.env, "doc", f"/book/{name}", name),
            record["scale"],
            record["device"],
            wording.duration(record.get("wall_seconds")),
            wording.memory(record.get("peak_memory_mib")),
            wording.NOT_MEASURED if n is None else f"{n:,}",
            files.link(self.env, "record", files.record_uri(name)),
            record["started"][:16].replace("T", " "),
            wording.commit(record).removeprefix("commit "),
        ]


class Environment(StatusTable):
    """The processor and the version of everything that can change a number."""

    def table(self) -> nodes.table | None:
        records = self.env.app.evidence.records
        names = sorted({package for record in records.values() for package in record.get("versions", {})})
        rows = [["processor", *(record["cpu"] for record in records.values())]]
        rows.append(["Python", *(record["python"] for record in records.values())])
        rows += [[name, *(r.get("versions", {}).get(name, "–") for r in records.values())] for name in names]
        rows.append(["lock", *((r.get("lock_sha256") or "none")[:12] for r in records.values())])
        return tables.plain(["", *records], rows) if records else None


class Weights(StatusTable):
    """How far each miniature was trained, and whether that was enough."""

    def table(self) -> nodes.table | None:
        head = [
            "weights",
            "state",
            "scores",
            "images seen",
            "budget",
            "time",
            "device",
            "parameters",
            "mirrors",
            "record",
        ]
        rows = [self._trained(*each) for each in self.env.app.evidence.trainings.items()]
        return tables.plain(head, rows) if rows else None

    def _trained(self, name: str, training: dict[str, Any]) -> list[str | nodes.Node]:
        return [
            name,
            line.state(training),
            scores(training),
            _whole(training.get("images_seen")),
            _whole(training.get("images_budget")),
            wording.duration(training.get("seconds_spent")),
            training.get("device") or wording.NOT_MEASURED,
            _whole(training.get("parameters")),
            _plain(training.get("mirrors")),
            files.link(self.env, "training", files.training_uri(name)),
        ]


class Studies(StatusTable):
    """What was measured once, outside the chapters: how many parts, for how long, where."""

    def table(self) -> nodes.table | None:
        head = ["study", "parts", "time", "device", "threads", "torch", "record"]
        rows = [
            [
                name,
                _whole(len(study["parts"])),
                wording.duration(study["seconds"]),
                study["device"],
                _whole(study["threads"]),
                study["versions"]["torch"],
                files.link(self.env, "study", files.study_uri(name)),
            ]
            for name, study in self.env.app.evidence.studies.items()
        ]
        return tables.plain(head, rows) if rows else None


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
