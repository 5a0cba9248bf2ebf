"""The evaluation table as one file: every row with who says so, every cell with what is behind it; as JSON, CSV and LaTeX.

A row is one model by one source: the lecture, a publication, or a measurement of this project. A cell that nobody filled
reads "not measured". The page of the table and the files beside it are made from this and from nothing else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from experiments.artefacts import atomic_write, write_json
from experiments.data.prompts import CATEGORIES
from experiments.metrics.intervals import Estimate

NAME = "evaluation"
NOT_MEASURED = "not measured"
LECTURE, PUBLISHED, HERE = "lecture", "published", "measured here"


class Column(NamedTuple):
    """A column: its unit, which direction is better ("" for neither), and how its values are printed."""

    name: str
    unit: str
    better: str
    spec: str


GROUPS = {
    "quality": (
        Column("FID", "", "lower", ".4g"), Column("FID at unlimited n", "", "lower", ".4g"), Column("KID", "", "lower", ".2g"),
        Column("CMMD", "", "lower", ".2g"), Column("CLIP score", "100 cos", "higher", ".2f"), Column("aesthetic", "", "higher", ".2f"),
    ),
    "categories": tuple(Column(name, "share", "higher", ".2f") for name in (*CATEGORIES, "overall")),
    "cost": (
        Column("seconds", "s", "lower", ".2f"), Column("cold", "s", "lower", ".2f"), Column("denoised", "s", "lower", ".2f"),
        Column("at best batch", "s", "lower", ".2f"), Column("best batch", "pictures", "", ".0f"), Column("memory", "MiB", "lower", ",.0f"),
        Column("parameters", "million", "", ",.2f"), Column("operations", "10^9 per picture", "lower", ",.1f"),
    ),
}  # fmt: skip
COLUMNS = tuple(column for group in GROUPS.values() for column in group)


@dataclass(frozen=True)
class Cell:
    """A number with its interval and n, and what is behind it: a citation, or judge, filters, versions and hashes."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    interval: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, estimate: Estimate, **about: Any) -> Cell:
        return cls(*estimate, about=about)

    def text(self, spec: str) -> str:
        """"0.83 (0.79 to 0.87)"."""
        inside = f" ({self.low:{spec}} to {self.high:{spec}})" if self.low is not None and self.high is not None else ""
        return f"{self.value:{spec}}{inside}"

    def plain(self) -> dict[str, Any]:
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n, "interval": self.interval, "about": dict(self.about)}


@dataclass(frozen=True)
class Row:
    """A model by one source. `source` is a key of the bibliography for a publication; `note` is what a reader must know."""

    model: str
    who: str
    cells: Mapping[str, Cell] = field(default_factory=dict)
    source: str = ""
    note: str = ""
    weights: str = ""  # hash of the model's own weights

    def __post_init__(self) -> None:
        unknown = set(self.cells) - {column.name for column in COLUMNS}
        if unknown:
            raise KeyError(f"the table has no column {sorted(unknown)[0]!r}; it has {', '.join(c.name for c in COLUMNS)}")

    def texts(self, columns: Iterable[Column]) -> list[str]:
        """The cells as they are printed."""
        return [self.cells[c.name].text(c.spec) if c.name in self.cells else NOT_MEASURED for c in columns]


def save(rows: Iterable[Row], folder: Path, about: Mapping[str, Any]) -> Path:
    """Write `evaluation.json`, `.csv` (values in full) and `.tex` (as printed) into `folder`; the path of the first."""
    rows = list(rows)
    groups = {name: [column._asdict() for column in columns] for name, columns in GROUPS.items()}
    words = ("model", "who", "source", "note", "weights")
    told = [{word: getattr(r, word) for word in words} | {"cells": {k: c.plain() for k, c in r.cells.items()}} for r in rows]
    write_json(folder / f"{NAME}.json", {"about": dict(about), "columns": groups, "rows": told})
    with atomic_write(folder / f"{NAME}.csv", "w") as file:
        file.write(as_csv(rows))
    with atomic_write(folder / f"{NAME}.tex", "w") as file:
        file.write(as_latex(rows))
    return folder / f"{NAME}.json"


def as_csv(rows: Iterable[Row]) -> str:
    """One line per row: model, who says so, then value, low, high and n of every column."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["model", "who", "source", *(f"{c.name}{part}" for c in COLUMNS for part in ("", " low", " high", " n"))])
    for row in rows:
        values = [getattr(row.cells.get(c.name), part, None) for c in COLUMNS for part in ("value", "low", "high", "n")]
        writer.writerow([row.model, row.who, row.source, *(NOT_MEASURED if k % 4 == 0 and v is None else v for k, v in enumerate(values))])
    return buffer.getvalue()


def as_latex(rows: Iterable[Row]) -> str:
    """A tabular per group of columns, with booktabs' rules; sources as \\cite."""
    rows = list(rows)
    return "\n".join(_tabular(name, columns, rows) for name, columns in GROUPS.items())


def _tabular(name: str, columns: tuple[Column, ...], rows: list[Row]) -> str:
    shown = [row for row in rows if row.who == HERE or any(c.name in row.cells for c in columns)]
    head = " & ".join(["model", "source", *(_escaped(f"{c.name} ({c.unit})" if c.unit else c.name) for c in columns)])
    lines = [" & ".join([_escaped(r.model), rf"\cite{{{r.source}}}" if r.source else r.who, *map(_escaped, r.texts(columns))]) for r in shown]
    body = " \\\\\n".join(lines)
    return f"% {name}\n\\begin{{tabular}}{{ll{'r' * len(columns)}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body} \\\\\n\\bottomrule\n\\end{{tabular}}\n"


def _escaped(text: str) -> str:
    for sign in "&%$#_":
        text = text.replace(sign, "\\" + sign)
    return text.replace("^", r"\textasciicircum{}")
