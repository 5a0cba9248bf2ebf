"""Sphinx extension: figures, tables and numbers of the book come from the records of its chapters, and say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from evidence import adapters, claims, evaluation, figures, files, findings, markup, miniatures, notebook, numbers, released, scenes, sheets, shown, status, tables
from evidence.library import Library

RESULTS = "book/results"
WEIGHTS = "weights"
ABOVE = 3


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("evidence_results", RESULTS, "env", [str])
    app.add_config_value("evidence_weights", WEIGHTS, "env", [str])
    app.connect("config-inited", read_notebooks_here, priority=100)
    app.connect("builder-inited", open_library)
    app.connect("html-page-context", markup.correct)
    app.connect("build-finished", files.copy)
    app.connect("build-finished", sheets.copy)
    app.connect("build-finished", evaluation.copy)
    app.add_directive("adapters", adapters.Adapters)
    app.add_directive("record-figure", figures.RecordFigure)
    app.add_directive("record-table", tables.RecordTable)
    app.add_directive("claims", claims.ClaimsDirective)
    app.add_directive("verdicts", findings.Verdicts)
    app.add_directive("findings", findings.Findings)
    app.add_directive("evaluation-grid", evaluation.EvaluationGrid)
    app.add_directive("evaluation-table", evaluation.EvaluationTable)
    app.add_directive("status-chapters", status.Chapters)
    app.add_directive("status-environment", status.Environment)
    app.add_directive("status-studies", status.Studies)
    app.add_directive("status-weights", status.Weights)
    app.add_directive("miniatures", miniatures.Miniatures)
    app.add_directive("miniature-training", miniatures.Trained)
    app.add_directive("miniature-sheets", miniatures.Sheets)
    app.add_directive("released-fits", released.Fits)
    app.add_directive("released-gpus", released.Gpus)
    app.add_directive("released-published", released.Published)
    app.add_directive("released-sizes", released.Sizes)
    app.add_directive("released-times", released.Times)
    app.add_directive("scene-words", scenes.Words)
    app.add_directive("scene-captions", scenes.Captions)
    app.add_directive("scene-withheld", scenes.Withheld)
    app.add_role("metric", numbers.MetricRole())
    app.add_role("number", numbers.NumberRole())
    app.add_role("claim", claims.ClaimRole())
    app.add_role("shown", shown.ShownRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def read_notebooks_here(app: Sphinx, config: Config) -> None:
    """Notebooks pass through this extension's reader; before MyST-NB looks at its own configuration."""
    config.nb_custom_formats = {**config.nb_custom_formats, **notebook.FORMATS}


def open_library(app: Sphinx) -> None:
    """Read the records beside the sources, and training records there or, for a copy, in the project above."""
    source = Path(app.srcdir)
    places = [source / app.config.evidence_weights]
    places += [parent / app.config.evidence_weights for parent in list(source.parents)[:ABOVE]]
    weights = next((place for place in places if place.is_dir()), places[0])
    app.evidence = Library.read(source / app.config.evidence_results, weights)
