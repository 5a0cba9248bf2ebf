"""The built pages: what every figure, table and number says of its evidence."""

import json

import mini_book
import pytest
from bs4 import BeautifulSoup
from evidence import line

from experiments.records.claims import CLAIMS, ERRATA
from experiments.records.record import faults


def page(site, name):
    return BeautifulSoup((site / "book" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def chapter(site):
    return page(site, mini_book.CHAPTER)


def follow(site, link):
    """The JSON behind a link of a page in book/."""
    return json.loads((site / "book" / link["href"]).resolve().read_text())


def test_the_sample_is_a_record_that_the_project_accepts():
    assert faults(mini_book.record()) == []


def test_a_figure_has_caption_number_and_words(chapter):
    figure = chapter.select_one("figure#fig-01-conditioning-attention-maps")
    assert figure.img["alt"] == mini_book.ALT
    assert "Fig. 1" in figure.figcaption.text and "by mechanism" in figure.figcaption.text


def test_a_figure_says_what_it_rests_on(chapter):
    said = chapter.select_one("figure p.evidence").text
    for part in ("mini-sd1.5", "seeds 0, 1, 2", "n = 600", "Example CPU, 2 cores", "3 min 12 s", "commit 0123456"):
        assert part in said
    assert "smoke" not in said


def test_one_click_leads_to_the_record(site, chapter):
    for link in chapter.select("p.evidence a.evidence-record"):
        assert follow(site, link) == mini_book.record()


def test_an_undertrained_model_is_named_under_a_figure(chapter):
    badges = [badge.text for badge in chapter.select("p.evidence .evidence-undertrained")]
    assert badges == ["under-trained: mini-sd3"]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (["mini-sd1.5"], ["mini-sd1.5"]),
        (["mini-sd1.5", "released"], ["mini-sd1.5", "mini-sd3"]),  # one that this run did not use: all
        (None, ["mini-sd1.5", "mini-sd3"]),
        ([], []),
    ],
)
def test_an_item_rests_on_the_models_that_it_names(models, said):
    item = {} if models is None else {"models": models}
    assert [model["name"] for model in line.used(mini_book.record(), item)] == said


def test_a_table_that_rests_on_one_model_says_so(chapter):
    assert [link.text for link in chapter.select(".evidence-table a.evidence-model")] == ["mini-sd1.5"]


def test_a_table_keeps_its_cells_and_every_row_has_its_way_to_the_evidence(site, chapter):
    table = chapter.select_one("table#tab-01-conditioning-mechanisms")
    heads = [cell.text.strip() for cell in table.select("thead th")]
    assert heads == ["mechanism", "model", "accuracy", "note", "evidence"]
    first, second = table.select("tbody tr")
    assert [cell.text.strip() for cell in first.select("td")][:4] == [
        "cross-attention",
        "mini-sd1.5",
        "0.913 [0.87, 0.95]",
        "a | b",
    ]
    assert [part.text for part in first.select(".evidence-interval")] == ["[0.87, 0.95]"]
    training, record = first.select("td.evidence-way a")
    assert follow(site, training) == mini_book.training() and follow(site, record) == mini_book.record()
    assert [link.text for link in second.select("td.evidence-way a")] == ["record"]
    assert "not-measured" in second.select("td")[2]["class"]


def test_a_table_can_be_had_as_csv(site, chapter):
    link = chapter.select_one("a.evidence-csv")
    assert (site / "book" / link["href"]).resolve().read_text().startswith("mechanism,model")


def test_numbers_in_prose_come_from_the_record(chapter):
    said = chapter.select_one("section p").text.replace("\n", " ")
    assert "0.913 share (0.871 to 0.951, 95% over 3 seeds (t), n = 600), or 0.9; not measured; not measured" in said
    assert "Fig. 1" in said and "Table 1" in said


def test_what_a_cell_wrote_is_markdown_of_the_page(chapter):
    said = next(p for p in chapter.select("section p") if p.text.startswith("Cross-attention reaches 0.913"))
    assert said.select_one("span.math") and "Ho and Salimans" in said.text and "cite" not in said.text


def test_every_other_output_stays_and_no_source_is_shown_twice(chapter):
    said = chapter.select_one("article").text
    assert "epoch 1 of 1" in said and "done" in said and "a_wide_cell_of_a_frame" in said
    assert "Loading" not in said  # what libraries say on stderr is no part of the page
    assert len(chapter.select("div.cell_input")) == 1
    assert chapter.select_one("details summary").text.split() == ["Show", "the", "code", "Hide", "the", "code"]


def test_the_claims_page_has_every_claim_once(site):
    boxes = page(site, "claims").select("div.claim")
    assert [box["id"] for box in boxes] == [f"claim-{claim.lower()}" for claim in CLAIMS]


def test_an_examined_claim_shows_rule_number_verdict_and_figure(site):
    box = page(site, "claims").select_one("#claim-c04")
    assert box.select_one(".evidence-verdict-holds").text == "holds"
    assert "Accuracy above 0.5 by the 95% interval." in box.text
    assert "0.913 share (0.871 to 0.951" in box.text
    assert (
        box.find("a", string="figure attention-maps")["href"]
        == "01-conditioning.html#fig-01-conditioning-attention-maps"
    )
    assert box.select_one("a.evidence-record")


def test_a_verdict_names_the_models_that_it_rests_on_else_those_of_its_table_else_all(site):
    claims = page(site, "claims")

    def models(claim):
        return [link.text for link in claims.select(f"#claim-{claim} .evidence-model")]

    assert models("c10") == ["under-trained: mini-sd3"]  # its own
    assert models("c03") == ["mini-sd1.5"]  # those of its table
    assert models("c04") == ["under-trained: mini-sd3", "mini-sd1.5"]  # its figure names none, so all of the run


def test_the_first_page_says_what_was_found_in_the_words_of_the_record(site):
    intro = page(site, "intro")
    [found] = [box for box in intro.select("div.finding") if box.a.text == "C10"]
    assert found.select_one(".evidence-verdict-does-not-hold") and "0.25 is left" in found.text
    assert found.select_one("span.math") and found.find("a", string="figure attention-maps")
    assert [link.text for link in found.select(".evidence .evidence-model")] == ["under-trained: mini-sd3"]
    [row] = [row for row in intro.select("div.verdicts tbody tr") if row.td.text.strip() == "does not hold"]
    assert row.select_one("a")["href"].endswith("claims.html#claim-c10")
    assert "0.25 is left" in page(site, "claims").select_one("#claim-c10").text


def test_a_claim_nobody_examined_says_so(site):
    claims = page(site, "claims")
    assert [badge.text for badge in claims.select("#claim-c42 .evidence-badge")] == ["not yet examined"]
    counts = {
        row.td.text.strip(): row.select("td")[1].text.strip() for row in claims.select_one("table").select("tbody tr")
    }
    assert counts == {
        "holds": "1",
        "does not hold": "1",
        "mixed": "1",
        "not testable here": "0",
        "not yet examined": str(len(CLAIMS) - 3),
    }


def test_errata_are_all_there_with_an_outcome_and_a_source(site):
    errata = page(site, "errata")
    for number in ERRATA:
        section = next(h.parent for h in errata.select("h2") if h.text.startswith(f"{number}:"))
        assert section.find("strong", string="Outcome."), number
        assert section.select("a[href^='references.html#']"), number


def test_the_status_page_leads_to_what_a_study_measured(site):
    rows = page(site, "status").select("table tr")
    row = next(row for row in rows if "guidance-sweep" in row.text)
    assert "1 min 11 s" in row.text
    assert follow(site, row.a) == mini_book.study()


def test_the_status_page_reads_the_records(site):
    status = page(site, "status").text
    for part in (
        "01-conditioning",
        "3 min 12 s",
        "2.0 GiB",
        "124,000",
        "400,000",
        "under-trained",
        "single object 0.42 (bar 0.9)",
    ):
        assert part in status


def test_the_notebook_can_be_downloaded_as_it_was_executed(staged, site, chapter):
    link = chapter.select_one("a[href$='.ipynb']")
    downloaded = (site / "book" / link["href"]).resolve()
    assert downloaded.read_bytes() == (staged / "book" / f"{mini_book.CHAPTER}.ipynb").read_bytes()


def test_every_internal_link_leads_somewhere(site):
    pages = {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in site.rglob("*.html")}
    broken = [
        f"{path.name}: {link['href']}"
        for path, soup in pages.items()
        for link in soup.select("a[href]")
        if not link["href"].startswith(("http:", "https:", "mailto:")) and not reaches(path, link["href"], pages)
    ]
    assert broken == []


def reaches(path, href, pages):
    name, _, fragment = href.partition("#")
    target = (path.parent / name).resolve() if name else path
    if fragment and target in pages and "_static" not in str(target):
        return pages[target].find(id=fragment) is not None or fragment in ("", "top")
    return target.exists()


def test_nothing_measured_still_makes_a_book(bare):
    assert "not measured" in page(bare, "status").text
    for name, box in (("claims", ".claim"), ("intro", ".finding")):
        assert {badge.text for badge in page(bare, name).select(f"{box} .evidence-badge")} == {"not yet examined"}


def test_a_smoke_run_is_stamped_and_a_figure_without_a_record_stops_the_build(tmp_path):
    folder = mini_book.stage(tmp_path / "smoke")
    mini_book.write(folder, mini_book.record(scale="smoke", figures={}))
    done = mini_book.build(folder)
    assert done.returncode != 0
    assert "the notebook shows 01-conditioning:attention-maps, which no record holds" in done.stdout + done.stderr
    stamped = page(folder / "_build" / "html", mini_book.CHAPTER).select_one("p.evidence .evidence-smoke")
    assert stamped and "smoke run" in stamped.text


def test_an_unknown_claim_or_metric_name_stops_the_build(tmp_path):
    folder = mini_book.stage(tmp_path / "faulty")
    mini_book.contents(folder, chapters=[])
    (folder / "book" / "status.md").write_text("# Status\n\n{claim}`C99` and {metric}`nonsense`\n\n```{findings}\nC98\n```\n")
    done = mini_book.build(folder)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "the lecture has no claim C99; the last is C46" in said and "no claim C98" in said
    assert "'nonsense' does not name a metric" in said
