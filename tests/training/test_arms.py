"""Arms learn the same thing in the same order, and what is chosen and drawn from them is what was asked."""

import dataclasses
import json

import pytest
import torch

from experiments.data.dataset import scenes
from experiments.data.prompts import CATEGORIES
from experiments.data.scenes import Scene, Solid
from experiments.metrics import arm_scores
from experiments.metrics.intervals import wilson
from experiments.models.ablations import ARMS
from experiments.models.mechanisms import Text
from experiments.training import arm_loss, arms
from experiments.training.arm_loss import Material, loss

SMALL = {name: dataclasses.replace(ARMS[name], config=ARMS[name].config | small) for name, small in (
    ("additive", dict(block_out_channels=(8, 8), time_embedding_dim=16)),
    ("dit-adaln", dict(width=16, layers=1, inner=16)),
)}  # fmt: skip


def text(rows: int, seed: int = 0) -> Text:
    g = torch.Generator().manual_seed(seed)
    return Text(torch.randn(rows, arms.LENGTH, 128, generator=g), torch.randn(rows, 128, generator=g))


@pytest.fixture(scope="module")
def data() -> Material:
    g = torch.Generator().manual_seed(0)
    return Material(
        torch.randn(6, 16, 8, 8, generator=g),
        torch.full((6, 16, 8, 8), 0.1),
        torch.arange(12).reshape(6, 2),
        text(12),
        text(1, 9),
    )


def seen(data: Material, name: str, monkeypatch) -> list:
    """What the network of an arm is shown in one step."""
    given = []

    def says(arm, model, x, timestep, told, empty):
        given.extend([x, timestep, told.words, told.sentence])
        return torch.zeros_like(x)

    monkeypatch.setattr(arm_loss, "says", says)
    loss(ARMS[name], torch.nn.Identity(), data)(3, torch.Generator().manual_seed(5))
    return given


def test_every_arm_sees_the_same(data, monkeypatch):
    for a, b in zip(seen(data, "additive", monkeypatch), seen(data, "dit-in-context", monkeypatch), strict=True):
        assert torch.equal(a, b)


def test_a_forgotten_caption_is_the_empty_one(data):
    told = arm_loss.without(text(3), torch.tensor([True, False, True]), data.empty)
    assert torch.equal(told.words[0], data.empty.words[0]) and torch.equal(told.sentence[2], data.empty.sentence[0])
    assert torch.equal(told.words[1], text(3).words[1])


@pytest.mark.parametrize("name", SMALL)
def test_a_finished_run_stays_and_leaves_its_record(name, data, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    asked = []

    def measure(arm, model, seed, thorough):
        asked.append(thorough)
        return {"chosen/colours": wilson(7, 10)}

    folder = arms.train(SMALL[name], 1, data, measure, 96, tmp_path / "arms")
    record = json.loads((folder / "training.json").read_text())
    assert record["images_seen"] == 96 and record["seed"] == 1 and record["scores"]["chosen/colours"]["value"] == 0.7
    assert [images for images, _ in record["evaluations"]] == [32, 64] and asked == [False, False, True]
    assert len(record["curve"]) == 6 and record["curve"][-1][0] == 96
    arms.train(SMALL[name], 1, data, measure, 96, tmp_path / "arms")
    assert len(asked) == 3


def test_sampling_at_weight_one_is_the_conditional_model(monkeypatch):
    """A network that says the caption's mean: u + w (c - u) in closed form, and one question a step at w = 1."""
    asked = []

    def says(arm, model, x, timestep, told, empty):
        asked.append(len(x))
        return told.sentence.mean(1).view(-1, 1, 1, 1).expand_as(x)

    monkeypatch.setattr(arms, "says", says)
    told, empty, noise = text(2), text(1, 9), torch.zeros(2, 16, 8, 8)
    c, u = told.sentence.mean(1), empty.sentence.mean(1)
    for w in (1.0, 3.0):
        drawn = arms.sample(ARMS["additive"], None, told, empty, noise, steps=4, w=w)
        torch.testing.assert_close(drawn[:, 0, 0, 0], -(u + w * (c - u)))
    assert asked == [2] * 4 + [4] * 4


def test_records_come_in_the_order_of_rows_and_seeds(tmp_path):
    for name, seed in (("dit-adaln", 0), ("additive", 2), ("additive", 1), ("unknown", 0)):
        (tmp_path / f"{name}-{seed}").mkdir()
        (tmp_path / f"{name}-{seed}" / "training.json").write_text(json.dumps({"recipe": name, "seed": seed}))
    assert [(r["recipe"], r["seed"]) for r in arms.records(tmp_path)] == [
        ("additive", 1),
        ("additive", 2),
        ("dit-adaln", 0),
    ]


def solid(shape: str, colour: str, x: float) -> Solid:
    return Solid(shape, colour, "small", "rubber", x, 0.0, 0.0)


PAIR = Scene((solid("cube", "red", -1.0), solid("sphere", "blue", 1.0)), "sand")


@pytest.mark.parametrize(
    ("category", "true", "false"),
    [
        ("two objects", "a cube and a sphere", "a cube and a "),
        ("position", "a cube to the left of a sphere", "a cube to the right of a sphere"),
        ("colour attribution", "a red cube and a blue sphere", "a blue cube and a red sphere"),
    ],
)
def test_a_choice_is_wrong_in_one_respect(category, true, false):
    (choice,) = arm_scores._choice(4, PAIR, category)
    assert choice.true == true and choice.false.startswith(false) and choice.false != true


def test_there_is_no_choice_where_the_wrong_caption_would_be_true():
    alike = Scene((PAIR.solids[0], dataclasses.replace(PAIR.solids[1], colour="red")), "sand")
    level = Scene((PAIR.solids[0], dataclasses.replace(PAIR.solids[1], x=-1.0)), "sand")
    assert not list(arm_scores._choice(0, alike, "colour attribution"))
    assert not list(arm_scores._choice(0, level, "position"))
    assert not list(arm_scores._choice(0, PAIR, "single object"))


def test_choices_are_made_from_held_out_scenes(monkeypatch):
    monkeypatch.setattr(arm_scores, "_held_out", lambda: scenes("validation", 0, 60))
    for category in arms.ASKED:
        found = arm_scores.choices(category, 3)
        assert len(found) == 3 and all(c.true != c.false for c in found)
    assert set(arms.ASKED) < set(CATEGORIES)


def test_the_caption_that_predicts_better_is_chosen(monkeypatch):
    """A network that knows the answer when told the true caption, and is off by one when told the other."""
    codes, offered = torch.randn(4, 16, 8, 8), [arm_scores.Choice(i, "a cube", "a cone") for i in range(4)]

    def reader(texts):
        value = torch.tensor([{"a cube": 0.0, "a cone": 1.0, "": 5.0}[t] for t in texts])
        return Text(value[:, None, None].expand(-1, 2, 4), value[:, None].expand(-1, 4))

    def says(arm, model, x, time, told, empty):
        t = time.view(-1, 1, 1, 1) / 1000
        eps = (x - (1 - t) * codes) / t
        return eps - codes + told.sentence[:, 0].view(-1, 1, 1, 1)

    monkeypatch.setattr(arm_scores, "says", says)
    assert arm_scores.chosen(ARMS["additive"], None, offered, codes, reader).value == 1.0
    swapped = [arm_scores.Choice(c.scene, c.false, c.true) for c in offered]
    assert arm_scores.chosen(ARMS["additive"], None, swapped, codes, reader).value == 0.0
