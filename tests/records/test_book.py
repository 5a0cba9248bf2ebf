"""Pages come from promoted results only, and are swapped in whole."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.records.book import first_fault


def page(tree, name, where="html"):
    return (tree.root / "_build" / where / name).read_text(encoding="utf-8")


def test_the_book_shows_what_was_executed_and_is_rebuilt_only_when_something_changed(done):
    tree = done
    first = tree.command("build")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip().endswith("_build/html/index.html")
    assert "The area is 3.14." in page(tree, "book/01-circle.html")
    made = (tree.root / "_build/html/index.html").stat().st_mtime_ns

    assert "[3/3] pages: up to date" in tree.command("build").stdout
    assert (tree.root / "_build/html/index.html").stat().st_mtime_ns == made

    tree.edit("book/intro.md", "follow", "come next")
    changed = tree.command("build")
    assert "nothing was executed" in changed.stdout and "pages: built" in changed.stdout
    assert "come next" in page(tree, "book/intro.html")

    # a warning of the page builder stops the build, names the page, and keeps the book that was there
    tree.edit("book/intro.md", "come next", "come next, see [nothing](nowhere.md)")
    broken = tree.command("build")
    assert broken.returncode == 1
    assert "book/intro.md" in broken.stderr and "nowhere.md" in broken.stderr
    assert "come next." in page(tree, "book/intro.html")


def test_the_site_is_built_from_recorded_results_and_executes_nothing(done):
    tree = done
    nothing = tree.command("site")
    assert nothing.returncode == 1
    assert "01-circle has no result in book/results/01-circle; run `make book`" in nothing.stderr

    assert tree.command("record").returncode == 0
    built = tree.root / "_build" / "results"
    built.rename(tree.root / "elsewhere")
    site = tree.command("site")
    assert site.returncode == 0, site.stderr
    assert "The area is 3.14." in page(tree, "book/01-circle.html", "site")
    assert not list(built.glob("*"))

    tree.edit("book/01-circle.ipynb", "AREA * sizes", "2 * AREA * sizes")
    stale = tree.command("site")
    assert stale.returncode == 1
    assert "another version of the notebook" in stale.stderr


def test_smoke_and_stale_results_are_not_recorded(tree):
    tree.command("build", "--no-pages", "--scale", "smoke")
    record = json.loads((tree.root / "_build/results/01-circle/record.json").read_text())
    assert record["scale"] == "smoke"
    refused = tree.command("record")
    assert refused.returncode == 1
    assert "01-circle cannot be recorded: its parameters changed" in refused.stderr
    assert not (tree.root / "book" / "results").exists()


def test_the_first_fault_of_a_log_is_told_with_its_page():
    line = "/tmp/s/source/book/a.md:3: WARNING: image file not readable: b.png [image]"
    log = f"building\n\x1b[91m{line}\x1b[39;49;00m\nmore"
    assert first_fault(log, Path("/tmp/s")) == "book/a.md:3: image file not readable: b.png [image]"


def test_a_misspelt_setting_of_the_page_builder_stops_the_build(done):
    done.edit(
        "_config.yml",
        "only_build_toc_files: true",
        "only_build_toc_files: true\nsphinx:\n  config:\n    html_static_pth: []",
    )
    broken = done.command("build")
    assert broken.returncode == 1
    assert "unknown config value 'html_static_pth'" in broken.stderr
