"""Pipelines at tiny widths, assembled once a session; and no time limit for hypothesis: a busy machine is no fault of the code."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent.parent / "models"))
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


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
