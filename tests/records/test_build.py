"""Building, breaking and killing a toy book."""

from __future__ import annotations

import json
import os
import signal
import time

import psutil
import pytest


def built(tree, chapter="01-circle"):
    """When and from what a chapter's result was made."""
    folder = tree.root / "_build" / "results" / chapter
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} if folder.is_dir() else None


def test_nothing_changed_executes_nothing_and_a_change_executes_what_uses_it(done):
    circle, square = built(done), built(done, "02-square")

    again = done.command("build", "--no-pages")
    assert "nothing was executed" in again.stdout
    assert built(done) == circle

    done.edit("experiments/toys/square.py", "AREA = 1.0", "AREA = 4.0  # by four")
    module = done.command("build", "--no-pages")
    assert "02-square: to execute (a module that it uses changed)" in module.stdout
    assert "1 of 2 chapters executed" in module.stdout
    assert built(done) == circle and built(done, "02-square") != square

    square = built(done, "02-square")
    done.edit("book/01-circle.ipynb", "The area is", "The area was")
    done.edit("experiments/toys/square.py", "by four", "by four, as a comment")
    notebook = done.command("build", "--no-pages")
    assert "01-circle: to execute (the notebook changed)" in notebook.stdout
    assert built(done) != circle and built(done, "02-square") == square

    circle = built(done)
    done.edit("weights/compass/training.json", '"images_seen": 5', '"images_seen": 6')
    assert "01-circle: to execute (a model that it uses changed)" in done.command("build", "--no-pages").stdout
    assert built(done) != circle and built(done, "02-square") == square


BROKEN = {
    "an error": (
        "value = run",
        "raise ValueError('no scene')\\nvalue = run",
        "code cell 3 stopped with ValueError: no scene",
    ),
    "a dead kernel": (
        "path = run.close()",
        "run.close(); import os; os._exit(0)",
        "code cell 5 of 5 did not run to its end",
    ),
    "a polite exit": (
        "path = run.close()",
        "run.close(); import sys; sys.exit(0)",
        "code cell 5 stopped with SystemExit",
    ),
    "no record": ("path = run.close()", "path = None", "it left no record"),
    "another's name": ('Run(\\"01-circle\\"', 'Run(\\"03-cone\\"', "its record is called 03-cone"),
    "a forgotten parameter": (", sizes=sizes)", ")", "its record leaves out the parameter sizes"),
    "a missing module": (
        "experiments.toys.circle",
        "experiments.toys.cone",
        "imports experiments.toys.cone, and there is",
    ),
    "a computed parameter": ("seed = 0", "seed = len('')", "parameter seed is computed"),
    "stored outputs": (
        '"outputs": []',
        '"outputs": [{"output_type": "stream", "name": "stdout", "text": []}]',
        "stores outputs",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_notebook_stops_the_build_is_named_and_keeps_the_earlier_result(done, kind):
    before = built(done)
    old, new, words = BROKEN[kind]
    done.edit("book/01-circle.ipynb", old, new)
    failed = done.command("build")
    assert failed.returncode == 1
    assert words in failed.stderr
    assert "01-circle.ipynb" in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr
    assert built(done) == before
    assert not (done.root / "_build" / "html").exists()


def test_a_chapter_that_never_ends_is_stopped_with_its_kernel(tree):
    tree.edit("book/01-circle.ipynb", "value = run.metric", "import time; time.sleep(600)\\nvalue = run.metric")
    failed = tree.command("build", "--no-pages", "--timeout", "5")
    assert failed.returncode == 1
    assert "01-circle.ipynb: it ran longer than the time limit of 5 s" in failed.stderr
    assert kernels(tree) == []


def kernels(tree):
    found = []
    for process in psutil.process_iter():
        try:
            if (
                str(tree.root) in process.environ().get("EXPERIMENTS_OUT", "")
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
    return found


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_killed_build_leaves_no_kernel_and_the_next_gives_the_same_book(tree):
    tree.edit("book/01-circle.ipynb", "value = run.metric", "import time; time.sleep(3)\\nvalue = run.metric")
    process = tree.start("build", "--no-pages")
    assert wait(lambda: len(kernels(tree)) >= 2)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert wait(lambda: not kernels(tree)), "a kernel survived the build"
    assert built(tree) is None

    assert tree.command("build", "--no-pages").returncode == 0
    record = json.loads((tree.root / "_build/results/01-circle/record.json").read_text())
    assert record["metrics"]["area"]["value"] == 3.14
    assert list((tree.root / "_build" / "scratch").iterdir()) == []
    assert sorted(p.name for p in (tree.root / "_build" / "results").iterdir()) == ["01-circle", "02-square"]


def test_two_builds_at_once_do_not_mix(tree):
    tree.edit("book/01-circle.ipynb", "value = run.metric", "import time; time.sleep(4)\\nvalue = run.metric")
    first = tree.start("build", "--no-pages")
    assert wait(lambda: kernels(tree))
    second = tree.command("build", "--no-pages")
    assert second.returncode == 1
    assert "another build is running" in second.stderr
    assert first.wait(300) == 0


def test_a_full_disk_is_one_line_and_loses_nothing(done, small_disk):
    before = built(done)
    (done.root / "_build" / "scratch").rmdir()
    (done.root / "_build" / "scratch").symlink_to(small_disk)
    done.edit("book/01-circle.ipynb", "value = run.metric", "print('x' * 3_000_000)\\nvalue = run.metric")
    failed = done.command("build", "--no-pages")
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr
    assert "disk is full" in failed.stderr or "No space left" in failed.stderr
    assert built(done) == before


def test_a_results_folder_that_cannot_be_written_is_one_line_before_any_work(tree, tmp_path):
    (tree.root / "_build").mkdir()
    (tree.root / "_build" / "results").write_text("in the way")
    failed = tree.command("build", "--no-pages")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: cannot write _build/results: a file stands where a folder is needed")
    assert "to execute" not in failed.stdout


def test_a_read_only_results_folder_is_one_line_before_any_work(done, read_only):
    with read_only(done.root / "_build" / "results"):
        done.edit("book/01-circle.ipynb", "The area is", "The area was")
        failed = done.command("build", "--no-pages")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: cannot write _build/results: ")
    assert len(failed.stderr.strip().splitlines()) == 1
    assert "to execute" not in failed.stdout
    assert "1 of 2 chapters executed" in done.command("build", "--no-pages").stdout
