"""Pipelines at tiny widths, assembled once a session."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tiny_parts(tmp_path_factory):
    import tiny_models

    return tiny_models.parts(tmp_path_factory.mktemp("weights"))
