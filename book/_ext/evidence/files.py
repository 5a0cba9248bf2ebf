"""Files that the site carries beside its pages (records, tables as CSV, training records), and links to them."""

from __future__ import annotations

import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from evidence.library import RECORD, STUDIES, TRAINING, Library

FOLDER = "records"


def record_uri(record: str) -> str:
    """Where the site keeps a chapter's record, from its root."""
    return f"{FOLDER}/{record}/{RECORD}"


def table_uri(record: str, file: str) -> str:
    """Where the site keeps a table of a chapter, from its root."""
    return f"{FOLDER}/{record}/{file}"


def training_uri(weights: str) -> str:
    """Where the site keeps the training record of some weights, from its root."""
    return f"{FOLDER}/weights/{weights}/{TRAINING}"


def study_uri(study: str) -> str:
    """Where the site keeps what a study measured, from its root."""
    return f"{FOLDER}/weights/{STUDIES}/{study}.json"


def link(env: BuildEnvironment, text: str, uri: str, *classes: str) -> nodes.reference:
    """A link from the page being read to the site's own file `uri`."""
    up = "../" * env.docname.count("/")
    return nodes.reference("", text, refuri=f"{up}{uri}", internal=True, classes=list(classes))


def copy(app: Sphinx, failure: Exception | None) -> None:
    """Copy into the site every file that a link of this module can name."""
    if failure or app.builder.format != "html":
        return
    library: Library = app.evidence
    out = Path(app.outdir)
    for name, record in library.records.items():
        files = [table["file"] for table in record.get("tables", {}).values()]
        for file in [RECORD, *files]:
            _copy(library.results / name / file, out / table_uri(name, file))
    for name in library.trainings:
        _copy(library.weights / name / TRAINING, out / training_uri(name))
    for name in library.studies:
        _copy(library.weights / STUDIES / f"{name}.json", out / study_uri(name))


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
