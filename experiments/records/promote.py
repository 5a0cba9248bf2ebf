"""The gate between an executed notebook and the book.

papermill's own status cannot be trusted for this: after a kernel that died, or `sys.exit(0)` in a cell, it can say
`completed`. So the executed file itself is read: the execution counts, the outputs, and whether the kernel answered (a
cell in which the kernel died has a count all the same).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from experiments.artefacts import replace_folder
from experiments.records import parameters, record

NOTEBOOK = "notebook.ipynb"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def faults(folder: Path, name: str, source: dict[str, Any]) -> list[str]:
    """What keeps the result in `folder` out of the book, one line each; empty for a good one.

    `source` is the chapter's notebook as it stands in `book/`.
    """
    try:
        executed = json.loads((folder / NOTEBOOK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ["it left no executed notebook"]
    except json.JSONDecodeError:
        return ["its executed notebook is cut short"]
    code = [cell for cell in executed["cells"] if cell["cell_type"] == "code" and _text(cell).strip()]
    return _errors(code) or _unexecuted(code) or _other_source(code, source) or _record_faults(folder, name, source)


def _text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _errors(code: list[dict[str, Any]]) -> list[str]:
    found = []
    for number, cell in enumerate(code, 1):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                message = _COLOURS.sub("", output["evalue"]).strip().splitlines() or [""]
                found.append(f"code cell {number} stopped with {output['ename']}: {message[0]}")
    return found


def _unexecuted(code: list[dict[str, Any]]) -> list[str]:
    for number, cell in enumerate(code, 1):
        count = cell["execution_count"]
        answered = "shell.execute_reply" in cell["metadata"].get("execution", {})
        if count is None or not answered:
            return [
                f"code cell {number} of {len(code)} did not run to its end (the kernel died, or was stopped, there)"
            ]
        if count != number:
            return [f"code cell {number} ran as number {count}; the cells must run once each, in order"]
    return []


def _other_source(code: list[dict[str, Any]], source: dict[str, Any]) -> list[str]:
    own = [_text(cell) for cell in code if "injected-parameters" not in cell["metadata"].get("tags", [])]
    written = [_text(cell) for cell in source["cells"] if cell["cell_type"] == "code" and _text(cell).strip()]
    return [] if own == written else ["it was executed from another version of the notebook"]


def _record_faults(folder: Path, name: str, source: dict[str, Any]) -> list[str]:
    if not any("experiments.records" in _text(cell) for cell in source["cells"] if cell["cell_type"] == "code"):
        return []
    try:
        left = record.read(folder)
    except FileNotFoundError:
        return ["it left no record; the chapter must call run.close()"]
    except record.RecordError as error:
        return [str(error).replace(str(folder) + "/", "")]
    if left["name"] != name:
        return [f"its record is called {left['name']}; Run must be given {name!r}"]
    forgotten = sorted(_declared(source) - left["parameters"].keys())
    return [f"its record leaves out the parameter {forgotten[0]}; Run must be given every one"] if forgotten else []


def _declared(source: dict[str, Any]) -> set[str]:
    tagged = [cell for cell in source["cells"] if "parameters" in cell.get("metadata", {}).get("tags", [])]
    return {name for cell in tagged for name in parameters.literals(_text(cell))}


def promote(scratch: Path, target: Path) -> None:
    """Give a result that passed the gate its place, whole, in one rename."""
    replace_folder(scratch, target)
