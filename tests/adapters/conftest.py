import pytest
import tiny_models


@pytest.fixture
def pipe(tiny_parts):
    """A tiny Stable Diffusion pipeline with random weights."""
    return tiny_models.pipeline("mini-sd1.5", tiny_parts)
