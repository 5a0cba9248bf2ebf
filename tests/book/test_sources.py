"""What every chapter's source keeps to, whatever it is about."""

import re
from pathlib import Path

import nbformat
import pytest

from experiments.records.project import Project

CHAPTERS = {chapter.name: nbformat.read(chapter.source, as_version=4).cells for chapter in Project().chapters()}


@pytest.fixture(params=CHAPTERS.values(), ids=CHAPTERS)
def cells(request):
    return request.param


def test_it_stores_no_outputs_and_has_one_cell_of_parameters(cells):
    assert not any(cell.get("outputs") for cell in cells)
    assert [cell.metadata.get("tags") for cell in cells].count(["parameters"]) == 1


def test_every_claim_states_its_rule_before_it_is_judged(cells):
    judged = {name: k for k, cell in enumerate(cells) for name in re.findall(r'run\.claim\(\s*"(C\d\d)"', cell.source)}
    assert judged
    for claim, at in judged.items():
        told = [cell.source for cell in cells[:at] if cell.cell_type == "markdown"]
        assert any(re.search(rf"\*\*Rules? for[^*]*{{claim}}`{claim}`", text) for text in told), claim


def test_every_solution_is_followed_by_a_check(cells):
    starts = [k for k, cell in enumerate(cells) if "```{dropdown} Solution" in cell.source]
    assert len(starts) >= 3
    for start, stop in zip(starts, [*starts[1:], len(cells)]):
        assert any(c.cell_type == "code" and "assert " in c.source for c in cells[start:stop]), cells[start].source[:60]


def test_no_cell_names_a_folder_of_some_machine(cells):
    for cell in cells:
        assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", cell.source)


VIETNAMESE = re.compile("[ăâđêôơưàáạảãèéẹẻẽìíịỉĩòóọỏõùúụủũỳýỵỷỹ]|[\u1ea0-\u1ef9]", re.IGNORECASE)
GLOSSARY = [row.strip("| ").split(" | ") for row in Path("book/notation.md").read_text(encoding="utf-8").partition("## Glossary")[2].splitlines() if row.startswith("| ")][1:]


def test_the_vietnamese_of_every_term_stands_in_the_glossary(cells):
    """A term is introduced as (*thuật ngữ*); what ends a sentence is a title in Vietnamese and no term."""
    told = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    terms = [term for term in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", told) if VIETNAMESE.search(term) and term[-1] not in ".?"]
    known = {term for row in GLOSSARY for term in row[1].split(", ")}
    assert terms and not set(terms) - known


def test_the_glossary_sends_each_term_to_a_chapter_that_has_it():
    assert len({row[0] for row in GLOSSARY}) == len(GLOSSARY) > 60
    for english, _, _, chapter in GLOSSARY:
        name = chapter.split("`")[1]
        said = " ".join(cell.source for cell in CHAPTERS[name]).replace("*", "").lower()
        assert english.partition(" (")[0].lower() in said, english
