"""Few-step models side by side: what is asked of each, and that they cost the same."""

from types import SimpleNamespace

import torch

from experiments.data.prompts import CATEGORIES, prompts
from experiments.models.recipes import RECIPES
from experiments.studies import few_steps
from experiments.training import consistency_loss


def test_consistency_takes_as_many_passes_as_the_student_without_reflow():
    """Counted on the modules themselves: what one image of each costs, and what the pairs did."""
    calls = []

    class Net(torch.nn.Module):
        def __init__(self, costs):
            super().__init__()
            self.scale, self.costs = torch.nn.Parameter(torch.ones(())), costs

        def forward(self, x, t, words):
            calls.append(self.costs * len(x))
            return SimpleNamespace(sample=self.scale * x)

    batch, data = 8, ((torch.zeros(4, 1, 2, 2), torch.ones(4, 1, 2, 2)), torch.zeros(4, 1, 1, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long))
    student, slow, teacher = Net(3), Net(1), Net(1)  # what is learned from counts forward and twice backward
    kept = torch.linspace(0.99, 0.01, 1000)
    loss = consistency_loss.loss(student, slow, teacher, kept, data, lambda ids: ids[..., None].float(), 4.0, batch)
    loss(0, torch.Generator().manual_seed(0))
    each = sum(calls) / batch
    assert 0 <= few_steps.PASSES - each * few_steps.IMAGES < each
    call = RECIPES["mini-2-rectified-flow"].config["pairs"]["call"]
    assert call["guidance_scale"] != 1.0  # so that a pair takes two passes a step


def test_a_student_is_asked_once_a_step_and_never_guided(monkeypatch):
    seen = []

    def pipeline(prompt, generator, output_type, **call):
        seen.append(call)
        return SimpleNamespace(images=torch.zeros(len(prompt), 3, 8, 8))

    loaded = []
    monkeypatch.setattr(few_steps.zoo, "load", lambda name: loaded.append(name) or pipeline)
    monkeypatch.setitem(few_steps.STUDENTS, "InstaFlow", lambda seed: f"trained with {seed}")
    pictures, asked = few_steps.drawn("InstaFlow", 2, prompts("test", "colours", 3), 1)
    assert loaded == ["trained with 1"] and asked == 2 and len(pictures) == 3 and seen == [{"num_inference_steps": 2, "guidance_scale": 1.0}]


def test_every_student_is_asked_for_every_number_of_steps_on_a_thousand_pictures():
    assert {part for part in few_steps.STUDY.parts()} == {(name, n) for name in few_steps.STUDENTS for n in few_steps.STEPS}
    assert few_steps.PROMPTS * len(CATEGORIES) * len(few_steps.SEEDS) >= 1000
