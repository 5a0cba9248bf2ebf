"""The gate reads the executed file itself."""

from __future__ import annotations

import json

import pytest

from experiments.records import promote


def cell(source, count=None, outputs=(), answered=True, **metadata):
    if count and answered:
        metadata["execution"] = {"shell.execute_reply": "2026-01-01T00:00:00Z"}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "execution_count": count,
        "outputs": list(outputs),
    }


ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "\x1b[31mno such scene\x1b[0m\nmore", "traceback": []}
EXIT = {"output_type": "error", "ename": "SystemExit", "evalue": "0", "traceback": []}


def judge(tmp_path, *cells, source=None, name="a"):
    (tmp_path / "notebook.ipynb").write_text(json.dumps({"cells": list(cells)}))
    written = source or [cell(c["source"]) for c in cells if "injected-parameters" not in c["metadata"].get("tags", [])]
    return promote.faults(tmp_path, name, {"cells": written})


def test_cells_that_all_ran_in_order_pass(tmp_path):
    injected = cell("# Parameters\na = 2", 2, tags=["injected-parameters"])
    assert judge(tmp_path, cell("a = 1", 1), injected, cell("  \n"), cell("b = 1", 3)) == []


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([cell("a", 1), cell("b", 2, [ERROR]), cell("c")], "code cell 2 stopped with ValueError: no such scene"),
        ([cell("a", 1, [EXIT])], "code cell 1 stopped with SystemExit"),
        ([cell("a", 1), cell("b"), cell("c")], "code cell 2 of 3 did not run to its end"),
        ([cell("a", 1), cell("b", 2, answered=False)], "code cell 2 of 2 did not run to its end"),
        ([cell("a", 1), cell("b", 3)], "code cell 2 ran as number 3"),
    ],
)
def test_an_error_a_dead_kernel_and_disorder_are_named(tmp_path, cells, words):
    assert judge(tmp_path, *cells)[0].startswith(words)


def test_papermills_word_is_not_taken_for_it(tmp_path):
    late = cell("b", papermill={"status": "completed"})
    assert judge(tmp_path, cell("a", 1), late) != []


def test_a_result_of_another_source_is_refused(tmp_path):
    assert judge(tmp_path, cell("a = 1", 1), source=[cell("a = 2")]) == [
        "it was executed from another version of the notebook"
    ]


def test_a_file_cut_short_or_missing_is_refused(tmp_path):
    assert promote.faults(tmp_path, "a", {"cells": []}) == ["it left no executed notebook"]
    (tmp_path / "notebook.ipynb").write_text('{"cells": [')
    assert promote.faults(tmp_path, "a", {"cells": []}) == ["its executed notebook is cut short"]


def test_a_chapter_without_a_record_is_refused(tmp_path):
    assert "run.close()" in judge(tmp_path, cell("from experiments.records import Run", 1))[0]
