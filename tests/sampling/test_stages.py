"""A pipeline taken apart draws what it drew whole: words once for each prompt, the decoder later, nothing else changed."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from experiments.models import hub
from experiments.models.systems import find
from experiments.sampling.stages import Answer, Deferred, Remembered, Staged
from experiments.sampling.worker import Settings, arguments

WORDS = ["a small red metal cube", "two spheres", "a small red metal cube"]


class Encoder(nn.Module):
    """Says 10 times what it is asked, and how often it was asked."""

    config, dtype, device = SimpleNamespace(width=3), torch.float32, torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, ids, attention_mask=None, output_hidden_states=False):
        self.asked.append(ids.tolist())
        held = {"last": 10.0 * ids, "hidden_states": (ids, 2 * ids, 3 * ids), "none": None}
        return SimpleOutput(held)


class SimpleOutput(dict):
    def __getitem__(self, key):
        return [*self.values()][key] if isinstance(key, int) else super().__getitem__(key)


def test_each_row_is_encoded_once_and_alone():
    module = Encoder()
    said = Remembered(module)
    ids = torch.tensor([[1, 2], [3, 4], [1, 2]])
    assert torch.equal(said(ids)["last"], 10 * ids)
    assert torch.equal(said(ids.flip(0), attention_mask=None)["last"], 10 * ids.flip(0))  # another call: other arguments
    assert module.asked == [[[1, 2]], [[3, 4]], [[1, 2]], [[3, 4]]] and said.calls == 4


def test_what_the_pipeline_looked_at_is_kept_and_the_rest_let_go():
    said = Remembered(Encoder())
    ids = torch.tensor([[1, 2], [3, 4]])
    answer = said(ids)
    assert torch.equal(answer.hidden_states[-2], 2 * ids) and torch.equal(answer[0], 10 * ids) and answer.none is None
    said.settle()
    said.module = None
    again = said(ids)
    assert torch.equal(again.hidden_states[-2], 2 * ids) and torch.equal(again[0], 10 * ids)
    assert sum(row.bytes for row in said.rows.values()) == ids.nbytes + (10.0 * ids).nbytes
    with pytest.raises(LookupError, match="was not encoded before"):
        said(torch.tensor([[5, 6]]))


def test_an_answer_can_be_unpacked_as_a_tuple():
    class Two(Encoder):
        def forward(self, ids):
            return ids + 1, ids + 2

    first, second = Remembered(Two())(torch.tensor([[1], [2]]))
    assert first.tolist() == [[2], [3]] and second.tolist() == [[3], [4]]
    assert isinstance(Remembered(Two())(torch.tensor([[1]])), Answer)


def test_a_deferred_decoder_keeps_what_it_is_asked():
    decoder = SimpleNamespace(config=SimpleNamespace(scaling_factor=0.5), dtype=torch.float16)
    later = Deferred(decoder)
    assert later.config.scaling_factor == 0.5 and later.to(dtype=torch.float32) is later and decoder.dtype == torch.float16
    latents = torch.rand(2, 4, 8, 8)
    assert len(later.decode(latents, return_dict=False, generator=None)[0]) == 2
    assert later.decode(latents, force_not_quantize=True)["sample"].shape[1] == 3
    assert later.caught.latents is latents and later.caught.options == {"force_not_quantize": True}


# ---- on a pipeline ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pipeline(release):
    """SD1.5 in small, with its safety checker."""
    release("sd1.5")
    return hub.load(hub.fetch(find("sd1.5")), torch.float32)


CALL = arguments(find("sd1.5"), Settings(steps=2, resolution=64))


def noise():
    return [torch.Generator().manual_seed(i) for i in range(len(WORDS))]


def test_in_stages_the_same_pictures_bit_for_bit(pipeline):
    """The batch is the pipeline's own; only the words of a batch are sums in another order, which here are exact."""
    expected = pipeline(prompt=WORDS, generator=noise(), output_type="np", **CALL).images
    staged = Staged(pipeline)
    staged.encode(WORDS[:2], **CALL)
    encoder = next(iter(staged.encoders.values()))
    assert encoder.calls == 3  # two prompts and the empty one
    staged.release()
    assert encoder.module is None and staged.bytes > 0
    pictures, replaced = staged.decode(staged.denoise(WORDS, noise(), **CALL))
    assert replaced == [False] * 3
    assert (pictures.permute(0, 2, 3, 1).numpy().clip(0, 1) - expected).max() < 1e-5
    one_by_one, _ = staged.decode(staged.denoise(WORDS, noise(), **CALL), size=1)
    assert torch.allclose(one_by_one, pictures, atol=1e-5)


def test_encoding_draws_nothing_and_leaves_the_denoiser_as_it_was(pipeline):
    staged = Staged(pipeline)
    before = pipeline.unet.forward
    staged.encode(WORDS, **CALL)
    assert pipeline.unet.forward == before and staged.deferred.caught is None


def test_encoders_can_be_kept_for_the_next_portion(pipeline):
    staged = Staged(pipeline)
    staged.encode(WORDS[:1], **CALL)
    staged.release(keep=True)
    staged.forget()
    staged.encode(WORDS[1:2], **CALL)
    staged.release()
    staged.denoise(WORDS[1:2], noise()[:1], **CALL)


@pytest.mark.parametrize(("said", "replaced"), [([True, False, False], True), (None, None)])
def test_what_a_safety_checker_replaces_is_black_and_one_that_says_nothing_is_believed(pipeline, monkeypatch, said, replaced):
    staged = Staged(pipeline)
    staged.encode(WORDS, **CALL)
    staged.release()
    monkeypatch.setattr(staged.checked, "run_safety_checker", lambda image, device, dtype: (image, said), raising=False)
    pictures, flagged = staged.decode(staged.denoise(WORDS, noise(), **CALL))
    assert flagged == said and bool((pictures[0] == 0).all()) is bool(replaced)
    assert not (pictures[1] == 0).all()


def test_a_decoder_that_overflows_in_half_precision_is_widened(release):
    """SDXL's says so in its config; SD1.5's does not, and stays."""
    for name, dtype in (("sdxl", torch.float32), ("sd1.5", torch.float16)):
        release(name)
        staged = Staged(hub.load(hub.fetch(find(name)), torch.float16))
        assert (staged.decoder.dtype, staged.denoisers[0].dtype) == (dtype, torch.float16)


def test_copies_are_independent(pipeline):
    """Taking a copy apart leaves the pipeline whole."""
    Staged(copy.copy(pipeline))
    assert isinstance(pipeline.text_encoder, nn.Module) and pipeline.safety_checker is not None
