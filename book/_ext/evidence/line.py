"""The evidence line: what a figure or table rests on, and one click to the record."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.environment import BuildEnvironment

from evidence import files, wording
from experiments.records.weights import missed

SMOKE = "smoke run: proves that the notebook runs, shows no result"


def line(env: BuildEnvironment, name: str, record: dict[str, Any], *more: nodes.Node) -> nodes.paragraph:
    """The line for the record `name`: badges, models, seeds, n, device, time, commit, the links `more`, the record."""
    paragraph = nodes.paragraph(classes=["evidence"])
    for badge in badges(record):
        paragraph += [badge, nodes.Text(" ")]
    said = [*_models(env, record), *(nodes.Text(text) for text in _facts(record)), *more]
    said.append(files.link(env, "record", files.record_uri(name), "evidence-record"))
    paragraph += _joined(said)
    return paragraph


def badges(record: dict[str, Any]) -> list[nodes.inline]:
    """A badge for a smoke run and one for each model that was stopped before it reached its bar."""
    found = [badge(SMOKE, "smoke")] if record.get("scale") == "smoke" else []
    late = [model["name"] for model in record.get("models", []) if model.get("undertrained")]
    return found + [badge(f"under-trained: {name}", "undertrained") for name in late]


def badge(text: str, kind: str) -> nodes.inline:
    """`text` in a coloured frame; the words say everything that the colour does."""
    return nodes.inline("", text, classes=["evidence-badge", f"evidence-{kind}"])


def state(training: dict[str, Any]) -> nodes.Node:
    """Whether what a training record tells of was trained far enough, by the bar that its recipe sets."""
    if missed(training):
        return badge("under-trained", "undertrained")
    return nodes.Text("reached its bar" if training.get("expected") else "no bar set")


def model(env: BuildEnvironment, name: str) -> nodes.Node:
    """A model's name, linked to its training record where the site carries one."""
    known = name in env.app.evidence.trainings
    return files.link(env, name, files.training_uri(name), "evidence-model") if known else nodes.Text(name)


def _models(env: BuildEnvironment, record: dict[str, Any]) -> list[nodes.Node]:
    return [model(env, each["name"]) for each in record.get("models", [])] or [nodes.Text("no trained model")]


def _facts(record: dict[str, Any]) -> list[str]:
    return [
        wording.seeds(record.get("seeds", [])),
        wording.count(record),
        device(record),
        wording.duration(record.get("wall_seconds")),
        wording.commit(record),
    ]


def device(record: dict[str, Any]) -> str:
    """The device, by the name of its processor where that is what it ran on."""
    kind, cpu = record.get("device") or "device not recorded", record.get("cpu")
    return f"{kind} ({cpu})" if kind == "cpu" and cpu else kind


def _joined(parts: list[nodes.Node]) -> list[nodes.Node]:
    joined: list[nodes.Node] = []
    for part in parts:
        joined += [nodes.Text(" · "), part] if joined else [part]
    return joined
