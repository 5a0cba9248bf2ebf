"""Sheets: pictures along three axes in one file, which `sheet.js` shows with a slider for each axis.

A figure with a sheet beside it (`experiments.records.sheet`) gets an empty place under it; the script fills the place, and
without the script the figure stands alone.
"""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from evidence import files


def beside(figure: Path) -> Path | None:
    """The sheet of a figure's file, where it has one and what is said of it."""
    sheet = figure.with_name(f"{figure.stem}-sheet.webp")
    return sheet if sheet.is_file() and sheet.with_suffix(".json").is_file() else None


def place(env: BuildEnvironment, record: str, figure: Path, alt: str) -> list[nodes.Node]:
    """Where the script puts the sheet of `figure`; nothing where there is none."""
    sheet = beside(figure)
    if sheet is None:
        return []
    env.note_dependency(str(sheet))
    told: dict[str, Any] = json.loads(sheet.with_suffix(".json").read_text(encoding="utf-8"))
    up = "../" * env.docname.count("/")
    data = {"src": up + files.table_uri(record, sheet.name), "alt": alt, "sheet": json.dumps(told)}
    written = "".join(f' data-{key}="{html.escape(value, quote=True)}"' for key, value in data.items())
    return [nodes.raw("", f'<div class="evidence-sheet"{written}></div>', format="html")]


def copy(app: Sphinx, failure: Exception | None) -> None:
    """Copy every sheet into the site."""
    if failure or app.builder.format != "html":
        return
    for record in app.evidence.records:
        for source in (app.evidence.results / record).glob("*-sheet.webp"):
            target = Path(app.outdir) / files.table_uri(record, source.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
