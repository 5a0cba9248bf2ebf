"""The pages of models: every release and every miniature has its row, and what was not measured says so."""

import json
import re
from pathlib import Path

import mini_book
import pytest
from bs4 import BeautifulSoup
from evidence import line
from PIL import Image

from experiments.models import cards, machines, zoo

SHEET = {
    "seed": 0, "prompts": [f"prompt {k}" for k in range(8)], "followed": [True] + [False] * 7,
    "gigaflops": {"forward": 0.25, "image": 11.0},
}  # fmt: skip
STUDY = {
    "study": "sheet-mini-sd1.5", "seconds": 3.0, "device": "cpu", "threads": 1, "versions": {"torch": "2.13.0"},
    "parts": [{"part": ["mini-sd1.5"], "result": SHEET, "seconds": 3.0}],
}  # fmt: skip


def rows(page):
    """Tables of a page: heads, and cells by the first of each row."""
    found = []
    for table in page.select("article table"):
        heads = [cell.text.strip() for cell in table.select("thead th")]
        found.append((heads, {tr.td.text.strip(): [c.text.strip() for c in tr.select("td")] for tr in table.select("tbody tr")}))
    return found


def page(site, name):
    return BeautifulSoup((site / "book" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The pages of a project in which a sheet was drawn and two systems were timed."""
    folder = mini_book.stage(tmp_path_factory.mktemp("measured"))
    mini_book.write(folder)
    trained = folder / "weights" / "mini-sd1.5" / "training.json"
    trained.write_text(json.dumps(mini_book.training() | {"legs": [{"images": 64000}]}))
    (folder / "weights" / "studies").mkdir(exist_ok=True)
    (folder / "weights" / "studies" / "sheet-mini-sd1.5.json").write_text(json.dumps(STUDY))
    Image.new("RGB", (540, 64), (200, 10, 10)).save(folder / "weights" / "studies" / "sheet-mini-sd1.5.png")
    adapter = {"mirrors": "ControlNet on Canny edges for sd-1.5", "parameters": 1656200, "images_seen": 16000, "images_budget": 32000,
               "expected": {"solid IoU": 0.7}, "scores": {"solid IoU": {"value": 0.69, "low": 0.66, "high": 0.72, "n": 100}, "edge F1": 0.7}}  # fmt: skip
    (folder / "weights" / "controlnet-edges").mkdir()
    (folder / "weights" / "controlnet-edges" / "training.json").write_text(json.dumps(mini_book.training() | adapter))
    (folder / "weights" / "timing").mkdir()
    pieces = {"eager 1": {"seconds": 1.25}, "compiled 1": {"seconds": 0.75}}
    held = {"sd1.5": {"card": "sd-1.5", "pieces": pieces}, "flux2-dev": {"card": "flux.2-dev", "too_large": True, "pieces": {}}}
    for name, real in (("h100", True), ("processor", False)):
        record = {"device": name, "real": real, "systems": held}
        (folder / "weights" / "timing" / f"{name}.json").write_text(json.dumps(record))
    done = mini_book.build(folder)
    assert mini_book.complaints(done) == []
    return folder / "_build" / "html"


def test_every_release_has_its_grades_terms_and_least_times(measured):
    fits, gpus, times = rows(page(measured, "can-i-run"))
    assert list(fits[1]) == list(times[1]) == list(cards.names())
    for name, cells in fits[1].items():
        assert cells[1:8] == [machines.grade(name, machine.memory) for machine in machines.MACHINES]
    assert fits[1]["sd3-medium"][9] == "yes" and "sd2-community" in fits[1]["sd-2.1"][9]
    assert "not known" in gpus[1]["8 GB"] and gpus[1]["80 GB"][2] == "989.5 TFLOP/s"


def test_times_are_those_of_real_records_and_missing_ones_say_so(measured):
    _, _, (_, times) = rows(page(measured, "can-i-run"))
    assert "1.25 s, compiled 0.75 s (h100)" in times["sd-1.5"] and "too large" in times["flux.2-dev"]
    assert "not measured" in times["sdxl-base-1.0"] and "processor" not in str(times)
    assert times["sd-1.5"][-1] == "1.05 s", "the lecture's"


def test_a_miniature_stands_beside_its_release_with_its_scores_and_pictures(measured):
    made = page(measured, "models")
    minis, trained, *_ = rows(made)
    cells = minis[1]["mini-sd1.5"]
    assert "859.5 M" not in cells[1] and "0.25" in cells
    told = ["0.42 (0.40 to 0.44)", "not measured", "124,000 of 400,000", "2", "25, cpu", "under-trained"]
    assert trained[1]["mini-sd1.5"][1:7] == told
    figure = made.select_one("figure.evidence-figure")
    assert "finds prompts 1 followed" in figure.figcaption.text and "under-trained: mini-sd1.5" in figure.text
    assert [item.text.strip() for item in made.select("article ol li")] == SHEET["prompts"]
    assert (measured / "book" / figure.img["src"]).resolve().is_file()


def test_sizes_that_differ_say_why(measured):
    *_, sizes, (heads, _) = rows(page(measured, "models"))
    assert list(sizes[1]) == list(cards.names()) and heads[-1] == "why it differs"
    said = page(measured, "models").text
    for told in cards.explanations().values():
        assert all(sentence.replace("'", "’") in said for sentence in told.values())


def test_without_records_the_pages_say_not_measured(bare):
    assert "not measured" in page(bare, "models").text and "not measured" in page(bare, "can-i-run").text


def test_an_adapter_stands_with_its_training_and_scores_and_among_no_miniatures(measured):
    minis, _, adapters, *_ = rows(page(measured, "models"))
    assert "controlnet-edges" not in minis[1] and list(adapters[1]) == ["controlnet-edges"]
    cells = adapters[1]["controlnet-edges"]
    assert cells[1:4] == ["under-trained", "solid IoU 0.69 (0.66 to 0.72)", "16,000 of 32,000"]


def test_what_the_page_says_of_loading_an_adapter_runs(tmp_path, monkeypatch):
    said = Path("book/models.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", said, re.DOTALL)
    whole = code.replace('"weights/', f'"{zoo.WEIGHTS}/').replace('guidance_scale=4.0', "guidance_scale=4.0, num_inference_steps=2")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(whole, "models.md", "exec"), names)  # noqa: S102
    assert Image.open("out.png").size == (64, 64)
    (call,) = re.findall(r"`pipeline\.(load_ip_adapter\([^`]*\))`", said)
    eval(call.replace('"weights/', f'"{zoo.WEIGHTS}/'), {"load_ip_adapter": names["pipeline"].load_ip_adapter})  # noqa: S307
    assert names["pipeline"].image_encoder is not None


def test_a_state_tells_a_bar_that_was_reached_from_one_that_was_missed_and_from_none():
    reached = {"expected": {"psnr": 30}, "scores": {"psnr": {"value": 31.0}}}
    assert line.state(reached).astext() == "reached its bar"
    assert line.state(reached | {"scores": {"psnr": {"value": 29.0}}}).astext() == "under-trained"
    assert line.state({"expected": {}, "scores": {"likeness": {"value": 0.6}}}).astext() == "no bar set"
