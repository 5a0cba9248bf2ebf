"""Whether a chapter's result is still the result of what is in the project, decided by content and not by dates."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments.artefacts import closure, file_hash, fingerprint, imports, source_hash, write_json
from experiments.records import environment
from experiments.records.project import Chapter, Project, ProjectError

NAME = "inputs.json"
STUDIES = "studies"
CATALOGUES = (
    "experiments.models.recipes",
    "experiments.models.cards",
)  # they name every model, so a name there is no use

WORDS = {
    "notebook": "the notebook changed",
    "parameters": "its parameters changed",
    "code": "a module that it uses changed",
    "weights": "a model that it uses changed",
    "lock": "the lock file changed",
}


def inputs(project: Project, chapter: Chapter, given: dict[str, Any], models: Iterable[str] = ()) -> dict[str, Any]:
    """Hashes of all that determines the chapter's result.

    Weights count when the notebook, or code that it imports, names their folder, or when `models` (those that its last
    record lists) does.
    """
    cells = [[cell["cell_type"], "".join(cell["source"])] for cell in chapter.notebook()["cells"]]
    modules = used_modules(project, chapter)
    return {
        "notebook": fingerprint(cells),
        "parameters": fingerprint(given),
        "code": source_hash(*modules, package=project.package) if modules else "",
        "weights": {name: file_hash(project.weights / name) for name in used_weights(project, chapter, models)},
        "lock": environment.lock_sha256(project.root) or "",
    }


def used_modules(project: Project, chapter: Chapter) -> list[str]:
    """Modules of `experiments` that the notebook imports itself. Raises `ProjectError` for one that is not there."""
    found: set[str] = set()
    for source in chapter.code():
        try:
            found |= imports(source, project.package)
        except SyntaxError:
            continue  # execution will name the cell
    try:
        closure(found, project.package)
    except ModuleNotFoundError as error:
        raise ProjectError(f"book/{chapter.source.name} imports {error.name}, and there is no such module") from None
    return sorted(found)


def used_weights(project: Project, chapter: Chapter, models: Iterable[str] = ()) -> list[str]:
    """Folders of `weights/`, and single studies (`studies/<name>.json`), that the chapter depends on."""
    folders = {path.name for path in project.weights.glob("*") if path.is_dir() and not path.name.startswith(".")}
    studies = {path.stem: f"{STUDIES}/{path.name}" for path in project.weights.glob(f"{STUDIES}/*.json")}
    said = {text for source in chapter.code() for text in _texts(source)}
    for module in closure(used_modules(project, chapter), project.package):
        file = project.root.joinpath(*module.split(".")).with_suffix(".py")
        if file.is_file() and not module.startswith(CATALOGUES):
            said |= set(_texts(file.read_text(encoding="utf-8")))
    used = [studies[name] for name in studies.keys() & said]
    return sorted([*((folders - {STUDIES}) & (said | set(models))), *used])


def _texts(source: str) -> Iterable[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    constants = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [part for text in constants for part in (text, Path(text).name if len(text) < 200 else text)]


def save(folder: Path, found: dict[str, Any]) -> None:
    """Write `found` beside a result."""
    write_json(folder / NAME, found)


def saved(folder: Path) -> dict[str, Any] | None:
    """What `save` wrote in `folder`, or None."""
    try:
        return json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None


def stale(project: Project, chapter: Chapter, given: dict[str, Any], folder: Path) -> str | None:
    """Why the result in `folder` is not that of today's project, in words, or None when it is."""
    before = saved(folder)
    if before is None or not (folder / "notebook.ipynb").is_file():
        return "not executed yet"
    today = inputs(project, chapter, given, models=before.get("weights", {}))
    changed = [WORDS[key] for key in today if today[key] != before.get(key)]
    return changed[0] if changed else None
