"""The page of the table: every row by every source, links to its files, a grid, and heads that sort."""

import browser
import pytest
from bs4 import BeautifulSoup
from evidence.evaluation import shown

from experiments.artefacts import ROOT


@pytest.fixture(scope="module")
def page(site):
    return BeautifulSoup((site / "book" / "table.html").read_text(encoding="utf-8"), "html.parser")


def cells(table):
    return [[cell.text.strip() for cell in row.select("td")] for row in table.select("tbody tr")]


def test_quality_has_every_source_and_says_what_was_not_measured(page):
    table = page.select(".evidence-sortable table")[0]
    assert table.select("thead th")[2].text.strip() == "FID ↓"
    lecture, published, here, other = cells(table)
    assert lecture[:3] == ["SD1.5", "lecture; no n stated", "156.5"]
    assert published[1].startswith("Wang et al") and published[2] == "20.1"
    assert here[2] == "0.07 (0.06 to 0.08)" and here[3] == "not measured"
    assert other[0] == "mini-sd3" and "not-measured" in table.select("tbody tr")[3].select("td")[4]["class"]


def test_what_others_published_keeps_its_digits_and_what_has_an_interval_is_cut():
    column = {"name": "FID", "spec": ".4g"}

    def printed(value, low=None, high=None):
        return shown({"cells": {"FID": {"value": value, "low": low, "high": high}}}, column)

    assert printed(23.01) == "23.01" and printed(0.06571, 0.05716, 0.07512) == "0.0657 (0.0572 to 0.0751)"


def test_a_group_leaves_out_rows_of_others_that_have_none_of_its_columns(page):
    categories, cost = page.select(".evidence-sortable table")[1:3]
    assert [row[0] for row in cells(categories)] == ["mini-sd1.5", "mini-sd3", "renders"]
    assert [row[0] for row in cells(cost)] == ["SD1.5", "mini-sd1.5", "mini-sd3"]


def test_the_files_lie_where_the_links_say(site, page):
    links = {link.text: link["href"] for link in page.select(".evidence-sortable a.evidence-csv")}
    assert set(links) == {"JSON", "CSV", "LaTeX"}
    assert all((site / "book" / href).resolve().is_file() for href in links.values())


def test_the_grid_shows_each_prompt_with_words_for_those_who_cannot_see_it(site, page):
    folds = page.select("details.evidence-grid")
    assert [fold.summary.text for fold in folds] == ["a red cube", "two <blue> spheres"]
    assert folds[0].has_attr("open") and not folds[1].has_attr("open")
    tile = folds[1].select(".grid-tile")[1]
    assert tile["aria-label"] == "mini-sd3: two <blue> spheres (wrong count)"
    assert (site / "book" / tile["style"].split("url('")[1].split("'")[0]).resolve().is_file()


def test_without_results_the_page_says_so(bare):
    text = BeautifulSoup((bare / "book" / "table.html").read_text(encoding="utf-8"), "html.parser").select_one("article").text
    assert text.count("not measured") >= 4


needs_browser = pytest.mark.skipif(browser.BROWSER is None or browser.DRIVER is None, reason="needs chromium and chromedriver")


@needs_browser
def test_a_head_sorts_by_key_and_by_click_and_missing_values_stay_last(site):
    pytest.importorskip("selenium")
    from selenium.webdriver.common.keys import Keys

    with browser.chromium() as opened:
        opened.driver.get((site / "index.html").as_uri())
        opened.open(site / "book" / "table.html")
        button = opened.driver.find_elements("css selector", ".evidence-sortable th button.sort")[2]
        button.send_keys(Keys.ENTER)
        assert fids(opened) == ["0.07 (0.06 to 0.08)", "0.25 (0.2 to 0.3)", "20.1", "156.5"]
        assert opened.script("return arguments[0].closest('th').getAttribute('aria-sort')", button) == "ascending"
        opened.script("arguments[0].click()", button)
        assert fids(opened)[0] == "156.5"
        seconds = opened.script("return document.querySelectorAll('.evidence-sortable table')[2].querySelectorAll('th button')[2]")
        for _ in range(2):
            opened.script("arguments[0].click()", seconds)
            last = opened.script("return [...arguments[0].closest('table').tBodies[0].rows].at(-1).cells[2].textContent.trim()", seconds)
            assert last == "not measured"
        assert opened.violations() == []


def fids(opened):
    return opened.script("return [...document.querySelector('.evidence-sortable table').tBodies[0].rows].map(row => row.cells[2].textContent.trim())")


def test_the_script_is_ours_and_small():
    assert (ROOT / "book" / "_static" / "sortable.js").stat().st_size < 3000
