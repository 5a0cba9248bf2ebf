"""IP-Adapter: its formula, its released layout, and the concatenated attention beside it."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from experiments.adapters import image_prompt
from experiments.models.zoo import WEIGHTS

WIDTH = 24


@pytest.fixture(params=image_prompt.WAYS)
def adapted(pipe, request):
    """A pipeline with an untrained adapter, and how its attentions are joined."""
    image_prompt.load(pipe.unet, image_prompt.begin(pipe.unet, WIDTH, 0), request.param)
    return pipe, request.param


def says(unet, scale, seen):
    for processor in image_prompt.image_processors(unet):
        processor.scale = [scale]
    with torch.no_grad():
        return unet(torch.ones(2, 4, 8, 8), torch.tensor([3, 3]), torch.ones(2, 6, 32), added_cond_kwargs={"image_embeds": [seen]}).sample


def test_at_zero_the_words_alone_speak(adapted):
    pipe, _ = adapted
    first, second = torch.randn(2, 1, WIDTH), torch.randn(2, 1, WIDTH)
    assert torch.allclose(says(pipe.unet, 0.0, first), says(pipe.unet, 0.0, second), atol=1e-6)
    assert not torch.allclose(says(pipe.unet, 1.0, first), says(pipe.unet, 1.0, second), atol=1e-4)


def test_one_layer_is_the_sum_of_two_attentions_or_one_softmax(adapted):
    pipe, way = adapted
    name = next(n for n in pipe.unet.attn_processors if ".attn2." in n).removesuffix(".processor")
    attn = pipe.unet.get_submodule(name)
    x, words, seen = torch.randn(1, 9, attn.to_q.weight.shape[1]), torch.randn(1, 5, 32), torch.randn(1, 4, 32)
    parted = lambda t: t.unflatten(-1, (attn.heads, -1)).transpose(1, 2)  # noqa: E731
    q, own = parted(attn.to_q(x)), attn.processor
    logits = lambda key: q @ parted(key).transpose(-1, -2) / q.shape[-1] ** 0.5  # noqa: E731
    text, image = logits(attn.to_k(words)), logits(own.to_k_ip[0](seen))
    v_text, v_image = parted(attn.to_v(words)), parted(own.to_v_ip[0](seen))
    for scale in (0.5, 2.0):
        own.scale = [scale]
        if way == "decoupled":
            z = text.softmax(-1) @ v_text + scale * image.softmax(-1) @ v_image
        else:
            weight = torch.cat([text.exp(), scale * image.exp()], -1)
            z = weight / weight.sum(-1, keepdim=True) @ torch.cat([v_text, v_image], 2)
        wanted = attn.to_out[0](z.transpose(1, 2).flatten(2))
        assert torch.allclose(attn(x, encoder_hidden_states=(words, [seen[:, None]])), wanted, atol=1e-4)


def test_a_saved_adapter_loads_through_diffusers(pipe, tmp_path):
    image_prompt.load(pipe.unet, image_prompt.begin(pipe.unet, WIDTH, 1))
    state = image_prompt.state_of(pipe.unet)
    before = says(pipe.unet, 1.0, torch.ones(2, 1, WIDTH))
    (tmp_path / image_prompt.SUBFOLDER).mkdir()
    save_file(state, tmp_path / image_prompt.SUBFOLDER / image_prompt.FILE)
    pipe.unload_ip_adapter()
    pipe.load_ip_adapter(str(tmp_path), subfolder=image_prompt.SUBFOLDER, weight_name=image_prompt.FILE, image_encoder_folder=None)
    pipe.set_ip_adapter_scale(1.0)
    assert torch.allclose(says(pipe.unet, 1.0, torch.ones(2, 1, WIDTH)), before, atol=1e-5)
    assert set(image_prompt.parted(state)) == {"image_proj", "ip_adapter"}


def test_only_image_weights_begin_as_copies_of_the_texts(pipe):
    state = image_prompt.begin(pipe.unet, WIDTH, 0)
    first = pipe.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    assert torch.equal(state["ip_adapter"]["1.to_k_ip.weight"], first.to_k.weight)
    with pytest.raises(ValueError, match="decoupled or concatenated"):
        image_prompt.load(pipe.unet, state, "added")


@pytest.mark.skipif(not (WEIGHTS / "clip" / "model.safetensors").exists(), reason="the CLIP pair is not trained yet")
def test_the_vision_tower_is_the_pairs():
    from transformers import CLIPModel

    pictures = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    pair = CLIPModel.from_pretrained(WEIGHTS / "clip", dtype=torch.float32).eval()
    with torch.no_grad():
        wanted = pair.get_image_features(pixel_values=pictures.float() / 127.5 - 1)
    wanted = wanted if torch.is_tensor(wanted) else SimpleNamespace(**wanted).pooler_output
    assert torch.allclose(image_prompt.embed(image_prompt.encoder(), pictures), wanted, atol=1e-5)
