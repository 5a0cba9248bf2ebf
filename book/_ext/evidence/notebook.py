"""Reading a promoted notebook so that what a record vouches for is drawn from the record.

An output that names a figure or a table of a record becomes this extension's directive, and Markdown that a cell wrote
becomes Markdown of the page, so that formulas and citations work in it. Every other output stays as Jupyter shows it.
Long code that leads to a figure, a table or a sentence of the record is folded; the tag `show-input` keeps it open, where the
code is what the reader came for.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import nbformat

FORMATS = {".ipynb": ["evidence.notebook.read", {}, False]}
UNSHOWN = "# the outputs of the cell above"  # MyST-NB drops a cell without source, and its outputs with it
HIDDEN = "remove-input"
FOLDED, OPEN = "hide-input", "show-input"
LONG = 10  # lines
FENCE = "`" * 5


def read(text: str) -> nbformat.NotebookNode:
    """A notebook from its JSON, with recorded outputs as directives; cells keep their order."""
    notebook = nbformat.reads(text, as_version=4)
    notebook.cells = [part for cell in notebook.cells for part in _parts(cell)]
    return notebook


def label(kind: str, record: str, name: str) -> str:
    """The name under which `{numref}` finds a figure ("fig") or a table ("tab"): `fig-<chapter>-<figure>`."""
    return f"{kind}-{record}-{name}".lower().replace("/", "-").replace("_", "-")


def _parts(cell: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """`cell` cut at each recorded output: code with the outputs before it, the directive, then outputs after it."""
    written = [_markdown(output) for output in cell.get("outputs", [])]
    if not any(written):
        yield cell
        return
    piece = _fold(_piece(cell, cell.source, []))
    for output, markdown in zip(cell.outputs, written, strict=True):
        if markdown is None:
            piece.outputs.append(output)
            continue
        if piece.source != UNSHOWN or piece.outputs:
            yield piece
        yield nbformat.v4.new_markdown_cell(markdown)
        piece = _piece(cell, UNSHOWN, [])
    if piece.outputs:
        yield piece


def _piece(cell: nbformat.NotebookNode, source: str, outputs: list[Any]) -> nbformat.NotebookNode:
    metadata = copy.deepcopy(cell.metadata)
    if source == UNSHOWN:
        metadata["tags"] = [*metadata.get("tags", []), HIDDEN]
    return nbformat.v4.new_code_cell(source, metadata=metadata, outputs=outputs, execution_count=cell.execution_count)


def _fold(piece: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """`piece`, with its code folded if it is long."""
    tags = piece.metadata.get("tags", [])
    if len(piece.source.splitlines()) > LONG and not {OPEN, FOLDED, HIDDEN} & set(tags):
        piece.metadata["tags"] = [*tags, FOLDED]
    return piece


def _markdown(output: nbformat.NotebookNode) -> str | None:
    """What stands on the page in place of `output`, or None where it stays as it is."""
    named = output.get("metadata", {}).get("experiments")
    if not named:
        return None
    if "figure" in named:
        return _directive("record-figure", "fig", named["record"], named["figure"])
    if "table" in named:
        body = output["data"].get("text/markdown", "")
        return _directive("record-table", "tab", named["record"], named["table"], "".join(body))
    return "".join(output["data"].get("text/markdown", "")) or None


def _directive(directive: str, kind: str, record: str, name: str, body: str = "") -> str:
    return f"{FENCE}{{{directive}}} {record}:{name}\n:name: {label(kind, record, name)}\n\n{body}\n{FENCE}"
