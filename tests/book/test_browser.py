"""The built pages in a browser, opened from disk: quiet, self-contained, fit for a phone, searchable, accessible.

`BOOK_SITE=_build/html pytest tests/book/test_browser.py` asks the same of a book that was built already.
"""

import os
import re
from pathlib import Path

import pytest

browser = pytest.importorskip("browser")
pytest.importorskip("selenium")

pytestmark = pytest.mark.skipif(
    browser.BROWSER is None or browser.DRIVER is None,
    reason="needs chromium and chromedriver (Debian: chromium-driver)",
)

BUILT = Path(os.environ["BOOK_SITE"]).resolve() if "BOOK_SITE" in os.environ else None
SAMPLE = (
    "01-conditioning", "claims", "errata", "status", "models", "can-i-run",
    "data", "notation", "references", "intro",
)  # fmt: skip
PAGES = sorted(path.stem for path in BUILT.glob("book/*.html")) if BUILT else SAMPLE
LOOKS = [(browser.WIDE, "light"), (browser.PHONE, "dark")]


@pytest.fixture(scope="module")
def book(request):
    return BUILT or request.getfixturevalue("site")


@pytest.fixture(scope="module")
def page(book):
    with browser.chromium() as opened:
        opened.driver.get((book / "index.html").as_uri())
        opened.complaints(), opened.elsewhere()
        yield opened


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_a_page_is_quiet_self_contained_fits_and_is_accessible(book, page, name, size, theme):
    page.open(book / "book" / f"{name}.html", size, theme)
    assert page.complaints() == []
    assert page.elsewhere() == []
    assert page.script("return document.documentElement.dataset.theme") == theme
    assert page.script("return document.documentElement.scrollWidth") <= size[0]
    assert outside(page) == [], f"cut off at {size[0]} pixels"
    assert page.violations() == []


def outside(page):
    """Parts of the text that reach beyond the window and cannot be scrolled to."""
    return page.script("""
        const scrolls = part => part !== null && part.tagName !== "ARTICLE"
            && (["auto", "scroll"].includes(getComputedStyle(part).overflowX) || scrolls(part.parentElement));
        const hidden = [];
        for (const part of document.querySelectorAll("article *")) {
            const box = part.getBoundingClientRect();
            if (box.width === 0 || box.right <= window.innerWidth + 1) continue;
            const heading = part.closest("caption") !== null; // read without scrolling its table
            if ((scrolls(part) && !heading) || part.closest("mjx-assistive-mml, .headerlink")) continue;
            hidden.push(part.outerHTML.slice(0, 120));
        }
        return hidden;
    """)


def test_the_first_visit_is_quiet(book, page):
    page.script("localStorage.clear()")
    page.driver.get((book / "book" / "intro.html").as_uri())
    assert page.complaints() == []


def test_formulas_are_set(book, page):
    page.open(book / "book" / "errata.html")
    assert page.script("return document.querySelectorAll('mjx-container svg').length") > 20
    assert "\\frac" not in page.script("return document.querySelector('article').innerText")


def test_a_wide_formula_scrolls_inside_itself_and_can_be_reached_by_keyboard(site, page):
    page.open(site / "book" / "01-conditioning.html", browser.PHONE)
    wide = page.script(
        "const w = document.querySelector('mjx-container.wide'); return [w.scrollWidth > w.clientWidth, w.tabIndex]"
    )
    assert wide == [True, 0]


def test_a_figure_stays_on_white_in_the_dark(book, page):
    page.open(book / "book" / "01-conditioning.html", theme="dark")
    style = page.script(
        "const s = getComputedStyle(document.querySelector('figure img'));"
        "return [s.backgroundColor, s.filter, s.paddingLeft]"
    )
    assert style[:2] == ["rgb(255, 255, 255)", "none"]
    assert float(style[2].removesuffix("px")) >= 8


def test_search_finds_a_page_from_disk(book, page):
    page.open(book / "search.html", query="?q=ControlNet")
    page.wait("return document.querySelectorAll('#search-results li a').length > 0")
    assert any(
        "claims.html" in link
        for link in page.script("return [...document.querySelectorAll('#search-results li a')].map(a => a.href)")
    )
    assert page.complaints() == [] and page.elsewhere() == []


def test_the_record_opens_with_one_click(book, page):
    page.open(book / "book" / "01-conditioning.html")
    page.script("document.querySelector('figure a.evidence-record').click()")
    page.wait("return document.body.innerText.includes('peak_memory_mib')")


def test_badges_are_told_apart_without_colour(book, page):
    page.open(book / "book" / "claims.html")
    texts = page.script("return [...document.querySelectorAll('.evidence-badge')].map(b => b.innerText)")
    assert all(re.search(r"[a-z]", text) for text in texts) and len(set(texts)) >= 3
