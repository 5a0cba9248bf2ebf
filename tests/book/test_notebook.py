"""Reading a promoted notebook: recorded outputs become directives, the rest stays where it was."""

import mini_book
import nbformat
from evidence import notebook, tables


def read(made=None):
    return notebook.read(nbformat.writes(made or mini_book.notebook()))


def test_outputs_keep_their_order_around_the_directives():
    kinds = [cell.cell_type for cell in read().cells]
    assert kinds == ["markdown", "code", "markdown", "markdown", "code", "markdown"]
    before, figure, table, after, said = read().cells[1:]
    assert [output.text for output in before.outputs] == ["epoch 1 of 1\n", "Loading: 100%\n"]
    assert "{record-figure} 01-conditioning:attention-maps\n:name: fig-01-conditioning-attention-maps" in figure.source
    assert "{record-table} 01-conditioning:mechanisms" in table.source and mini_book.PIPES in table.source
    assert [output.get("text") for output in after.outputs] == ["done\n", None]
    assert said.source == mini_book.SAID


def test_only_the_first_piece_shows_the_source():
    pieces = [cell for cell in read().cells if cell.cell_type == "code"]
    assert pieces[0].source.startswith("train(") and pieces[1].source == notebook.UNSHOWN
    assert [notebook.HIDDEN in piece.metadata.get("tags", []) for piece in pieces] == [False, True]


def test_hidden_source_stays_hidden():
    made = mini_book.notebook()
    made.cells[1].metadata["tags"] = ["hide-input"]
    assert read(made).cells[1].metadata.tags == ["hide-input"]


def test_only_long_code_that_shows_something_is_folded():
    made = mini_book.notebook()
    made.cells[1].source = "\n".join(f"line({k})" for k in range(notebook.LONG + 1))
    assert read(made).cells[1].metadata.tags == [notebook.FOLDED]
    made.cells[1].metadata["tags"] = [notebook.OPEN]
    assert read(made).cells[1].metadata.tags == [notebook.OPEN]
    made.cells[1].source, made.cells[1].metadata["tags"] = "short()", []
    assert read(made).cells[1].metadata.tags == []
    made.cells[1].source = "\n".join(f"line({k})" for k in range(notebook.LONG + 1))
    made.cells[1].outputs = made.cells[1].outputs[-1:]  # a sentence of the record
    assert read(made).cells[1].metadata.tags == [notebook.FOLDED]
    made.cells[1].outputs = []
    assert read(made).cells[1].metadata.tags == []


def test_an_output_without_a_record_is_left_alone():
    made = mini_book.notebook()
    for output in made.cells[1].outputs:
        output.get("metadata", {}).pop("experiments", None)
    assert read(made) == nbformat.reads(nbformat.writes(made), as_version=4)


def test_labels_are_what_a_reference_can_name():
    assert notebook.label("fig", "09-evaluation", "FID_against/n") == "fig-09-evaluation-fid-against-n"


def test_pipe_tables_keep_escaped_bars_and_empty_cells():
    head, *rows = tables.pipes(mini_book.PIPES.splitlines())
    assert head == ["mechanism", "model", "accuracy", "note"]
    assert rows == [
        ["cross-attention", "mini-sd1.5", "0.913 [0.87, 0.95]", "a | b"],
        ["additive", "none", "not measured", ""],
    ]


def test_a_model_is_named_as_a_word_of_its_own():
    assert tables.named("mini-sd3", ["a", "mini-sd3 (MM-DiT)"]) and tables.named("mini-sd3", ["see mini-sd3."])
    assert not tables.named("mini-sd3", ["mini-sd3.5"]) and not tables.named("sd3", ["mini-sd3"])


def test_what_counts_as_a_number():
    assert all(
        map(tables.numeric, ["0.913", "0.91 [0.87, 0.95]", "1,024", "12%", "±0.3", "-2", "not measured", "3.1 ± 0.2"])
    )
    assert not any(map(tables.numeric, ["mini-sd1.5", "cross-attention", "3 seeds", "a 4"]))
