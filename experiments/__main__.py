"""The command line: `python -m experiments COMMAND`. Exit codes: 0 done, 1 something was wrong, 2 a wrong command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from experiments.artefacts import StorageError


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m experiments", description=__doc__.partition(". Exit")[0] + ".")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("build", help="execute what is stale and build the book (`make book`)")
    command.set_defaults(run=_build)
    command.add_argument("--jobs", type=_positive, default=2, help="chapters executed side by side (default: 2)")
    command.add_argument(
        "--timeout", type=float, default=1800, help="seconds that one chapter may take (default: 1800)"
    )
    command.add_argument(
        "--scale", choices=("smoke", "mini", "full"), help="scale of every chapter (default: each one's own)"
    )
    command.add_argument("--no-pages", action="store_true", help="execute and promote only")
    command.add_argument("--force", action="store_true", help="execute every chapter, stale or not")

    command = commands.add_parser("site", help="build the site from recorded results, executing nothing (`make site`)")
    command.set_defaults(run=_site)

    command = commands.add_parser("chapter", help="execute one chapter with parameters of your own (`make chapter`)")
    command.set_defaults(run=_chapter)
    command.add_argument("name", help="such as 01-conditioning, or 1")
    command.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="such as scale=smoke or 'models=[mini-sd3]'"
    )
    command.add_argument("--timeout", type=float, default=86400, help="seconds that it may take (default: a day)")
    command.add_argument("--result", action="store_true", help="keep it as this machine's result, which `build` takes up")

    command = commands.add_parser("record", help="copy this machine's results to book/results, which `site` shows")
    command.set_defaults(run=_record)

    command = commands.add_parser(
        "status", help="chapters and miniatures: recorded, built, stale, under-trained, missing"
    )
    command.set_defaults(run=_status)

    command = commands.add_parser("train", help="train miniatures, or go on with interrupted training")
    command.set_defaults(run=_train)
    command.add_argument("name", nargs="?", help="a miniature that `status` lists")
    command.add_argument(
        "--all", action="store_true", help="every miniature that is missing or under-trained, in that order"
    )
    command.add_argument("--device", help="such as cuda or cpu (default: the best there is)")
    command.add_argument("--budget", type=float, metavar="MINUTES", help="stop after so many minutes each; resumable")
    command.add_argument(
        "--images", type=_positive, metavar="N", help="a plan of N training images, if that is less than the row's budget"
    )
    command.add_argument(
        "--until", type=_positive, metavar="N", help="ship what is learned after N images of the plan; it can go on later"
    )
    command.add_argument("--more", type=_positive, metavar="N", help="go on from the weights that ship, for N images more")

    command = commands.add_parser("study", help="measure what takes longer than a chapter may, or go on with it")
    command.set_defaults(run=_study)
    command.add_argument("name", nargs="?", help="a study that `status` lists; all of them without a name")
    command.add_argument("--budget", type=float, metavar="MINUTES", help="stop after so many minutes; resumable")

    command = commands.add_parser("timing", help="time released systems at their real size, without weights, on a GPU")
    command.set_defaults(run=_timing)
    command.add_argument("name", nargs="?", help="such as sd1.5 or flux1-dev; all of the lecture's without a name")
    command.add_argument("--budget", type=float, metavar="MINUTES", help="stop after so many minutes; resumable")

    command = commands.add_parser("generate", help="draw captions of MS-COCO with released systems, or go on with it")
    command.set_defaults(run=_generate)
    command.add_argument("--models", required=True, metavar="NAMES", help="such as sd1.5,sdxl or a NAME@REVISION or a folder")
    command.add_argument("--coco", required=True, metavar="FOLDER", help="annotations/ and the pictures' folder, as unpacked")
    command.add_argument("--n", type=_positive, default=5000, help="captions, one of each picture (default: 5000)")
    command.add_argument("--out", required=True, metavar="FOLDER", help="where the sets of pictures are kept")
    command.add_argument("--split", default="val2017", help="split of COCO (default: val2017)")
    command.add_argument("--seeds", type=_positive, default=1, metavar="K", help="pictures of each caption (default: 1)")
    command.add_argument("--steps", type=_positive, help="denoising steps (default: the release's)")
    command.add_argument("--resolution", type=_positive, metavar="SIDE", help="pixels (default: the release's)")
    command.add_argument("--batch", type=_positive, help="pictures at once (default: what fits the free memory)")
    command.add_argument("--device", help="such as cuda or cpu (default: the best there is)")
    command.add_argument("--compile", action="store_true", help="compile the denoisers: minutes at first, faster after")

    command = commands.add_parser("bench", help="time this project against the plain ways, as ratios (`make bench`)")
    command.set_defaults(run=_bench)
    command.add_argument("--only", metavar="WORD", help="only benchmarks whose name contains WORD")

    command = commands.add_parser("doctor", help="look at this machine and say what to do (`make doctor`)")
    command.set_defaults(run=_doctor)
    command.add_argument("--scale", choices=("smoke", "mini", "full"), default="mini", help="scale to prepare for")
    command.add_argument("--model", help="released model to look for (with --scale full)")
    command.add_argument("--chapter", metavar="NAME", help="what this chapter needs, such as 09-evaluation or 9")
    command.add_argument("--models", metavar="A,B", help="with --chapter: its models, such as sd1.5,sdxl")
    command.add_argument("--coco", metavar="FOLDER", help="with --chapter: the folder of MS-COCO 2017")
    return top


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _build(options: argparse.Namespace) -> int:
    from experiments.records.build import build
    from experiments.records.project import Project

    given = {"scale": options.scale} if options.scale else {}
    build(Project(), given, options.jobs, options.timeout, not options.no_pages, options.force)
    if not options.no_pages:
        print("The book is in _build/html/index.html")
    return 0


def _site(options: argparse.Namespace) -> int:
    from experiments.records.build import site
    from experiments.records.project import Project

    state = "built from the recorded results" if site(Project()) else "up to date"
    print(f"The site is in _build/site/index.html ({state}; nothing was executed)")
    return 0


def _chapter(options: argparse.Namespace) -> int:
    from experiments.records import parameters
    from experiments.records.execute import execute
    from experiments.records.project import Project

    project = Project()
    chapter = project.chapter(options.name)
    declared = chapter.parameters()
    given = dict(_assignment(text, declared) for text in options.parameters)
    checked = parameters.check(given, declared)
    target = (project.results if options.result else project.built / "chapters") / chapter.name
    print(f"{chapter.name}: executing", flush=True)
    execute(project, chapter, {name: checked[name] for name in given}, target, options.timeout, one_thread=False)
    print(f"The executed chapter is in {target.relative_to(project.root)}/notebook.ipynb, its record beside it")
    return 0


def _assignment(text: str, declared: dict[str, Any]) -> tuple[str, Any]:
    import yaml

    from experiments.records.parameters import ParameterError

    name, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(
            f"{text!r} is no parameter; write NAME=VALUE, with NAME one of {', '.join(sorted(declared))}"
        )
    return name, value if isinstance(declared.get(name), str) else yaml.safe_load(value)


def _record(options: argparse.Namespace) -> int:
    from experiments.records.book import publish
    from experiments.records.project import Project

    names = publish(Project())
    print(f"Recorded in book/results: {', '.join(names)}. Commit that folder, and `make site` shows it.")
    return 0


def _status(options: argparse.Namespace) -> int:
    from experiments.records import status
    from experiments.records.project import Project

    project = Project()
    kinds = {
        "chapters": status.chapters(project),
        "miniatures": status.recipes(project, _recipes()),
        "studies": [status.Line(name, *status.study(*parts)) for name, parts in _studies().items()],
    }
    for title, lines in kinds.items():
        print(f"{title}:")
        for line in lines:
            print(f"  {line.name:24} {line.state:14} {line.why}")
    return 0


def _recipes() -> dict[str, Any]:
    from experiments.models.recipes import RECIPES

    return RECIPES


def _studies() -> dict[str, tuple[int, int]]:
    """Parts done and parts in all by the study's name."""
    from experiments.studies import study

    return {one.name: study.state(one) for one in study.all_studies()}


def _train(options: argparse.Namespace) -> int:
    from experiments.records.project import Project
    from experiments.records.train import train, unfinished

    rows = _recipes()
    if bool(options.name) == options.all:
        return _usage("name one miniature, or say --all; there are: " + ", ".join(rows))
    if options.name and options.name not in rows:
        return _usage(f"no miniature {options.name!r}{_nearest(options.name, rows)}; there are: {', '.join(rows)}")
    if options.more and (options.all or options.images or options.until):
        return _usage("--more goes on with one miniature: give its name, and neither --all, --images nor --until")
    names = [options.name] if options.name else unfinished(Project(), rows)
    left = train(names, options.device, options.budget, options.images, options.until, options.more)
    for reason in left:
        print(f"not finished: {reason}")
    print(f"{len(names) - len(left)} of {len(names)} trained; `python -m experiments status` shows how well")
    return int(bool(left) and options.budget is None)


def _nearest(word: str, valid: Sequence[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word, list(valid), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _usage(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _study(options: argparse.Namespace) -> int:
    from experiments.studies import study

    try:
        chosen = [study.find(options.name)] if options.name else study.all_studies()
    except ValueError as error:
        return _usage(str(error))
    for one in chosen:
        print(f"recorded in {study.run(one, options.budget).relative_to(study.ROOT)}")
    return 0


def _timing(options: argparse.Namespace) -> int:
    import time

    from experiments.metrics.timing import measure
    from experiments.models.systems import ROWS, UnknownSystem

    begun, left = time.monotonic(), options.budget
    try:
        for name in [options.name] if options.name else [row.name for row in ROWS]:
            if options.budget is not None:
                left = max(0.0, options.budget - (time.monotonic() - begun) / 60)
            if not measure(name, left):
                return 0
    except (RuntimeError, UnknownSystem) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _generate(options: argparse.Namespace) -> int:
    from experiments.sampling.coco_run import generate_coco
    from experiments.sampling.worker import Settings, share_from_environment

    names = [name for name in options.models.strip("[] ").replace(",", " ").split() if name]
    settings = Settings(options.steps, options.resolution, options.batch, options.device, options.compile, **share_from_environment())
    seeds = range(options.seeds)
    made = generate_coco(
        names, options.coco, options.n, options.out, split=options.split, seeds=seeds, settings=settings, say=_say
    )
    for name, folder in made.folders.items():
        there = "complete" if (folder / "manifest.json").is_file() else "this worker's share is done"
        print(f"{name}: {there}, in {folder}")
    for name, reason in made.failed.items():
        print(f"error: {reason}", file=sys.stderr)
    return int(bool(made.failed))


def _say(text: str) -> None:
    print(text, flush=True)


def _bench(options: argparse.Namespace) -> int:
    from experiments.records.bench import run
    from experiments.records.project import Project

    return run(Project(), options.only)


def _doctor(options: argparse.Namespace) -> int:
    from experiments.records.doctor import examine
    from experiments.records.project import Project

    given = {"models": options.models.split(",")} if options.models else {}
    given |= {"coco": options.coco} if options.coco else {}
    found = examine(Project(), options.scale, options.model, options.chapter, given)
    for finding in found:
        sign = "ok  " if finding.good else "FAIL" if finding.needed else "note"
        print(f"{sign}  {finding.what}" + ("" if finding.good else f": {finding.remedy}"))
    return int(any(not finding.good and finding.needed for finding in found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every expected failure is a line on standard error and exit code 1."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except ModuleNotFoundError as error:
        remedy = "run `make book`, which installs what the lock file lists"
        print(f"error: the package {error.name} is missing; {remedy}", file=sys.stderr)
    except StorageError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except Exception as error:
        if not _expected(error):
            raise
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
    return 1


def _expected(error: Exception) -> bool:
    """Whether `error` says all there is to say; anything else is a fault of the program and keeps its traceback."""
    if type(error).__name__ in ("CocoError", "UnknownSystem", "SetError", "WeightsError"):
        return True  # their modules import torch, which the other commands do without
    from experiments.records.book import BookError
    from experiments.records.build import BuildErrors
    from experiments.records.execute import ChapterError
    from experiments.records.parameters import ParameterError
    from experiments.records.project import ProjectError
    from experiments.records.record import RecordError

    return isinstance(error, (BookError, BuildErrors, ChapterError, ParameterError, ProjectError, RecordError))


if __name__ == "__main__":
    sys.exit(main())
