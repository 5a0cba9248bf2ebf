"""Pipelines at tiny widths, assembled once a session."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "models"))


@pytest.fixture(scope="session")
def tiny_parts(tmp_path_factory):
    import tiny_models

    return tiny_models.parts(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def stable_diffusion(tiny_parts):
    import tiny_models

    return tiny_models.pipeline("mini-sd1.5", tiny_parts)


@pytest.fixture(scope="session")
def stable_diffusion_3(tiny_parts):
    import tiny_models

    return tiny_models.pipeline("mini-sd3", tiny_parts)
