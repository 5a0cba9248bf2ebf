"""The study of chapter 8: what it lists, and what it makes of pictures, roads and records."""

import tiny_models

from experiments.artefacts import write_json
from experiments.data.prompts import CATEGORIES
from experiments.models.recipes import RECIPES
from experiments.studies import instaflow


def test_every_stage_is_drawn_with_every_seed_and_a_cut_run_leaves_whole_seeds():
    listed = instaflow.listed()
    waits = [k for k, part in enumerate(listed) if "without reflow" in part or part == ("sheet",)]
    assert waits == list(range(waits[0], len(listed)))  # what needs the arm that has to be trained first comes last
    points = [part for part in listed[: waits[0]] if part[0] == "drawn"]
    assert [p[-1] for p in points] == sorted(p[-1] for p in points)
    stages = {(name, n) for name, stage in instaflow.STAGES.items() for n in stage.steps}
    assert {p[1:3] for p in listed if p[0] == "drawn" and p[-1] == 2} == stages
    assert {part[0] for part in listed} == {"drawn", "trained", "sheet", "roads", "taught"}


def test_few_prompts_are_the_first_of_many_in_each_category_so_that_points_can_be_paired():
    many, few = instaflow.wishes(4), instaflow.wishes(2)
    assert [p.id for p in few] == [p.id for k in range(len(CATEGORIES)) for p in many[4 * k : 4 * k + 2]]
    assert all(p.id.startswith("test") for p in many) and all(p.id.startswith("tune") for p in instaflow.columns())


def test_the_direct_arm_has_the_images_of_both_trainings_that_it_replaces():
    assert RECIPES["mini-instaflow"].needs[-1] == instaflow.STAGES["2-rectified flow"].model
    assert instaflow.STAGES["without reflow"][1:] == instaflow.STAGES["InstaFlow"][1:]


def test_roads_hold_a_value_for_each_prompt_and_seed(tmp_path, monkeypatch):
    made = tiny_models.pipeline("mini-sd1.5", tiny_models.parts(tmp_path))
    made.set_progress_bar_config(disable=True)
    monkeypatch.setattr(instaflow, "pipeline", lambda name, seed: instaflow.sampled_by(made, "DDIM"))
    monkeypatch.setattr(instaflow, "SEEDS", (0, 1))
    monkeypatch.setattr(instaflow, "FOLLOWED", 1)
    monkeypatch.setattr(instaflow, "FINE", 4)
    found = instaflow.roads("diffusion")
    assert {len(values) for values in found.values()} == {2 * len(CATEGORIES)}
    assert max(found["gap at 4"]) == 0 < min(found["gap at 1"])


def test_a_student_that_is_its_teacher_has_learned_all_of_it(tmp_path, monkeypatch):
    made = tiny_models.pipeline("mini-sd1.5", tiny_models.parts(tmp_path))
    made.set_progress_bar_config(disable=True)
    made = instaflow.sampled_by(made, "DDIM")
    row = {"teacher": "any", "call": dict(num_inference_steps=1, guidance_scale=1.0)}
    monkeypatch.setattr(instaflow.direct, "recipe", lambda: type("Row", (), {"config": {"pairs": row}}))
    monkeypatch.setattr(instaflow, "pipeline", lambda name, seed: made)
    monkeypatch.setattr(instaflow.pairs, "teacher", lambda *given: made)
    monkeypatch.setattr(instaflow, "FOLLOWED", 1)
    found = instaflow.taught("without reflow")
    assert max(found["errors"]) == 0 < found["variance"] and len(found["errors"]) == len(instaflow.SEEDS) * len(CATEGORIES)


def test_costs_are_those_of_the_record(tmp_path, monkeypatch):
    record = {"images_seen": 128, "images_budget": 300_000, "seconds_spent": 3.5, "device": "cpu", "dtype": "float32", "curve": [[64, 0.5]]}
    write_json(tmp_path / "mini-instaflow" / "training.json", record | {"scores": {}, "pairs": {"count": 16, "seconds": 2.0}})
    monkeypatch.setattr(instaflow, "folder", lambda model, seed: tmp_path / model)
    monkeypatch.setattr(instaflow.zoo, "weights_hash", lambda folder: folder.name)
    assert instaflow.trained("InstaFlow") == record | {"pairs": {"count": 16, "seconds": 2.0}, "weights": "mini-instaflow"}


def test_each_student_is_trained_anew_with_each_seed_and_hears_the_flow_of_its_own(tmp_path, monkeypatch):
    asked = []

    def train(row, images, weights):
        asked.append((row.name, row.seed, images, weights))
        return tmp_path / f"seed {row.seed}" / row.name

    monkeypatch.setattr(instaflow.beside, "train", train)
    places = {(name, seed): instaflow.folder(stage.model, seed) for name, stage in instaflow.STAGES.items() for seed in instaflow.SEEDS}
    assert {places["diffusion", seed] for seed in instaflow.SEEDS} == {instaflow.zoo.WEIGHTS / "mini-sd1.5"}
    for seed in instaflow.SEEDS:
        assert ("mini-instaflow", seed, instaflow.direct.DISTILLED, tmp_path / f"seed {seed}") in asked
        assert ("mini-rectified-diffusion", seed, instaflow.direct.REFLOWED, instaflow.zoo.WEIGHTS) in asked
        assert ("direct", seed, instaflow.direct.REFLOWED + instaflow.direct.DISTILLED, instaflow.zoo.WEIGHTS) in asked
        assert len({places[name, seed] for name in ("2-rectified flow", "InstaFlow", "without reflow", "rectified diffusion")}) == 4


def test_truths_as_digits():
    assert instaflow.digits([True, False, True]) == "101"
