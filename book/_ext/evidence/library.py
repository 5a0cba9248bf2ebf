"""What the book knows: the records of its chapters and the training records of its weights, read from disk once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORD = "record.json"
TRAINING = "training.json"
STUDIES = "studies"


@dataclass(frozen=True)
class Library:
    """Records by chapter, training records by weights, studies by name; empty where nothing was run."""

    results: Path
    weights: Path
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    trainings: dict[str, dict[str, Any]] = field(default_factory=dict)
    studies: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, results: Path, weights: Path) -> Library:
        """Read every `<chapter>/record.json` of `results`, `<name>/training.json` and `studies/<name>.json` of `weights`."""
        studies = {path.stem: _read(path) for path in sorted((weights / STUDIES).glob("*.json"))}
        return cls(results, weights, _each(results, RECORD), _each(weights, TRAINING), studies)

    def metric(self, record: str, name: str) -> dict[str, Any] | None:
        """The metric `name` of a chapter's record, or None where it was not measured."""
        found = self.records.get(record, {}).get("metrics", {}).get(name)
        return found if found and found.get("value") is not None else None

    def item(self, kind: str, record: str, name: str) -> dict[str, Any] | None:
        """A figure or table (`kind` is "figures" or "tables") with the path of its file, or None."""
        found = self.records.get(record, {}).get(kind, {}).get(name)
        return {**found, "path": self.results / record / found["file"]} if found else None

    def evidence(self, record: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """What says on which models a verdict rests: the verdict itself, or the figure or table that it names."""
        shown = (self.item(kind, record, given["figure"]) for kind in ("figures", "tables"))
        return given if "models" in given else next((item for item in shown if item), None)

    def verdicts(self, claim: str) -> list[tuple[str, dict[str, Any]]]:
        """Each chapter that examined `claim`, with what it found."""
        given = ((name, record.get("claims", {}).get(claim)) for name, record in self.records.items())
        return [(name, verdict) for name, verdict in given if verdict]


def _each(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    return {path.parent.name: _read(path) for path in sorted(folder.glob(f"*/{name}"))}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
