"""A release's files: the right ones are taken, and what is wrong with them is one line before anything is loaded."""

import shutil
from types import SimpleNamespace

import hub_layout
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from experiments.models import hub
from experiments.models.systems import find

@pytest.fixture(scope="module")
def published(tmp_path_factory):
    cache = tmp_path_factory.mktemp("published")
    hub_layout.publish("sd3", cache)
    return cache


@pytest.fixture
def cache(published, tmp_path, monkeypatch):
    """The hub's cache with the small SD3, to be spoilt."""
    shutil.copytree(published, tmp_path / "hub", symlinks=True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def snapshot(cache):
    return hub.fetch(find("sd3")).folder


def refused(name: str = "sd3") -> str:
    with pytest.raises(hub.WeightsError) as raised:
        hub.fetch(find(name)).hashes()
    said = str(raised.value)
    assert "\n" not in said and said.startswith(("sd3: ", "sd3 is gated"))
    return said


def test_a_complete_release_is_found_without_a_network(snapshot):
    source = hub.fetch(find("sd3"))
    assert source.revisions == {"stabilityai/stable-diffusion-3-medium-diffusers": find("sd3").revision}
    names = [name for name, _ in source.files()]
    assert any("-of-" in name for name in names) and {name.split("/")[0] for name in names} == {
        "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"
    }  # fmt: skip
    assert len(source.hashes()) == len(names)


def test_a_missing_component(snapshot):
    shutil.rmtree(snapshot / "text_encoder_3")
    assert "the component text_encoder_3 is missing: fetch" in refused()


def test_a_component_without_weights(snapshot):
    for file in (snapshot / "vae").glob("*.safetensors"):
        file.unlink()
    assert "the component vae has no weights" in refused()


def test_a_missing_shard(snapshot):
    gone = sorted((snapshot / "transformer").glob("*.safetensors"))[1]
    gone.unlink()
    assert f"transformer/{gone.name} is missing" in refused()


@pytest.mark.parametrize("keep", [0, 5, 2000])
def test_a_shard_that_is_cut_short(snapshot, keep):
    file = sorted((snapshot / "transformer").glob("*.safetensors"))[0].resolve()
    file.write_bytes(file.read_bytes()[:keep])
    assert "is cut short or damaged: delete" in refused()


def test_a_shard_with_one_altered_byte(snapshot):
    file = sorted((snapshot / "transformer").glob("*.safetensors"))[0].resolve()
    content = bytearray(file.read_bytes())
    content[-7] ^= 1
    file.write_bytes(content)
    assert "its SHA-256 is not that of the hub" in refused()


def test_a_damaged_index(snapshot):
    (snapshot / "model_index.json").write_text("{")
    assert "model_index.json is missing or damaged" in refused()


def test_a_revision_that_is_not_in_the_cache_and_no_network(snapshot):
    assert "at revision 1234 is not in the hub's cache, and the hub cannot be asked (HF_HUB_OFFLINE is set)" in refused("sd3@1234")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatedRepoError, "no token that may read stabilityai/stable-diffusion-3-medium-diffusers was given: accept Stability AI"),
        (RevisionNotFoundError, "has no revision 1234: leave @1234 out"),
        (RepositoryNotFoundError, "the hub has no repository stabilityai/stable-diffusion-3-medium-diffusers, or it is private"),
    ],
)
def test_what_the_hub_refuses_is_one_line(cache, monkeypatch, error, said):
    def model_info(self, *_, **__):
        raise error("401 Client Error\nmore lines", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr(hub.HfApi, "model_info", model_info)
    assert said in refused("sd3@1234")


def test_only_what_is_needed_is_downloaded():
    names = [
        "model_index.json", "README.md", "v1-5.ckpt", "unet/config.json", "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors", "tokenizer/vocab.json",
        "scheduler/scheduler_config.json", "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "text_encoder/config.json",
        "text_encoder/model.fp16-00001-of-00002.safetensors", "text_encoder/model.fp16-00002-of-00002.safetensors", "text_encoder/model.safetensors",
        "text_encoder/model.safetensors.index.fp16.json", "text_encoder/flax_model.msgpack", "image_encoder/model.safetensors",
    ]  # fmt: skip
    index = {"_class_name": "X", "unet": ["diffusers", "U"], "vae": ["diffusers", "V"], "tokenizer": ["transformers", "T"],
             "scheduler": ["diffusers", "S"], "text_encoder": ["transformers", "E"], "image_encoder": [None, None]}  # fmt: skip
    taken = set(hub.needed(names, index, "fp16"))
    assert taken == {
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "tokenizer/vocab.json",
        "scheduler/scheduler_config.json", "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "text_encoder/config.json",
        "text_encoder/model.fp16-00001-of-00002.safetensors", "text_encoder/model.fp16-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.fp16.json",
    }  # fmt: skip
    assert "unet/diffusion_pytorch_model.safetensors" in hub.needed(names, index)


def test_a_download_asks_for_those_files(cache, monkeypatch):
    """The hub as a stub: what is listed is what a release lists; the snapshot is the small one."""
    asked = {}
    real = hub.snapshot_download
    folder = hub.fetch(find("sd3")).folder
    listed = [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()] + ["sd3.ckpt"]

    def snapshot_download(repository, revision, allow_patterns=None, **options):
        if allow_patterns is None:
            return real(repository, revision=revision, **options)
        asked.update(files=allow_patterns, revision=revision)
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(hub, "hf_hub_download", lambda *_, **__: str(folder / "model_index.json"))
    known = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in listed])
    monkeypatch.setattr(hub.HfApi, "model_info", lambda *_, **__: known)
    hub.fetch(find("sd3@new"))
    assert asked["revision"] == "new" and set(asked["files"]) == set(listed) - {"sd3.ckpt"}
