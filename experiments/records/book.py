"""From promoted results to pages: a staged copy of the sources, jupyter-book on it, and one swap into place."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.artefacts import file_hash, fingerprint, replace_folder, source_hash, storage_errors, write_json
from experiments.records import config, environment, freshness, promote, record
from experiments.records.project import Chapter, Project

TIMEOUT = 900.0
_OWN = (promote.NOTEBOOK, freshness.NAME)  # parts of a result that are not shown as files
_WARNING = re.compile(r"^(?:(.*?): ?)?(?:CRITICAL|ERROR|WARNING): (.*)$")


class BookError(RuntimeError):
    """The pages could not be built; the message names the first page at fault and where the whole log lies."""


def build(project: Project, results: Path, target: Path) -> bool:
    """Build the site in `target` from the results in `results`; False when it was up to date already.

    What stood in `target` is replaced only by a complete site. Raises `BookError` with the first warning or error.
    """
    config.check(project)
    chapters = project.chapters()
    _complete(chapters, results, project)
    key = _inputs(project, chapters, results)
    if _built_from(target) == key and (target / "index.html").is_file():
        return False
    with storage_errors(target), tempfile.TemporaryDirectory(prefix="stage.", dir=_scratch(project)) as folder:
        stage = Path(folder)
        _stage(project, chapters, results, stage / "source")
        html = _jupyter_book(project, stage)
        write_json(_mark(target), {})  # between the swap and the new mark, the site counts as unknown
        replace_folder(html, target)
        write_json(_mark(target), {"inputs": key})
    return True


def _scratch(project: Project) -> Path:
    folder = project.built / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _mark(target: Path) -> Path:
    return target.with_name(target.name + ".json")


def _built_from(target: Path) -> str | None:
    try:
        return json.loads(_mark(target).read_text(encoding="utf-8")).get("inputs")
    except (OSError, json.JSONDecodeError):
        return None


def _complete(chapters: list[Chapter], results: Path, project: Project) -> None:
    """Raise `BookError` for the first chapter whose result is missing or does not pass the gate."""
    for chapter in chapters:
        folder = results / chapter.name
        where = folder.relative_to(project.root)
        if not folder.is_dir():
            raise BookError(
                f"{chapter.name} has no result in {where}; run `make book`, then `python -m experiments record`"
            )
        wrong = promote.faults(folder, chapter.name, chapter.notebook())
        if wrong:
            remedy = "run `make book`, then `python -m experiments record`"
            raise BookError(f"the result in {where} does not pass the gate: {wrong[0]}; {remedy}")


def _inputs(project: Project, chapters: list[Chapter], results: Path) -> str:
    """A hash of everything that the pages are made from."""
    sources = [project.root / "_config.yml", project.root / "_toc.yml"]
    sources += [p for p in project.root.glob("book/**/*") if p.is_file() and _is_source(p, project)]
    found = [*sources, *_measured(project), *_released(project)]
    return fingerprint(
        sorted((path.relative_to(project.root).as_posix(), file_hash(path)) for path in found),
        [(chapter.name, file_hash(results / chapter.name)) for chapter in chapters],
        source_hash("experiments.records", "experiments.records.book", package=project.package),
        environment.lock_sha256(project.root),
    )


def _measured(project: Project) -> list[Path]:
    """Records of trainings, studies and timings, and sheets of pictures, which pages show."""
    kinds = ("*/training.json", "studies/*.json", "studies/sheet-*.png", "timing/*.json")
    return sorted(path for kind in kinds for path in project.weights.glob(kind))


def _released(project: Project) -> list[Path]:
    """The cards of released models, and the code that says where they fit."""
    return [*project.package.glob("models/releases/**/*.json"), *project.package.glob("models/[cm]a*s.py")]


def _is_source(path: Path, project: Project) -> bool:
    parts = path.relative_to(project.root).parts
    return parts[1] != "results" and not any(part.startswith(".") or part == "__pycache__" for part in parts)


def _stage(project: Project, chapters: list[Chapter], results: Path, stage: Path) -> None:
    """Copy the sources to `stage`, with executed notebooks in place of the chapters and results beside them."""
    shutil.copytree(
        project.root / "book", stage / "book",
        ignore=shutil.ignore_patterns("results", "__pycache__", ".*", "*.tmp"),
    )  # fmt: skip
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(project.root / name, stage / name)
    for chapter in chapters:
        shutil.copyfile(results / chapter.name / promote.NOTEBOOK, stage / "book" / chapter.source.name)
        shutil.copytree(
            results / chapter.name, stage / "book" / "results" / chapter.name, ignore=shutil.ignore_patterns(*_OWN)
        )
    for path in _measured(project):
        (stage / "weights" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, stage / "weights" / path.parent.name / path.name)


def _jupyter_book(project: Project, stage: Path) -> Path:
    """Run jupyter-book on the staged sources with warnings as errors; the folder of its pages."""
    command = [
        sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "source",
        "--path-output", str(stage), "--all", "-W", "--keep-going", "-q",
    ]  # fmt: skip
    paths = os.pathsep.join(filter(None, [str(project.root), os.environ.get("PYTHONPATH")]))
    log = project.built / "book.log"
    with open(log, "w", encoding="utf-8") as handle:
        try:
            done = subprocess.run(
                command, cwd=stage, env={**os.environ, "PYTHONPATH": paths}, stdin=subprocess.DEVNULL,
                stdout=handle, stderr=subprocess.STDOUT, timeout=TIMEOUT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise BookError(
                f"building the pages took longer than {TIMEOUT:g} s; the log is {_in(project, log)}"
            ) from None
    html = stage / "_build" / "html"
    if done.returncode or not (html / "index.html").is_file():
        raise BookError(
            f"{first_fault(log.read_text(encoding='utf-8', errors='replace'), stage)} (log: {_in(project, log)})"
        )
    return html


def first_fault(log: str, stage: Path) -> str:
    """The first warning or error in jupyter-book's `log`, as a page of the project and a message."""
    for line in log.splitlines():
        match = _WARNING.match(re.sub(r"\x1b\[[0-9;]*m", "", line))
        if match:
            page = (match[1] or "").replace(str(stage / "source") + "/", "") or "the book"
            return f"{page}: {match[2]}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "jupyter-book stopped without a word"


def _in(project: Project, path: Path) -> Path:
    return path.relative_to(project.root)


def publish(project: Project) -> list[str]:
    """Copy this machine's promoted results to `book/results`, which `make site` shows; the chapters' names.

    Raises `BookError` for a result that is missing, stale or a smoke run.
    """
    chapters = project.chapters()
    for chapter in chapters:
        folder = project.results / chapter.name
        why = freshness.stale(project, chapter, {}, folder)
        if why:
            raise BookError(f"{chapter.name} cannot be recorded: {why}; run `make book` first")
        if (folder / record.NAME).is_file() and record.read(folder)["scale"] == "smoke":
            raise BookError(f"{chapter.name} cannot be recorded: it ran at smoke scale, whose numbers mean nothing")
    for chapter in chapters:
        _publish_one(project, chapter)
    return [chapter.name for chapter in chapters]


def _publish_one(project: Project, chapter: Chapter) -> None:
    target = project.recorded / chapter.name
    with storage_errors(target):
        project.recorded.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{chapter.name}.", suffix=".tmp", dir=project.recorded))
        try:
            shutil.copytree(project.results / chapter.name, scratch / chapter.name)
            _forget_machine(scratch / chapter.name / promote.NOTEBOOK)
            replace_folder(scratch / chapter.name, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _forget_machine(notebook: Path) -> None:
    """Leave out what tells of the machine and not of the result: where papermill read and wrote, and libraries' warnings."""
    executed = json.loads(notebook.read_text(encoding="utf-8"))
    executed["metadata"].pop("papermill", None)
    for cell in executed["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
    notebook.write_text(json.dumps(executed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
