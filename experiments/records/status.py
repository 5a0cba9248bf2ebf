"""What there is: chapters and miniatures, each recorded, stale, under-trained or missing, and what to train next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.records import freshness, record, weights
from experiments.records.project import Chapter, Project


@dataclass(frozen=True)
class Line:
    """One thing of the project, its state in a word, and why."""

    name: str
    state: str
    why: str = ""


def chapters(project: Project) -> list[Line]:
    """The state of every chapter: "recorded" (its result is committed and current), "built", "stale" or "missing"."""
    absent = [
        Line(name.rpartition("/")[2], "missing", "listed in _toc.yml, and not there") for name in project.absent()
    ]
    return [_chapter(project, chapter) for chapter in project.present()] + absent


def _chapter(project: Project, chapter: Chapter) -> Line:
    recorded = freshness.stale(project, chapter, {}, project.recorded / chapter.name)
    built = freshness.stale(project, chapter, {}, project.results / chapter.name)
    if recorded is None:
        return Line(chapter.name, "recorded", _summary(project.recorded / chapter.name))
    if built is None:
        return Line(chapter.name, "built", f"{_summary(project.results / chapter.name)}; `record` would commit it")
    if (project.recorded / chapter.name).is_dir() or (project.results / chapter.name).is_dir():
        why = built if (project.results / chapter.name).is_dir() else recorded
        return Line(chapter.name, "stale", f"{why}; `make book` executes it again")
    return Line(chapter.name, "missing", "not executed yet; `make book` executes it")


def _summary(folder: Any) -> str:
    try:
        left = record.read(folder)
    except (FileNotFoundError, record.RecordError):
        return "no record"
    return (
        f"{left['scale']}, {len(left['metrics'])} metrics, {len(left['claims'])} claims, {left['wall_seconds']:.0f} s"
    )


def recipes(project: Project, rows: dict[str, Any]) -> list[Line]:
    """The state of every miniature in `rows` (by name), those that most need training first.

    First what is missing, in the order in which one builds on another, then what has not reached its expected scores, by the
    share of its budget already spent, then what an earlier version of the training code made, then what is done.
    """
    return [
        line
        for _, line in sorted((_recipe(project, at, row) for at, row in enumerate(rows.items())), key=lambda pair: pair[0])
    ]


def _recipe(project: Project, at: int, named: tuple[str, Any]) -> tuple[tuple[int, float, str], Line]:
    name, row = named
    left = weights.training(name, project.weights)
    if left is None:
        return (0, float(at), name), Line(name, "missing", f"`python -m experiments train {name}` trains it")
    seen, budget = left.get("images_seen") or 0, left.get("images_budget") or 0
    spent = f"{seen:,} of {budget:,} images"
    missed = weights.missed(left)
    if missed:
        share = seen / budget if budget else 1.0
        return (1, share, name), Line(name, "under-trained", f"{'; '.join(missed)}; {spent}")
    if _other_code(row, left):
        return (2, 0.0, name), Line(name, "stale", f"its recipe or its code changed since; {spent}")
    return (3, 0.0, name), Line(name, "recorded", spent)


def _other_code(row: Any, left: dict[str, Any]) -> bool:
    """Whether the row, or the code that carries it out, is no longer that of its weights."""
    return left.get("code_sha256") != row.made()


def study(done: int, parts: int) -> tuple[str, str]:
    """State of a study in a word, and why: "recorded", or "missing" or "partial" with what is left."""
    said = f"{done} of {parts} parts"
    return ("recorded" if done == parts else "partial" if done else "missing"), said
