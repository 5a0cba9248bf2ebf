"""The sources of the pages: no number typed that a record should supply, every source cited, every setting known."""

import json
import re

import numpy as np
import pytest
import yaml
from evidence import scenes

from experiments.artefacts import ROOT
from experiments.records import config

PAGES = sorted((ROOT / "book").glob("*.md"))
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
NOT_PROSE = re.compile(r"```.*?```|\$\$.*?\$\$|`[^`]*`|\$[^$]*\$|\{[a-z:]+\}`[^`]*`", re.DOTALL)
RESULT = re.compile(r"\d+\.\d+|\d+(\.\d+)?\s?%")
SECTION = re.compile(r"^#+ .*|[Ss]ections? \d+\.\d+(?: (?:and|to) \d+\.\d+)?", re.MULTILINE)
NAME = re.compile(r"(SD(XL)? ?|Kandinsky |FLUX\.|InstaFlow-|v)\d+(\.\d+)?(-\w+)?")


def typed_results(text):
    """Numbers with decimals or percents in prose.

    Paragraphs that cite a source or ask a record may have them, and rules, for their thresholds; 95% is a level.
    """
    paragraphs = re.split(r"\n\s*\n", text.replace("95%", ""))
    bare = [p for p in paragraphs if not re.search(r"\{cite|\{(metric|number)\}|^\*\*Rule", p)]
    words = [re.sub(NAME, "", re.sub(SECTION, "", re.sub(NOT_PROSE, "", p))) for p in bare]
    return [match.group() for p in words for match in RESULT.finditer(p)]


def prose(path):
    """What a page or a chapter says in Markdown, without its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", [*PAGES, *CHAPTERS], ids=lambda path: path.stem)
def test_no_page_types_a_result(path):
    assert typed_results(prose(path)) == []


def test_the_rule_on_typed_results_catches_them():
    assert typed_results("The accuracy is 0.93.\n\nAnd 12 % fail.") == ["0.93", "12 %"]


@pytest.mark.parametrize(
    "text",
    [
        "It is 0.93 {cite:p}`a`.",
        "It is {metric}`a:b .2f`.",
        "$w = 1.5$ and `0.2`",
        "SD1.5, SD 2.0-base",
        "## 9.1 A head\n\nsection 9.2",
        "**Rule.** Above 0.5 by the 95% interval.",
    ],
)
def test_the_rule_on_typed_results_lets_pass(text):
    assert typed_results(text) == []


def test_every_source_is_cited_and_every_citation_has_a_source():
    defined = set(
        re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    )
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*PAGES, *CHAPTERS])
    cited = {key.strip() for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text) for key in keys.split(",")}
    assert cited - defined == set()
    assert defined - cited == set()


def test_the_settings_hold_no_key_that_jupyter_book_ignores():
    assert config.faults(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))) == []


def test_the_contents_list_what_exists():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]
    missing = [name for name in listed if not any((ROOT / f"{name}{end}").is_file() for end in (".md", ".ipynb"))]
    assert missing == []
    assert {f"book/{path.stem}" for path in [*PAGES, *CHAPTERS]} == set(listed)


def test_pages_name_no_machine_of_ours():
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*PAGES, *(ROOT / "book" / "_ext").rglob("*.py")])
    assert not re.search(r"(?<![\w.])/(work|root|home|tmp)/", text)


def test_the_picture_of_the_scenes_is_what_the_renderer_draws():
    from PIL import Image

    drawn = pytest.importorskip("draw_scenes").picture()
    stored = Image.open(ROOT / "book" / "scenes.png").convert("RGB")
    assert drawn.size == stored.size
    difference = np.abs(np.asarray(drawn, dtype=int) - np.asarray(stored, dtype=int))
    assert (
        difference > 2
    ).mean() < 1e-3  # machines may round a pixel differently; `python book/_ext/draw_scenes.py` redraws


def test_the_withheld_pairs_on_the_page_are_those_of_the_data():
    from experiments.data.scenes import withheld

    _, rows = scenes.Withheld.content_of(None)
    assert {tuple(row) for row in rows} == set(withheld())
