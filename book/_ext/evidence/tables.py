"""`{record-table}`: a table of a record, each row with its way to the record, and the evidence line beneath."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes

from evidence import files, line, wording
from evidence.base import RecordDirective

EVIDENCE = "evidence"
SHORT = 24
_NUMBER = re.compile(r"[-+−±]?[\d,.]*\d%?(\s*[\[(±].*)?")
_INTERVAL = re.compile(r"([-+−±]?[\d.,]*\d(?:e[-+]?\d+)?%?) ([\[(][^\[(]*[\])])")
_CELLS = re.compile(r"(?<!\\)\|")


class RecordTable(RecordDirective):
    """The table that the argument `<chapter>:<table>` names.

    The content is the table as its notebook printed it, as a pipe table; without content the record's CSV is printed.
    """

    has_content = True

    def run(self) -> list[nodes.Node]:
        record, item = self.named("tables")
        if item is None:
            return self.missing(record)
        head, *rows = pipes(self.content) or texts(item["path"])
        table = self._table(head, rows, [self._way(record, row) for row in rows])
        table.insert(0, nodes.title("", "", *self.inline(item["caption"])))
        self.label(table)
        csv_link = files.link(self.env, "CSV", files.table_uri(record, item["file"]), "evidence-csv")
        below = line.line(self.env, record, self.library.records[record], csv_link, item=item)
        return [nodes.container("", table, below, classes=["evidence-table"])]

    def _way(self, record: str, row: list[str]) -> list[nodes.Node]:
        """The links of one row: to the training of each miniature that it names, then to the record."""
        trained = [name for name in self.library.trainings if named(name, row)]
        links = [files.link(self.env, "training", files.training_uri(name)) for name in trained]
        links.append(files.link(self.env, "record", files.record_uri(record)))
        return [node for each in links for node in (nodes.Text(" "), each)][1:]

    def _table(self, head: list[str], rows: list[list[str]], ways: list[list[nodes.Node]]) -> nodes.table:
        right = [all(numeric(row[k]) for row in rows) for k in range(len(head))]
        heads = [cell(self.inline(text), right[k]) for k, text in enumerate(head)]
        body = [[cell(apart(text, self.inline), right[k], text) for k, text in enumerate(row)] for row in rows]
        ends = [cell(way, False, classes=["evidence-way"]) for way in ways]
        return grid(
            [*heads, cell([nodes.Text(EVIDENCE)], False)], [[*row, end] for row, end in zip(body, ends, strict=True)]
        )


def cell(content: list[nodes.Node], right: bool, text: str = "", classes: list[str] | None = None) -> nodes.entry:
    """One cell of a table around inline `content`."""
    kinds = ["text-right"] if right else ["short" if len(text) <= SHORT else "long"]
    kinds += ["not-measured"] if text == wording.NOT_MEASURED else []
    return nodes.entry("", nodes.paragraph("", "", *content), classes=[*kinds, *(classes or [])])


def apart(text: str, otherwise: Callable[[str], list[nodes.Node]] = lambda text: [nodes.Text(text)]) -> list[nodes.Node]:
    """A number and its interval, which the style sets below it so that more columns fit; any other text by `otherwise`."""
    found = _INTERVAL.fullmatch(text)
    return [nodes.Text(f"{found[1]} "), nodes.inline("", found[2], classes=["evidence-interval"])] if found else otherwise(text)


def grid(head: list[nodes.entry], rows: list[list[nodes.entry]]) -> nodes.table:
    """A table with one header row."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    group += nodes.thead("", nodes.row("", *head))
    group += nodes.tbody("", *(nodes.row("", *row) for row in rows))
    return nodes.table("", group)


def plain(head: list[str], rows: list[list[str | nodes.Node]]) -> nodes.table:
    """A table of texts, or of ready nodes, with one header row."""
    ready = [[[x] if isinstance(x, nodes.Node) else apart(x) for x in row] for row in rows]
    body = [[cell(said, False, "".join(node.astext() for node in said)) for said in row] for row in ready]
    return grid([cell([nodes.Text(text)], False) for text in head], body)


def named(name: str, row: list[str]) -> bool:
    """Whether a cell of `row` has `name` as a word of its own: "mini-sd3" is not in "mini-sd3.5"."""
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-]|\.\w)", text) for text in row)


def numeric(text: str) -> bool:
    """Whether a cell holds a number, alone or with its interval, or the lack of one."""
    return text in ("", wording.NOT_MEASURED) or bool(_NUMBER.fullmatch(text))


def pipes(lines: Any) -> list[list[str]]:
    """The cells of a pipe table, header first, without its rule; empty for no table."""
    rows = [_CELLS.split(text.strip().strip("|")) for text in lines if text.strip()]
    return [[text.strip().replace("\\|", "|") for text in row] for k, row in enumerate(rows) if k != 1]


def texts(path: Path) -> list[list[str]]:
    """The cells of a CSV as a page prints them, header first."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [[_text(value) for value in row] for row in csv.reader(handle)]


def _text(value: str) -> str:
    try:
        return wording.number(float(value))
    except ValueError:
        return value
