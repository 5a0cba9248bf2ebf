"""A hub's cache of small releases and a small COCO, made once for all tests that draw."""

import hub_layout
import huggingface_hub
import pytest
from coco_layout import PICTURES, coco_2017


@pytest.fixture(scope="session")
def coco(tmp_path_factory):
    """A folder in the layout of COCO 2017 with 12 pictures, not to be changed."""
    return coco_2017(tmp_path_factory.mktemp("coco") / "coco", PICTURES)


@pytest.fixture(scope="session")
def hub_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("hub")


@pytest.fixture
def release(hub_cache, monkeypatch):
    """`release(name)` puts a small release into the hub's cache, once, and gives its snapshot."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub_cache))
    made = {}

    def publish(name):
        if name not in made and not _there(name, hub_cache):
            made[name] = hub_layout.publish(name, hub_cache)
        return made.get(name)

    return publish


def _there(name, cache) -> bool:
    from experiments.models.systems import find

    return (cache / f"models--{find(name).hub.replace('/', '--')}" / "refs" / "main").is_file()
