"""The checker: its targets, the faults it is hardened against, how its maps are read, and its ceiling as shipped."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from experiments.data.prompts import CATEGORIES, Requirement, Wanted
from experiments.data.render import render
from experiments.data.scenes import Scene, Solid, sample_scene, withheld
from experiments.metrics import checker as module
from experiments.metrics import checker_training as training
from experiments.metrics.aesthetic import DEGRADATIONS
from experiments.metrics.alignment import check
from experiments.metrics.ceiling import answers, ceiling, recovery
from experiments.metrics.checker import ATTRIBUTES, CELLS, Checker, detect, heads, load, normalised
from experiments.metrics.checker_data import COLUMNS, checker_scene, mirrored, targets
from experiments.metrics.checker_loss import loss, objective
from experiments.metrics.faults import cosines, spoil
from experiments.metrics.features import SceneFeatures, extract, network
from experiments.metrics.frechet import fid, reference
from experiments.models.recipes import RECIPES
from experiments.training.journal import Journal

shipped = pytest.mark.skipif(not (module.FOLDER / "model.safetensors").exists(), reason="no checker is shipped")


@pytest.fixture(scope="module")
def scenes():
    return [sample_scene(i, 7, "test") for i in range(40)]


@pytest.fixture(scope="module")
def rendering(scenes):
    return render(scenes)


def perfect(wanted: torch.Tensor) -> torch.Tensor:
    """Maps that say exactly what the targets say."""
    output = torch.zeros(len(wanted), 21, CELLS, CELLS)
    maps = heads(output)
    maps["centre"].fill_(-9)
    for b, k in (~wanted[..., 0].isnan()).nonzero().tolist():
        row, column, dx, dy, x, y, *words = wanted[b, k].tolist()
        i, j = int(row), int(column)
        maps["centre"][b, 0, i, j] = 9
        maps["offset"][b, :, i, j] = torch.tensor([dx, dy])
        maps["place"][b, :, i, j] = torch.tensor([x, y])
        for name, word in zip(ATTRIBUTES, words):
            maps[name][b, int(word), i, j] = 9
    return output


class Oracle(torch.nn.Module):
    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, images):
        return self.output


def test_reading_the_targets_gives_the_scenes_back(scenes, rendering):
    output = perfect(targets(scenes, rendering.boxes))
    found = detect(rendering.image, Oracle(output))
    for scene, one, boxes in zip(scenes, found, rendering.boxes):
        assert sorted((s.shape, s.colour, s.size, s.material) for s in scene.solids) == sorted(d[:4] for d in one)
        for k, s in enumerate(scene.solids):
            d = min(one, key=lambda d: abs(d.x - s.x) + abs(d.y - s.y))
            assert (d.x, d.y) == pytest.approx((s.x, s.y), abs=1e-5)
            x0, y0, x1, y1 = boxes[k].tolist()
            assert (d.column, d.row) == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2))
    assert float(loss(output, targets(scenes, rendering.boxes))) < 0.05
    scores = recovery(scenes, rendering.image, Oracle(output))
    assert all(e.value == 1 for e in scores.values())
    assert all(e.value == 1 for e in ceiling(answers(scenes, rendering.image, Oracle(output))).values())


def test_mirrored_targets_are_targets_of_the_mirrored_boxes(scenes, rendering):
    """A centre on the border of two cells may fall on either side."""
    wanted = targets(scenes, rendering.boxes)
    twice = mirrored(mirrored(wanted))
    centre = lambda t: (t[..., 1] + t[..., 2], t[..., 0] + t[..., 3], t[..., 4])  # noqa: E731
    for a, b in zip(centre(wanted), centre(twice)):
        assert torch.allclose(a, b, atol=1e-5, equal_nan=True)
    assert torch.allclose(centre(mirrored(wanted))[0], CELLS - centre(wanted)[0], equal_nan=True)
    assert torch.equal(mirrored(wanted)[..., 6:].nan_to_num(9), wanted[..., 6:].nan_to_num(9))
    assert len(COLUMNS) == wanted.shape[-1]


def test_its_scenes_show_withheld_pairs_and_look_alikes():
    scenes = [checker_scene(i) for i in range(200)]
    kinds = [[(s.colour, s.shape) for s in scene.solids] for scene in scenes]
    assert sum(k in withheld() for kind in kinds for k in kind) > 50
    assert sum(len(set(kind)) < len(kind) for kind in kinds) > 10
    assert checker_scene(5) == checker_scene(5)


def test_faults_spoil_but_do_not_destroy(rendering):
    clean = normalised(rendering.image)
    spoiled = spoil(clean, torch.Generator().manual_seed(0))
    change = (spoiled - clean).abs().mean((1, 2, 3))
    assert spoiled.shape == clean.shape and spoiled.abs().max() <= 1
    assert (change < 1e-6).any() and 0.005 < change.mean() < 0.15
    assert torch.equal(spoiled, spoil(clean, torch.Generator().manual_seed(0)))
    assert torch.allclose(cosines(8) @ cosines(8).T, torch.eye(8), atol=1e-6)


def test_a_few_steps_of_training_lower_the_loss():
    scenes = [checker_scene(i) for i in range(16)]
    made = render(scenes)
    torch.manual_seed(0)
    small = Checker(8)
    step = objective(small, made.image, targets(scenes, made.boxes), 16)
    optimiser = torch.optim.AdamW(small.parameters(), 5e-3)
    values = []
    for i in range(20):
        value = step(i, torch.Generator().manual_seed(i))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])


def test_missing_weights_and_wrong_sizes_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="train checker"):
        load(tmp_path)
    with pytest.raises(ValueError, match="64x64"):
        normalised(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match="scenes, inception"):
        network("vgg")


def test_inception_without_its_extra_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity", None)
    with pytest.raises(ImportError, match="extra `full`"):
        network("inception")


def test_training_leaves_a_folder_that_loads_and_a_record(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training, "chunk", lambda number: (made.image, targets(scenes, made.boxes)))
    monkeypatch.setattr(training, "renders", lambda split, start, stop: made.image[start:stop].numpy())
    monkeypatch.setattr(training, "scenes_of", lambda split, start, stop: scenes[start:stop])
    scenes = [checker_scene(i) for i in range(12)]
    made = render(scenes)
    row = dataclasses.replace(RECIPES["checker"], images=24, batch=8, config={"width": 8})

    def measure(thing, thorough):
        return {name: estimate._asdict() for name, estimate in training.measure(thing, {"test": 12}).items()}

    folder = training.train(row, Journal(row, torch.device("cpu"), measure), 12, tmp_path / "checker")
    record = json.loads((folder / "training.json").read_text())
    assert record["images_seen"] == 24 and [point[0] for point in record["curve"]] == [8, 16, 24]
    assert {*CATEGORIES, "count", "spoiled/count"} <= set(record["scores"]) and record["expected"]["counting"] == 0.995
    small = load(folder)
    assert sum(p.numel() for p in small.parameters()) == record["parameters"] and not small.training


@shipped
def test_the_recorded_ceiling_is_above_the_bar_in_every_category():
    record = json.loads((module.FOLDER / "training.json").read_text())
    for name in (*CATEGORIES, *(f"withheld/{c}" for c in CATEGORIES)):
        assert record["scores"][name]["value"] >= 0.995, name


@shipped
def test_fresh_renders_are_judged_rightly_too():
    """Scenes that were used for nothing else, so few that only a gross fault shows."""
    chosen = [sample_scene(i, 11, ("test", "withheld")[i % 2]) for i in range(120)]
    pictures = torch.cat([render(chosen[i:i + 40]).image for i in range(0, 120, 40)])
    found = ceiling(answers(chosen, pictures))
    for name in CATEGORIES:
        assert found[name].value >= 0.97, (name, found[name])


@shipped
def test_a_render_with_swapped_colours_fails_as_swapped():
    wanted = Requirement((Wanted("cube", "red"), Wanted("sphere", "blue")))
    for size, gap in (("large", 1.0), ("small", 0.8)):
        pairs = [(Solid("cube", a, size, "rubber", -gap, 0.0, 0.3), Solid("sphere", b, size, "metal", gap, 0.2, 0.0))
                 for a, b in (("red", "blue"), ("blue", "red"))]
        yes, no = detect(render([Scene(pair, "gray") for pair in pairs]).image)
        assert check(wanted, yes).ok
        assert check(wanted, no).fault == "swapped attributes"


@shipped
def test_a_flat_picture_holds_nothing():
    flat = torch.full((3, 3, 64, 64), 180, dtype=torch.uint8)
    flat[1] -= 90
    assert [len(f) for f in detect(flat)] == [0, 0, 0]


@shipped
def test_verdicts_do_not_depend_on_the_batch(rendering):
    together, alone = detect(rendering.image), [detect(i[None])[0] for i in rendering.image[:5]]
    for a, b in zip(together, alone):
        assert [d[:4] for d in a] == [d[:4] for d in b]
        assert [d.x for d in a] == pytest.approx([d.x for d in b], abs=1e-3)


@shipped
def test_features_see_what_the_eye_sees():
    """FID in the scenes' features grows with blur, and a clean set is nearer than a spoiled one."""
    using = SceneFeatures()
    chosen = [sample_scene(i, 12, "test") for i in range(240)]
    pictures = torch.cat([render(chosen[i:i + 40]).image for i in range(0, 240, 40)])
    features = extract(pictures, using)
    assert features.shape == (240, using.num_features) and features.dtype == torch.float64
    against = reference(features[120:])
    for name in ("blur", "noise", "blocks"):
        values = [fid(features[:120], against)]
        for s in (0.3, 0.8):
            g = torch.Generator().manual_seed(0)
            worse = DEGRADATIONS[name](pictures[:120] / 255, torch.full((120, 1, 1, 1), s), g).clamp(0, 1)
            values.append(fid(extract((worse * 255).round().to(torch.uint8), using), against))
        assert values == sorted(values) and values[1] > 1.1 * values[0], (name, values)
