"""The JSON record of a run: its form, reading and writing it, and finding fault with it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from experiments.artefacts import write_json
from experiments.records.claims import CLAIMS, VERDICTS

SCHEMA = 1
NAME = "record.json"

_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": ["string", "null"]}
_SAID = {"type": "string", "minLength": 1}
_NAMES = {"type": "array", "items": {"type": "string"}}

FORM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        "schema", "name", "scale", "parameters", "models", "seeds", "n", "commit", "dirty", "lock_sha256", "versions",
        "python", "device", "cpu", "dtype", "started", "wall_seconds", "peak_memory_mib", "metrics", "claims",
        "figures", "tables",
    ],
    "properties": {
        "schema": {"const": SCHEMA},
        "name": {"type": "string", "minLength": 1},
        "scale": {"enum": ["smoke", "mini", "full"]},
        "parameters": {"type": "object"},
        "models": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "revision", "sha256", "undertrained", "images_seen"],
                "properties": {
                    "name": {"type": "string"},
                    "revision": _TEXT,
                    "sha256": _TEXT,
                    "undertrained": {"type": ["boolean", "null"]},
                    "images_seen": {"type": ["integer", "null"]},
                },
            },
        },
        "seeds": {"type": "array", "items": {"type": "integer"}},
        "n": {"type": ["integer", "null"]},
        "commit": _TEXT,
        "dirty": {"type": ["boolean", "null"]},
        "lock_sha256": _TEXT,
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "python": {"type": "string"},
        "platform": {"type": "string"},
        "device": {"type": "string"},
        "cpu": {"type": "string"},
        "threads": {"type": ["integer", "null"]},
        "dtype": {"type": "string"},
        "started": {"type": "string"},
        "wall_seconds": {"type": "number", "minimum": 0},
        "peak_memory_mib": _NUMBER,
        "metrics": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["value", "low", "high", "n", "unit", "interval", "seeds"],
                "properties": {
                    "value": _NUMBER,
                    "low": _NUMBER,
                    "high": _NUMBER,
                    "n": {"type": ["integer", "null"]},
                    "unit": _TEXT,
                    "interval": _TEXT,
                    "seeds": {"type": "array", "items": {"type": "integer"}},
                },
            },
        },
        "claims": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["rule", "verdict", "metric", "figure", "statement"],
                "properties": {
                    "rule": {"type": "string", "minLength": 1},
                    "verdict": {"enum": list(VERDICTS)},
                    "metric": _TEXT,
                    "figure": _TEXT,
                    "statement": {"type": "string"},
                    "note": _TEXT,
                    "finding": _SAID,
                    "models": _NAMES,
                },
            },
        },
        "figures": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file", "caption", "alt"],
                "properties": {"file": _SAID, "caption": _SAID, "alt": _SAID, "models": _NAMES},
            },
        },
        "tables": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file", "caption"],
                "properties": {"file": _SAID, "caption": _SAID, "models": _NAMES},
            },
        },
    },
}  # fmt: skip


class RecordError(ValueError):
    """A record that breaks its form; the message is one line that names the file and the first fault."""


def faults(record: dict[str, Any]) -> list[str]:
    """Everything wrong with `record`, as one line each; empty for a good one."""
    import jsonschema  # 0.1 s, which a chapter need not pay before its end

    form = jsonschema.Draft202012Validator(FORM)
    found = [f"{'/'.join(map(str, e.absolute_path)) or 'record'}: {e.message}" for e in form.iter_errors(record)]
    return found or _loose_ends(record)


def _loose_ends(record: dict[str, Any]) -> list[str]:
    """References to a claim, metric, figure or table that is not there, and intervals that miss their value."""
    found = []
    for claim, given in record["claims"].items():
        if claim not in CLAIMS:
            found.append(f"claims/{claim}: no claim of that number in the lecture")
        if given["metric"] is not None and given["metric"] not in record["metrics"]:
            found.append(f"claims/{claim}: its metric {given['metric']} was not recorded")
        if given["figure"] is not None and given["figure"] not in {**record["figures"], **record["tables"]}:
            found.append(f"claims/{claim}: its figure {given['figure']} was not recorded")
    for name, metric in record["metrics"].items():
        numbers = [metric[key] for key in ("low", "value", "high")]
        if any(number is not None and not math.isfinite(number) for number in numbers):
            found.append(f"metrics/{name}: not a finite number")
        present = [number for number in numbers if number is not None]
        if metric["value"] is not None and present != sorted(present):
            found.append(f"metrics/{name}: value {metric['value']} lies outside [{metric['low']}, {metric['high']}]")
    return found


def read(folder: str | Path) -> dict[str, Any]:
    """The record in `folder`, checked, with every file that it names present.

    Raises `FileNotFoundError` without a record and `RecordError` with a faulty one.
    """
    path = Path(folder) / NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise RecordError(f"{path}: not JSON ({error})") from None
    wrong = faults(record) or _missing_files(record, path.parent)
    if wrong:
        raise RecordError(f"{path}: {wrong[0]}")
    return record


def _missing_files(record: dict[str, Any], folder: Path) -> list[str]:
    named = [item["file"] for item in [*record["figures"].values(), *record["tables"].values()]]
    return [f"its file {name} is missing" for name in named if not (folder / name).is_file()]


def write(record: dict[str, Any], folder: str | Path) -> Path:
    """Write a checked `record` into `folder`, atomically; raises `RecordError` and writes nothing if it is faulty."""
    path = Path(folder) / NAME
    wrong = faults(record)
    if wrong:
        raise RecordError(f"{path}: {wrong[0]}")
    write_json(path, record)
    return path


def slug(text: str) -> str:
    """`text` as a file name that every system and browser takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "unnamed"
