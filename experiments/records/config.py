"""Checking `_config.yml`: jupyter-book ignores a key that it does not know, so a misspelt one would pass unseen."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from experiments.records.project import Project, ProjectError

FREE = {"sphinx/config", "sphinx/extra_extensions", "sphinx/local_extensions", "parse/myst_substitutions"}
UNLISTED = {
    "bibtex_bibfiles",
    "project",
    "parse/myst_substitutions",
    "latex/latex_documents",
    "launch_buttons/colab_url",
}


def known() -> dict[str, Any]:
    """jupyter-book's own list of keys with their defaults, read without importing it."""
    found = importlib.util.find_spec("jupyter_book")
    if found is None or found.origin is None:
        raise ProjectError("jupyter-book is not installed; run `make book`, which installs what the lock file lists")
    return yaml.safe_load((Path(found.origin).parent / "default_config.yml").read_text(encoding="utf-8"))


def faults(given: dict[str, Any]) -> list[str]:
    """Keys of `given` that jupyter-book does not know, and settings that would let it execute or hide a failure."""
    wrong = list(_unknown(given, known(), ""))
    execution = (given.get("execute") or {}).get("execute_notebooks")
    if execution != "off":
        wrong.append(
            f'execute/execute_notebooks must be "off", not {execution!r}: only promoted notebooks enter the book'
        )
    return wrong


def _unknown(given: dict[str, Any], valid: dict[str, Any], above: str) -> Iterator[str]:
    for key, value in given.items():
        path = above + str(key)
        if path in UNLISTED:
            continue
        if key not in valid:
            close = difflib.get_close_matches(str(key), list(valid), n=1)
            yield f"unknown key {path}" + (f"; did you mean {close[0]}?" if close else "")
        elif path not in FREE and isinstance(value, dict) and isinstance(valid[key], dict):
            yield from _unknown(value, valid[key], path + "/")


def check(project: Project) -> None:
    """Raise `ProjectError` with the first fault of the project's `_config.yml`."""
    path = project.root / "_config.yml"
    if not path.is_file():
        raise ProjectError("no _config.yml here; run this from a checkout of the project")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ProjectError(f"_config.yml is not YAML: {' '.join(str(error).split())}") from None
    wrong = faults(given)
    if wrong:
        raise ProjectError(f"_config.yml: {wrong[0]}")
