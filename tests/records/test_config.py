"""`_config.yml`: a misspelt key is an error, not a default."""

from __future__ import annotations

import pytest
import yaml

from experiments.artefacts import ROOT
from experiments.records.config import faults

GOOD = {"title": "A", "execute": {"execute_notebooks": "off"}, "sphinx": {"config": {"anything": 1}}}


def test_a_good_configuration_passes():
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"titel": "A"}, "unknown key titel; did you mean title?"),
        ({"html": {"favikon": "x"}}, "unknown key html/favikon; did you mean favicon?"),
        ({"only_build_toc_file": True}, "did you mean only_build_toc_files?"),
        ({"execute": {"execute_notebooks": "auto"}}, "must be \"off\", not 'auto'"),
        ({"execute": {"execute_notebook": "off"}}, "did you mean execute_notebooks?"),
    ],
)
def test_a_misspelt_key_and_execution_by_the_book_are_named(change, words):
    assert words in " ".join(faults({**GOOD, **change}))


def test_the_projects_own_configuration_passes():
    assert faults(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))) == []
