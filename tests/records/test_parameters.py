"""Parameters: literals only, and one clear line for what a chapter cannot take."""

from __future__ import annotations

import pytest

from experiments.records.parameters import ParameterError, check, declared, injected, literals

DEFAULTS = {"scale": "mini", "seed": 0, "model": "mini-sd3", "guidance": 3.0, "scales": [1.0, 2.0], "fast": False}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scael": "smoke"}, "unknown parameter scael; did you mean scale?"),
        ({"zzz": 1}, "this chapter has: fast, guidance, model, scale, scales, seed"),
        ({"scale": "huge"}, "choose one of smoke, mini, full"),
        ({"scale": "smok"}, "did you mean smoke?"),
        ({"scale": None}, "scale must be a text"),
        ({"seed": "abc"}, "seed must be a whole number such as 0, not 'abc'"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"fast": 1}, "fast must be True or False"),
        ({"guidance": "much"}, "guidance must be a number such as 3.0"),
        ({"scales": 3}, "scales must be a list"),
        ({"scales": "[1, 'a']"}, r"scales\[1\] must be a number"),
    ],
)
def test_a_parameter_that_the_chapter_cannot_take_is_one_line(given, words):
    with pytest.raises(ParameterError, match=words.replace("?", r"\?")) as caught:
        check(given, DEFAULTS)
    assert "\n" not in str(caught.value)


def test_good_values_take_the_place_of_defaults_with_the_defaults_types():
    values = check({"guidance": 7, "scales": "[1, 3, 7]", "scale": "full"}, DEFAULTS)
    assert values == {**DEFAULTS, "guidance": 7.0, "scales": [1.0, 3.0, 7.0], "scale": "full"}
    assert isinstance(values["guidance"], float) and isinstance(values["scales"][0], float)


def test_a_parameters_cell_of_literals_is_read():
    source = '"""About."""\nscale = "mini"  # smoke, mini or full\nseed: int = 3\nlow = -1.5\nmodels = ["a", "b"]\n'
    assert literals(source) == {"scale": "mini", "seed": 3, "low": -1.5, "models": ["a", "b"]}


@pytest.mark.parametrize("line", ["steps = 2 * seed", "n = len(models)", "n = seed", "import torch", "a, b = 1, 2"])
def test_a_computed_parameter_is_refused_by_name(line):
    with pytest.raises(ParameterError) as caught:
        literals("seed = 1\n" + line)
    assert line.split(" = ")[0].split(",")[0] in str(caught.value)


def test_only_papermills_own_cell_counts_as_injected():
    cells = ["", 'scale = "mini"\nseed = 0', '# Parameters\nscael = "smoke"\n', "x = 1"]
    assert injected(cells) == {"scael": "smoke"}
    assert declared(cells) == {"scale": "mini", "seed": 0}


def test_a_chapters_own_cell_may_begin_with_papermills_words():
    cells = ["", '# Parameters\nscale = "mini"', "run = None"]
    assert injected(cells) == {}
    assert injected(cells[:2] + ['# Parameters\nscale = "full"\n']) == {"scale": "full"}


@pytest.mark.parametrize("text", ["[sd1.5, sdxl]", "['sd1.5', 'sdxl']", '["sd1.5", sdxl]'])
def test_a_list_of_names_needs_no_quotes(text):
    assert check({"models": text}, {"models": ["mini-sd3"]}) == {"models": ["sd1.5", "sdxl"]}
    with pytest.raises(ParameterError, match="models must be a list"):
        check({"models": "sd1.5"}, {"models": ["mini-sd3"]})
