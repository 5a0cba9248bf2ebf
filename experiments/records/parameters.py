"""The parameters of a chapter: literals in one tagged cell, and what papermill or a reader may put in their place.

papermill turns `-p name value` into assignments in a cell of its own, and only warns when the notebook has no such
parameter. Here an unknown name, a wrong type or an unknown scale is an error of one line.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SCALES = ("smoke", "mini", "full")
INJECTED_FIRST_LINE = "# Parameters"  # papermill's own first line in the cell that it adds


class ParameterError(ValueError):
    """A parameter that the chapter does not have, or a value it cannot take; the message is one line."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the message alone, as the reader's typing is at fault and not the code."""
        return [f"ParameterError: {self}"]


def literals(source: str) -> dict[str, Any]:
    """Names and values assigned in the parameters cell `source`.

    Only literals are allowed: a parameter computed from another keeps its old value when papermill replaces the other.
    Raises `ParameterError` for anything else.
    """
    values: dict[str, Any] = {}
    for node in ast.parse(source).body:
        name, value = _assignment(node)
        if name is None:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            line = ast.unparse(node).splitlines()[0]
            raise ParameterError(
                f"the parameters cell may only assign literals to names; move `{line}` to another cell"
            )
        try:
            values[name] = ast.literal_eval(value)
        except ValueError:
            raise ParameterError(
                f"parameter {name} is computed (`{ast.unparse(value)}`), so it would keep its old value when papermill "
                "changes what it is computed from; write a literal, and compute in a later cell"
            ) from None
    return values


def _assignment(node: ast.stmt) -> tuple[str | None, Any]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target.id, node.value
    return None, None


def injected(sources: Sequence[str]) -> dict[str, Any]:
    """What papermill's own cell assigns, among the executed cells `sources`; often nothing."""
    number = _injected_cell(sources)
    return literals(sources[number]) if number else {}


def declared(sources: Sequence[str]) -> dict[str, Any]:
    """What the chapter's own parameters cell, which stands before papermill's, assigns; nothing without papermill's."""
    number = _injected_cell(sources)
    return literals(sources[number - 1]) if number else {}


def _injected_cell(sources: Sequence[str]) -> int | None:
    """The place of papermill's cell, known by its first line and by the cell of parameters that stands before it."""
    for number, source in enumerate(sources):
        if number and source.startswith(INJECTED_FIRST_LINE + "\n") and sources[number - 1].strip():
            return number
    return None


def check(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`defaults` with the values of `given` in their place, each of its default's type.

    An int is taken where a float is the default, and a text such as "[1, 3]" where a list is, for papermill's `-p`
    passes lists as text. Raises `ParameterError` that names the nearest valid parameter, type or scale.
    """
    values = dict(defaults)
    for name, value in given.items():
        if name not in defaults:
            raise ParameterError(f"unknown parameter {name}{_nearest(name, defaults)}; {_listing(defaults)}")
        values[name] = _typed(name, value, defaults[name])
    if "scale" in values and values["scale"] not in SCALES:
        near = _nearest(str(values["scale"]), SCALES)
        raise ParameterError(f"scale cannot be {values['scale']!r}{near}; choose one of {', '.join(SCALES)}")
    return values


def _listing(names: Iterable[str]) -> str:
    names = ", ".join(sorted(names))
    return f"this chapter has: {names}" if names else "this chapter has none"


def _nearest(word: str, valid: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _typed(name: str, value: Any, default: Any) -> Any:
    if default is None or (value is None and name != "scale"):
        return value
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, (list, tuple)):
        return _listed(name, value, default)
    if isinstance(default, dict) and isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool):
        return value
    raise ParameterError(f"parameter {name} must be {_kind(default)} such as {default!r}, not {value!r}")


def _listed(name: str, value: Any, default: list | tuple) -> list | tuple:
    if isinstance(value, str):
        value = _bare(value) if all(isinstance(item, str) for item in default) else _parsed(value)
    if not isinstance(value, (list, tuple)):
        raise ParameterError(f'parameter {name} must be a list such as "{list(default)!r}", not {value!r}')
    if default:
        value = [_typed(f"{name}[{i}]", item, default[0]) for i, item in enumerate(value)]
    return type(default)(value)


def _bare(text: str) -> Any:
    """A list of texts, whose quotes a shell may have taken away: "[sd1.5, sdxl]"."""
    value, inner = _parsed(text), text.strip()
    if isinstance(value, str) and inner[:1] + inner[-1:] == "[]":
        return [item.strip().strip("'\"") for item in inner[1:-1].split(",") if item.strip()]
    return value


def _parsed(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _kind(default: Any) -> str:
    kinds = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", dict: "a dictionary"}
    return kinds.get(type(default), f"a {type(default).__name__}")
