"""Few-step models side by side: what is asked of each, and that they cost the same."""

from types import SimpleNamespace

import torch

from experiments.data.prompts import CATEGORIES, prompts
from experiments.models.recipes import RECIPES
from experiments.studies import few_steps, instaflow
from experiments.training.text_to_image import SHOWINGS


def test_consistency_takes_as_many_passes_as_the_student_without_reflow():
    pairs = instaflow.DIRECT // SHOWINGS
    call = RECIPES["mini-2-rectified-flow"].config["pairs"]["call"]
    passes = 3 * instaflow.DIRECT + pairs * call["num_inference_steps"] * 2  # two for guidance
    assert passes == few_steps.PASSES and 0 <= passes - 6 * few_steps.IMAGES < 6


def test_a_student_is_asked_once_a_step_and_never_guided(monkeypatch):
    seen = []

    def pipeline(prompt, generator, output_type, **call):
        seen.append(call)
        return SimpleNamespace(images=torch.zeros(len(prompt), 3, 8, 8))

    monkeypatch.setattr(few_steps.zoo, "load", lambda name: pipeline)
    pictures, asked = few_steps.drawn("InstaFlow", 2, prompts("test", "colours", 3), 0)
    assert asked == 2 and len(pictures) == 3 and seen == [{"num_inference_steps": 2, "guidance_scale": 1.0}]


def test_every_student_is_asked_for_every_number_of_steps_on_a_thousand_pictures():
    assert {part for part in few_steps.STUDY.parts()} == {(name, n) for name in few_steps.STUDENTS for n in few_steps.STEPS}
    assert few_steps.PROMPTS * len(CATEGORIES) * len(few_steps.SEEDS) >= 1000
