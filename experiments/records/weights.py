"""What a training run said about the weights it left: read from `weights/<name>/training.json`, no weights loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.artefacts import ROOT, file_hash

WEIGHTS = ROOT / "weights"
LOWER_IS_BETTER = ("fid", "kid", "loss", "error", "seconds")


def training(name: str, weights: Path = WEIGHTS) -> dict[str, Any] | None:
    """The training record of the miniature `name`, or None where there is none."""
    path = weights / name / "training.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def missed(record: dict[str, Any]) -> list[str]:
    """Expected scores that the training did not reach, as "metric 0.41 < 0.60" each."""
    lines = []
    for metric, bar in (record.get("expected") or {}).items():
        score = (record.get("scores") or {}).get(metric)
        value = score.get("value") if isinstance(score, dict) else score
        if value is None:
            lines.append(f"{metric} not measured")
        elif _lower(metric) and value > bar:
            lines.append(f"{metric} {value:.3g} > {bar:g}")
        elif not _lower(metric) and value < bar:
            lines.append(f"{metric} {value:.3g} < {bar:g}")
    return lines


def _lower(metric: str) -> bool:
    return any(word in metric.lower() for word in LOWER_IS_BETTER)


def shipped(name: str, weights: Path = WEIGHTS) -> dict[str, Any] | None:
    """The record's row for a miniature that ships with the project, or None for any other model."""
    folder = weights / name
    if not folder.is_dir():
        return None
    record = training(name, weights) or {}
    return {
        "name": name,
        "revision": record.get("commit"),
        "sha256": file_hash(folder),
        "undertrained": bool(missed(record)) if record else None,
        "images_seen": record.get("images_seen"),
    }
