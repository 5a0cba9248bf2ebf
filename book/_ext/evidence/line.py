"""The evidence line: what a figure or table rests on, and one click to the record."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.environment import BuildEnvironment

from evidence import files, wording
from experiments.records.weights import missed

SMOKE = "smoke run: proves that the notebook runs, shows no result"


def line(
    env: BuildEnvironment, name: str, record: dict[str, Any], *more: nodes.Node, item: dict[str, Any] | None = None
) -> nodes.paragraph:
    """The line for `item` (a figure or table) of the record `name`, or for all of it.

    Models, those first that were stopped before they reached their bar; seeds, n, device, time, commit; `more`; the record.
    """
    paragraph = nodes.paragraph(classes=["evidence"])
    if record.get("scale") == "smoke":
        paragraph += [badge(SMOKE, "smoke"), nodes.Text(" ")]
    said = [*_models(env, used(record, item)), *(nodes.Text(text) for text in _facts(record)), *more]
    said.append(files.link(env, "record", files.record_uri(name), "evidence-record"))
    paragraph += _joined(said)
    return paragraph


def used(record: dict[str, Any], item: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The models that `item` rests on: all of the run where it names none, or one that the run did not use."""
    every = {model["name"]: model for model in record.get("models", [])}
    named = (item or {}).get("models")
    return [*every.values()] if named is None or not {*named} <= {*every} else [every[name] for name in named]


def badge(text: str, kind: str) -> nodes.inline:
    """`text` in a coloured frame; the words say everything that the colour does."""
    return nodes.inline("", text, classes=["evidence-badge", f"evidence-{kind}"])


def state(training: dict[str, Any]) -> nodes.Node:
    """Whether what a training record tells of was trained far enough, by the bar that its recipe sets."""
    if missed(training):
        return badge("under-trained", "undertrained")
    return nodes.Text("reached its bar" if training.get("expected") else "no bar set")


def model(env: BuildEnvironment, name: str, late: bool = False) -> nodes.Node:
    """A model's name, linked to its training record where the site carries one; with a badge if it was stopped too early."""
    text = f"under-trained: {name}" if late else name
    kinds = ["evidence-model", *(["evidence-badge", "evidence-undertrained"] if late else [])]
    if name in env.app.evidence.trainings:
        return files.link(env, text, files.training_uri(name), *kinds)
    return nodes.inline("", text, classes=kinds)


def _models(env: BuildEnvironment, models: list[dict[str, Any]]) -> list[nodes.Node]:
    inorder = sorted(models, key=lambda each: not each.get("undertrained"))
    return [model(env, each["name"], bool(each.get("undertrained"))) for each in inorder] or [nodes.Text("no shipped model")]


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
