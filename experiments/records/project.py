"""Where things are in the project, and which chapters the table of contents lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from experiments.artefacts import ROOT
from experiments.records import parameters


class ProjectError(RuntimeError):
    """Something in the project's own files is wrong; the message is one line that names the file and the remedy."""


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book: its name without the ending, and its source."""

    name: str
    source: Path

    def notebook(self) -> dict[str, Any]:
        """The source as a dictionary. Raises `ProjectError` if it is no notebook or holds outputs."""
        try:
            content = json.loads(self.source.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise ProjectError(f"book/{self.source.name} cannot be read as a notebook: {error}") from None
        if any(cell.get("outputs") for cell in content["cells"]):
            raise ProjectError(
                f"book/{self.source.name} stores outputs; clear them, for the book shows only executed copies"
            )
        return content

    def code(self) -> list[str]:
        """The text of every code cell; lines that speak to IPython (`%`, `!`) are left out, so that it is Python."""
        cells = [cell for cell in self.notebook()["cells"] if cell["cell_type"] == "code"]
        return [_python("".join(cell["source"])) for cell in cells]

    def parameters(self) -> dict[str, Any]:
        """What its parameters cell assigns. Raises `ProjectError` unless all are literals."""
        found: dict[str, Any] = {}
        for cell in self.notebook()["cells"]:
            if "parameters" in cell.get("metadata", {}).get("tags", []):
                found.update(self._literals("".join(cell["source"])))
        return found

    def _literals(self, source: str) -> dict[str, Any]:
        try:
            return parameters.literals(source)
        except parameters.ParameterError as error:
            raise ProjectError(f"book/{self.source.name}: {error}") from None


def _python(source: str) -> str:
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())


@dataclass(frozen=True)
class Project:
    """The folders of one checkout."""

    root: Path = ROOT

    @property
    def built(self) -> Path:
        return self.root / "_build"

    @property
    def results(self) -> Path:
        """Promoted results of this machine, one folder a chapter."""
        return self.built / "results"

    @property
    def recorded(self) -> Path:
        """Results committed with the project, one folder a chapter."""
        return self.root / "book" / "results"

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    @property
    def package(self) -> Path:
        return self.root / "experiments"

    def chapters(self) -> list[Chapter]:
        """The notebooks of `_toc.yml`, in its order. Raises `ProjectError` for an entry without a file."""
        absent = self.absent()
        if absent:
            raise ProjectError(
                f"_toc.yml lists {absent[0]}, and there is no such page; add the file or take out the line"
            )
        return self.present()

    def present(self) -> list[Chapter]:
        """The notebooks of `_toc.yml` that exist."""
        sources = [(self.root / name).with_name(Path(name).name + ".ipynb") for name in pages(self.toc())]
        return [Chapter(source.stem, source) for source in sources if source.is_file()]

    def absent(self) -> list[str]:
        """Entries of `_toc.yml` without a file."""
        return [
            name
            for name in pages(self.toc())
            if not any((self.root / (name + end)).is_file() for end in ("", ".ipynb", ".md"))
        ]

    def chapter(self, name: str) -> Chapter:
        """The chapter called `name`, or by its number alone. Raises `ProjectError` with those that exist."""
        known = {chapter.name: chapter for chapter in self.chapters()}
        matches = [chapter for key, chapter in known.items() if key == name or key.split("-")[0] == name.zfill(2)]
        if not matches:
            raise ProjectError(f"no chapter {name!r}; the book has: {', '.join(known)}")
        return matches[0]

    def toc(self) -> dict[str, Any]:
        path = self.root / "_toc.yml"
        if not path.is_file():
            raise ProjectError("no _toc.yml here; run this from a checkout of the project")
        return yaml.safe_load(path.read_text(encoding="utf-8"))


def pages(entry: Any) -> list[str]:
    """Every page that a part of the table of contents names, in reading order."""
    if isinstance(entry, list):
        return [page for item in entry for page in pages(item)]
    if not isinstance(entry, dict):
        return []
    own = [entry[key] for key in ("root", "file") if key in entry]
    return own + [
        page for key in ("parts", "chapters", "sections", "entries", "subtrees") for page in pages(entry.get(key))
    ]
