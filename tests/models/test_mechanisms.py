"""The arms' denoisers: equal in size, each hears its caption by its own door; diffusers' own block says the same."""

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock

from experiments.models.ablations import ARMS, EMPTY, WORDS
from experiments.models.mechanisms import (
    ADALN_ZERO,
    MECHANISMS,
    Block,
    ConditionedTransformer,
    Text,
    build,
    gigaflops,
    load,
    parameters,
    says,
)

pytestmark = pytest.mark.filterwarnings("ignore")
LENGTH = 6


def text(rows: int, seed: int) -> Text:
    g = torch.Generator().manual_seed(seed)
    return Text(torch.randn(rows, LENGTH, 128, generator=g), torch.randn(rows, 128, generator=g))


def awake(arm):
    """The arm with no weight left at zero, as after some training."""
    torch.manual_seed(0)
    model = build(arm).eval().requires_grad_(False)
    for p in model.parameters():
        if p.abs().max() == 0:
            p.normal_(std=0.1)
    return model


def predicted(arm, model, told: Text, empty: Text) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    return says(arm, model, torch.randn(2, 16, 8, 8, generator=g), torch.full((2,), 500.0), told, empty)


def test_all_arms_have_as_many_parameters_to_one_percent():
    counts = [parameters(arm) for arm in ARMS.values()]
    assert max(counts) / min(counts) < 1.01


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_hears_its_door_and_no_other(name):
    arm = ARMS[name]
    model, told, other, empty = awake(arm), text(2, 0), text(2, 5), text(1, 9)
    said = predicted(arm, model, told, empty)
    assert said.shape == (2, 16, 8, 8) and said.isfinite().all()
    new_words = predicted(arm, model, Text(other.words, told.sentence), empty)
    new_sentence = predicted(arm, model, Text(told.words, other.sentence), empty)
    heard, unheard = (new_words, new_sentence) if arm.told == WORDS else (new_sentence, new_words)
    assert (said - heard).abs().max() > 1e-5
    torch.testing.assert_close(said, unheard)


def test_a_unet_is_given_the_empty_caption_at_its_other_door():
    arm = ARMS["cross-attention"]
    assert arm.vector == EMPTY
    model, told = awake(arm), text(2, 0)
    assert (predicted(arm, model, told, text(1, 9)) - predicted(arm, model, told, text(1, 8))).abs().max() > 1e-6


def test_rows_of_a_text_stay_together():
    picked = text(3, 0)[torch.tensor([2, 0])]
    assert torch.equal(picked.words[1], text(3, 0).words[0]) and torch.equal(picked.sentence[0], text(3, 0).sentence[2])


def test_adaln_zero_starts_as_the_identity():
    x = torch.randn(2, 64, 32)
    assert torch.equal(Block(ADALN_ZERO, 32, 4, 64)(x, torch.randn(2, 32), x), x)


def test_adaln_zero_is_diffusers_own_block():
    torch.manual_seed(0)
    theirs = BasicTransformerBlock(
        32, 4, 8, activation_fn="gelu-approximate", num_embeds_ada_norm=10, attention_bias=True,
        norm_type="ada_norm_zero", norm_elementwise_affine=False, norm_eps=1e-6, ff_inner_dim=64,
    ).eval()  # fmt: skip
    ours = Block(ADALN_ZERO, 32, 4, 64).eval()
    shared = {k: v for k, v in theirs.state_dict().items() if not k.startswith("norm1.emb")}
    assert ours.load_state_dict(shared).missing_keys == []
    x, t, label = torch.randn(2, 16, 32), torch.tensor([3.0, 700.0]), torch.tensor([1, 4])
    emb = theirs.norm1.emb(t, label, hidden_dtype=x.dtype)
    torch.testing.assert_close(ours(x, emb, x), theirs(x, timestep=t, class_labels=label))


def test_an_unknown_mechanism_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="'film' is not one of .*" + MECHANISMS[0]):
        ConditionedTransformer("film", 16, 8, 128, 32, 1, 4, 64)


def test_words_cost_more_than_a_vector_and_attention_is_counted():
    cost = {name: gigaflops(arm, 12) for name, arm in ARMS.items()}
    assert cost["dit-in-context"] > cost["dit-cross-attention"] > cost["dit-adaln-zero"] > 0
    assert gigaflops(ARMS["cross-attention"], 24) > cost["cross-attention"]


@pytest.mark.parametrize("name", ["cross-attention", "dit-adaln"])
def test_saved_weights_say_the_same(name, tmp_path):
    arm = ARMS[name]
    model = awake(arm)
    model.save_pretrained(tmp_path)
    told, empty = text(2, 0), text(1, 9)
    torch.testing.assert_close(predicted(arm, load(arm, tmp_path), told, empty), predicted(arm, model, told, empty))
