"""A figure with a sheet beside it: what the page gets, and that its sliders show the tile that they name, by keyboard."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments.artefacts import ROOT
from experiments.records import sheet

browser = pytest.importorskip("browser")
pytest.importorskip("selenium")
seen = pytest.mark.skipif(browser.BROWSER is None or browser.DRIVER is None, reason="needs chromium and chromedriver")

AXES = {"guidance w": ["1", "4", "8"], "step": ["1 of 2", "2 of 2"], "noise": ["seed 0", "seed 1"]}
PAGE = """<!doctype html><html lang="en"><title>sheet</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="book.css"><main><h1>Sheet</h1>{place}</main>
<script src="sheet.js"></script></html>"""


@pytest.fixture
def place(tmp_path):
    """The HTML that stands under a figure of a chapter, with its files where a built page finds them."""
    from evidence import sheets

    noted = []
    env = SimpleNamespace(docname="book/02-guidance", note_dependency=noted.append)
    folder = tmp_path / "records" / "02-guidance"
    folder.mkdir(parents=True)
    assert sheets.place(env, "02-guidance", folder / "sheet.png", "words") == []  # a figure without a sheet
    sheet.save(folder, "sheet", np.zeros((3, 2, 2, 8, 8, 3)), AXES, [1, 1, 0])
    (made,) = sheets.place(env, "02-guidance", folder / "sheet.png", 'a "quoted" word')
    assert noted == [str(folder / "sheet-sheet.webp")]
    return made.astext()


def test_the_place_names_its_file_and_escapes_words(place):
    assert 'data-src="../records/02-guidance/sheet-sheet.webp"' in place
    assert "&quot;quoted&quot;" in place


@seen
def test_sliders_show_the_tile_that_they_name(place, tmp_path):
    (tmp_path / "book").mkdir()
    for name in ("sheet.js", "book.css"):
        (tmp_path / "book" / name).write_text((ROOT / "book" / "_static" / name).read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "book" / "page.html"
    path.write_text(PAGE.format(place=place), encoding="utf-8")
    with browser.chromium() as page:
        page.driver.get(path.as_uri())  # a first file, as the page's storage belongs to one
        page.open(path, browser.PHONE)
        page.wait("return document.querySelectorAll('.sheet-controls input').length == 3")

        def shown():
            return page.script("const t = document.querySelector('.sheet-tile'); return [t.getAttribute('aria-label'), t.style.backgroundPosition]")

        assert shown() == ["guidance w: 4, step: 2 of 2, noise: seed 0", "100% 40%"]  # row 2 of 0 to 5
        sliders = page.driver.find_elements("css selector", ".sheet-controls input")
        sliders[0].send_keys("\ue014")  # the right arrow
        assert shown() == ["guidance w: 8, step: 2 of 2, noise: seed 0", "100% 80%"]
        sliders[1].send_keys("\ue011")  # home
        sliders[2].send_keys("\ue010")  # end
        assert shown() == ["guidance w: 8, step: 1 of 2, noise: seed 1", "0% 100%"]
        assert page.script("return document.querySelector('.sheet-controls output').textContent") == "8"
        assert page.violations() == [] and page.complaints() == [] and page.elsewhere() == []
        assert page.script("return document.documentElement.scrollWidth") <= browser.PHONE[0]
