"""`make book`: execute what is stale, promote what passes the gate, build the pages from promoted results only."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from experiments.artefacts import StorageError, storage_errors, sweep
from experiments.records import book, config, freshness
from experiments.records.execute import TIMEOUT, ChapterError, execute, writable
from experiments.records.progress import Progress, duration
from experiments.records.project import Chapter, Project, ProjectError


class BuildErrors(RuntimeError):
    """Everything that stopped a build, one line each."""


def build(
    project: Project,
    given: dict[str, Any],
    jobs: int = 2,
    timeout: float = TIMEOUT,
    pages: bool = True,
    force: bool = False,
) -> None:
    """Bring every chapter up to date with the parameters `given`, then the pages.

    Chapters run `jobs` at a time. One that fails does not keep the others from their results, but it stops the build
    before the pages. Raises `BuildErrors` that names each failing notebook.
    """
    started = time.monotonic()
    config.check(project)
    chapters = project.chapters()
    progress = Progress(len(chapters) + pages)
    with only_build(project):
        stale = _stale(project, chapters, given, progress, force)
        failures = _execute_all(project, stale, given, jobs, timeout, progress)
        if failures:
            raise BuildErrors("\n".join(failures))
        if pages:
            _pages(project, progress)
    executed = f"{len(stale)} of {len(chapters)} chapters executed" if stale else "nothing was executed"
    progress.say(f"Done in {duration(time.monotonic() - started)}; {executed}.")


def _stale(
    project: Project, chapters: list[Chapter], given: dict[str, Any], progress: Progress, force: bool
) -> list[Chapter]:
    found = []
    for chapter in chapters:
        chapter.parameters()  # a computed parameter is an error before anything runs, as is a module that is not there
        freshness.used_modules(project, chapter)
        why = "asked for" if force else freshness.stale(project, chapter, given, project.results / chapter.name)
        if why is None:
            progress.done(chapter.name, "up to date")
        else:
            progress.say(f"      {chapter.name}: to execute ({why})")
            found.append(chapter)
    return found


def _execute_all(
    project: Project, chapters: list[Chapter], given: dict[str, Any], jobs: int, timeout: float, progress: Progress
) -> list[str]:
    """Execute `chapters`; the messages of those that failed."""

    def one(chapter: Chapter) -> str | None:
        started = time.monotonic()
        try:
            with progress.running(chapter.name):
                execute(project, chapter, given, project.results / chapter.name, timeout, one_thread=jobs > 1)
        except (ChapterError, ProjectError, StorageError) as error:
            progress.done(chapter.name, "FAILED")
            return str(error)
        progress.done(chapter.name, f"executed in {duration(time.monotonic() - started)}")
        return None

    with progress.moving(), ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        try:
            return [message for message in pool.map(one, chapters) if message]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _pages(project: Project, progress: Progress) -> None:
    started = time.monotonic()
    with progress.moving(), progress.running("pages"):
        fresh = book.build(project, project.results, project.built / "html")
    progress.done("pages", f"built in {duration(time.monotonic() - started)}" if fresh else "up to date")


def site(project: Project) -> bool:
    """Build the site from the results committed with the project, executing nothing; False when it was up to date."""
    with only_build(project):
        return book.build(project, project.recorded, project.built / "site")


@contextlib.contextmanager
def only_build(project: Project) -> Iterator[None]:
    """Hold the project for one build, and clear away what a killed build left.

    The lock ends with the process, however it ends. Raises `ProjectError` if another build is running.
    """
    with storage_errors(project.built):
        project.built.mkdir(parents=True, exist_ok=True)
        writable(project.results)
        handle = open(project.built / "lock", "a")
    with handle:
        _lock(handle)
        shutil.rmtree(project.built / "scratch", ignore_errors=True)
        for folder in (project.built, project.results):
            sweep(folder)
        yield


def _lock(handle: Any) -> None:
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ProjectError("another build is running in this checkout; wait for it to end") from None
