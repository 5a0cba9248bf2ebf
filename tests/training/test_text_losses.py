"""Span corruption against its own definition, and the losses of text encoders on answers that are known."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.training import text_losses as losses

SENTINELS = [900, 901, 902]


def put_back(left: list[int], out: list[int]) -> list[int]:
    """The text from what is left of it and what was left out."""
    spans, current = {}, None
    for token in out:
        if token in SENTINELS:
            current = spans.setdefault(token, [])
        else:
            current.append(token)
    return [word for token in left for word in (spans[token] if token in SENTINELS else [token])]


@given(st.lists(st.integers(5, 99), min_size=1, max_size=80), st.lists(st.floats(0, 0.999), min_size=3, max_size=3))
def test_nothing_is_lost_and_a_seventh_is_hidden(words, draws):
    left, out = losses.cut_spans(words, draws, SENTINELS)
    assert put_back(left, out) == words
    hidden = sum(token not in SENTINELS for token in out)
    assert hidden == max(1, round(0.15 * len(words)))
    assert [t for t in left if t in SENTINELS] == [t for t in out if t in SENTINELS] == SENTINELS[: len(out) - hidden]


def test_a_batch_is_padded_and_every_row_ends():
    ids = torch.tensor([[5, 6, 7, 1, 0, 0], [1, 0, 0, 0, 0, 0], [5, 6, 7, 8, 9, 1]])
    inputs, labels = losses.corrupt(ids, 0, 1, SENTINELS, torch.Generator().manual_seed(0))
    again, _ = losses.corrupt(ids, 0, 1, SENTINELS, torch.Generator().manual_seed(0))
    assert torch.equal(inputs, again)
    for row, label in zip(inputs.tolist(), labels.tolist()):
        assert [t for t in row if t != 0][-1] == 1 and [t for t in label if t != losses.NOT_ASKED][-1] == 1


def test_a_model_that_knows_what_comes_next_has_no_loss():
    ids = torch.tensor([[3, 4, 5, 0], [6, 5, 4, 3]])
    sure = torch.full((2, 4, 7), -50.0)
    for b, row in enumerate(ids.tolist()):
        for t in range(3):
            sure[b, t, row[t + 1]] = 50.0
    said, asked = losses.next_logits(lambda **_: SimpleNamespace(logits=sure), ids, pad=0)
    assert said.shape == (2, 3, 7) and (asked == losses.NOT_ASKED).sum() == 1
    assert losses.cross_entropy(said, asked).item() == pytest.approx(0, abs=1e-6)


class Looks(torch.nn.Module):
    """Says of a text the row of a table that its first token names."""

    def __init__(self, table):
        super().__init__()
        self.table, self.logit_scale = table, torch.tensor(4.0)

    device = torch.device("cpu")

    def forward(self, ids):
        return self.table[ids[:, 0]]


def test_the_locked_image_loss_is_low_for_the_right_text_and_the_same_for_all_otherwise():
    pictures = torch.eye(4)
    ids = torch.arange(4).view(4, 1, 1)
    right = losses.locked_image(Looks(torch.eye(4)), pictures, ids, 4, pad=99)(0, torch.Generator().manual_seed(0))
    blind = losses.locked_image(Looks(torch.ones(4, 4)), pictures, ids, 4, pad=99)(0, torch.Generator().manual_seed(0))
    assert right < 1e-6 and blind.item() == pytest.approx(torch.tensor(4.0).log().item(), abs=1e-4)


def test_a_follower_is_compared_with_the_caption_of_the_same_scene_and_style():
    """Two scenes, two styles, two languages: the student that says the number of (scene, style) has no loss."""
    own = torch.tensor([[[0], [1]], [[2], [3]]])
    others = torch.cat([own, own], 1)
    student = Looks(torch.arange(4.0).view(4, 1))
    loss = losses.follow(student, lambda ids: ids.float(), own, others, 16, pad=99)
    assert loss(0, torch.Generator().manual_seed(0)) == 0


def test_padding_that_all_share_is_cut():
    assert losses.trim(torch.tensor([[1, 0, 0, 0], [1, 2, 0, 0]]), 0).tolist() == [[1, 0], [1, 2]]
    assert losses.widen(torch.tensor([[1]]), 3, 9).tolist() == [[1, 9, 9]]
