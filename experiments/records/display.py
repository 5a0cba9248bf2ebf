"""How a figure, a table and a sentence appear in a notebook: standard MIME types, with the record's name beside them.

The book reads the metadata `experiments` of an output to put its evidence line beneath; Jupyter shows the same output.
"""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import Any

from experiments.artefacts import atomic_write

DPI = 160
STAMP = "smoke: meaningless"
NOT_MEASURED = "not measured"


def save_figure(figure: Any, path: Path, stamped: bool, alt: str) -> bytes:
    """Write a matplotlib figure as PNG on a white card, which reads on a dark page too, and close it; its bytes."""
    import io

    from matplotlib import pyplot

    if stamped:
        stamp(figure)
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=DPI,
        facecolor="white",
        bbox_inches="tight",
        metadata={"Description": alt, "Software": None},
    )
    pyplot.close(figure)
    with atomic_write(path) as handle:
        handle.write(buffer.getvalue())
    return buffer.getvalue()


def stamp(figure: Any) -> None:
    """Write across `figure` that its content means nothing."""
    figure.text(
        0.5, 0.5, STAMP, transform=figure.transFigure, rotation=25, ha="center", va="center", fontsize=30,
        color="crimson", alpha=0.55, weight="bold", zorder=1000,
    )  # fmt: skip


def cell(value: Any, spec: str | None = None) -> str:
    """`value` as a table shows it; what is missing says "not measured"."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or _is_missing(value):
        return NOT_MEASURED
    if spec is not None and not isinstance(value, str):
        return format(value, spec.strip("{}:"))
    if isinstance(value, float) or type(value).__name__.startswith("float"):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in ("NAType", "NaTType") or (hasattr(value, "dtype") and value != value)


def formatted(frame: Any, formats: dict[str, str] | None = None) -> Any:
    """A frame of texts: every cell of `frame` as `cell` writes it, with `formats` by column (".2f" or "{:.2f}")."""
    formats = formats or {}
    unknown = sorted(set(formats) - set(map(str, frame.columns)))
    if unknown:
        raise KeyError(f"no column {unknown[0]} to format; the table has {', '.join(map(str, frame.columns))}")
    columns = {name: [cell(v, formats.get(str(name))) for v in frame[name]] for name in frame.columns}
    return type(frame)(columns, index=frame.index)


def table_html(texts: Any, caption: str, index: bool) -> str:
    """An HTML table with header scopes and caption, for screen readers as for eyes."""
    heads = [str(name) for name in texts.columns]
    if index:
        heads.insert(0, str(texts.index.name or ""))
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in heads)
    rows = []
    for label, row in zip(texts.index, texts.itertuples(index=False), strict=True):
        first = f'<th scope="row">{html.escape(str(label))}</th>' if index else ""
        rows.append(f"<tr>{first}{''.join(_data_cell(text) for text in row)}</tr>")
    body = "\n".join(rows)
    return (
        f'<table class="experiments-table">\n<caption>{html.escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


def _data_cell(text: str) -> str:
    missing = ' class="not-measured"' if text == NOT_MEASURED else ""
    return f"<td{missing}>{html.escape(text)}</td>"


def table_markdown(texts: Any, index: bool) -> str:
    """The same table as a pipe table."""
    heads = [str(name) for name in texts.columns]
    rows = [list(map(str, row)) for row in texts.itertuples(index=False)]
    if index:
        heads.insert(0, str(texts.index.name or ""))
        rows = [[str(label), *row] for label, row in zip(texts.index, rows, strict=True)]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def show(data: dict[str, Any], metadata: dict[str, Any], marks: dict[str, Any] | None = None) -> None:
    """Display `data` (MIME type to content) with `metadata` where the book reads it; silent outside Jupyter."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return
    if get_ipython() is not None:
        display(data, raw=True, metadata={"experiments": metadata, **(marks or {})})
