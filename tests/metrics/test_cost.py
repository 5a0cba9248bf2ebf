"""Cost: HEIM's runtime on times that are known, batches, operations of a known module, the frontier."""

import pytest
import torch
from torch import nn

from experiments.metrics import cost


class Ticking:
    """A clock that says what calls took: the n-th call takes the n-th of `seconds`."""

    def __init__(self, seconds):
        self.seconds, self.now = list(seconds), 0.0

    def __call__(self):
        return self.now

    def work(self, *_):
        self.now += self.seconds.pop(0)


def test_the_denoised_runtime_is_the_mean_over_prompts_of_the_fastest_repeat():
    clock = Ticking([9.0, 1.0, 2.0, 3.0, 1.5])
    took = cost.runtime(clock.work, ["a", "b"], repeats=2, clock=clock)
    assert took.cold == 9.0
    assert took.calls == ((1.0, 3.0), (2.0, 1.5))
    assert took.denoised == pytest.approx((1.0 + 1.5) / 2)
    assert took.warm.value == pytest.approx(1.75) and took.warm.n == 4 and "one that is cold" in took.warm.interval
    with pytest.raises(ValueError, match="at least one call of each prompt"):
        cost.denoised([])


def test_seconds_of_a_picture_by_batch_and_the_best_batch():
    clock = Ticking([2.0, 2.0, 4.0, 4.0, 12.0, 12.0])
    found = cost.by_batch(clock.work, (1, 4, 8), repeats=2, clock=clock)
    assert [e.value for e in found.values()] == [2.0, 1.0, 1.5]
    assert cost.best(found) == 4


def test_a_batch_that_does_not_fit_ends_the_list():
    def draw(size):
        if size > 2:
            raise torch.OutOfMemoryError

    assert list(cost.by_batch(draw, (1, 2, 4, 8))) == [1, 2]


def test_operations_are_counted_with_attention():
    attention = nn.MultiheadAttention(16, 2, batch_first=True)
    x = torch.zeros(1, 10, 16)
    projections, products = 2 * 10 * 16 * 16 * 4, 2 * (2 * 10 * 10 * 16)

    def call():
        q, k, v = (layer.unflatten(-1, (2, 8)).transpose(1, 2) for layer in torch.chunk(x @ attention.in_proj_weight.T, 3, -1))
        out = nn.functional.scaled_dot_product_attention(q, k, v)
        return attention.out_proj(out.transpose(1, 2).flatten(2))

    assert cost.flops(call) == projections + products


def test_a_part_under_two_names_counts_once():
    class Pipeline:
        shared = nn.Linear(3, 4)
        components = {"text_encoder": shared, "text_encoder_2": shared, "unet": nn.Linear(2, 2), "tokenizer": object()}

    assert cost.parameters(Pipeline()) == {"text_encoder": 16, "unet": 6}


def test_the_frontier_holds_what_nothing_beats():
    assert cost.frontier([1, 2, 3, 4], [5, 3, 4, 1]) == [0, 1, 3]
    assert cost.frontier([1, 2, 3], [0.2, 0.5, 0.5], "higher") == [0, 1]
    assert cost.frontier([1, 1], [2, 2]) == [0, 1]
    with pytest.raises(ValueError, match="lower or higher"):
        cost.frontier([1], [1], "more")
