"""Captions: true, complete, deterministic, five wordings, three languages; English is parsed back."""

import re
import subprocess
import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from experiments.data.captions import LONGEST, STYLES, caption, conjoin, count, describe, relate, vocabulary, words
from experiments.data.languages import LANGUAGES
from experiments.data.scenes import (
    COLOURS, FLOORS, MARGIN, MATERIALS, SHAPES, SIZES, Scene, Solid, sample_scene,
)

PLACE = st.floats(-2, 2, allow_nan=False)
SOLIDS = st.builds(
    Solid, st.sampled_from(SHAPES), st.sampled_from(COLOURS), st.sampled_from(SIZES), st.sampled_from(MATERIALS),
    PLACE, PLACE, st.just(0.0),
)
# also scenes that cannot be, with solids inside each other
ANY = st.builds(Scene, st.lists(SOLIDS, min_size=1, max_size=4).map(tuple), st.sampled_from(FLOORS))
REAL = st.builds(sample_scene, st.integers(0, 10**6), st.just(0), st.sampled_from(["train", "withheld"]))
SCENES = ANY | REAL
STYLE, LANGUAGE = st.integers(0, STYLES - 1), st.sampled_from(list(LANGUAGES))

MEANS = {
    "ball": "sphere", "block": "cube", "spheres": "sphere", "cubes": "cube", "cylinders": "cylinder", "cones": "cone",
    "big": "large", "tiny": "small", "shiny": "metal", "matte": "rubber",
}
NUMBERS = {"a": 1, "two": 2, "three": 3, "four": 4}
PHRASE = re.compile(
    r"\b(a|two|three|four) ((?:(?:%s) )*)(spheres?|balls?|cubes?|blocks?|cylinders?|cones?)\b"
    % "|".join([*COLOURS, *SIZES, *MATERIALS, "big", "tiny", "shiny", "matte"])
)
TRUE = {  # what the words mean, written down a second time
    "left": lambda a, b: a.x < b.x - MARGIN,
    "right": lambda a, b: a.x > b.x + MARGIN,
    "front": lambda a, b: a.y < b.y - MARGIN,
    "behind": lambda a, b: a.y > b.y + MARGIN,
}
RELATION_WORDS = {
    "en": {"left of": "left", "right of": "right", "in front of": "front", "behind": "behind"},
    "zh": {"左边": "left", "左侧": "left", "右边": "right", "右侧": "right", "前面": "front", "前方": "front", "后面": "behind",
           "后方": "behind"},
    "vi": {"bên trái": "left", "bên phải": "right", "phía trước": "front", "đằng trước": "front", "phía sau": "behind",
           "đằng sau": "behind"},
}


def phrases(text):
    """(number, {attribute words in canonical form}) of each noun phrase of an English caption, in order."""
    found = [(NUMBERS[n], {MEANS.get(w, w) for w in [*said.split(), noun]}) for n, said, noun in PHRASE.findall(text)]
    assert found, text
    return found


def stated(text, language):
    return [RELATION_WORDS[language][m] for m in re.findall("|".join(RELATION_WORDS[language]), text)]


@given(SCENES, STYLE)
def test_english_names_every_solid_and_nothing_else(scene, style):
    """Phrases and solids can be matched one to one, each with true attributes."""
    left = list(scene.solids)
    for number, said in sorted(phrases(caption(scene, "en", style)), key=lambda p: -len(p[1])):
        for _ in range(number):
            fit = [s for s in left if said <= set(s.attributes())]
            assert fit, caption(scene, "en", style)
            left.remove(fit[0])
    assert not left


@given(SCENES, STYLE, LANGUAGE)
def test_relations_are_true(scene, style, language):
    order = list(scene.solids)[:: -1 if style == 3 else 1]
    told = stated(caption(scene, language, style), language)
    assert len(told) in (0, len(order) - 1)
    for word, a, b in zip(told, order, order[1:]):
        assert TRUE[word](a, b)


@given(REAL, LANGUAGE)
def test_relational_styles_state_a_relation_for_real_scenes(scene, language):
    for style in (0, 3):
        assert len(stated(caption(scene, language, style), language)) == len(scene.solids) - 1


@given(SCENES, LANGUAGE)
def test_each_language_names_each_solid_and_the_floor(scene, language):
    listed = caption(scene, language, 1)
    told = Counter(describe(s, language, casual=True) for s in scene.solids)
    assert all(listed.count(phrase) >= n for phrase, n in told.items())
    floors = LANGUAGES[language].floors
    openings = {"en": "on a {} floor", "zh": "{}的地板上", "vi": "trên sàn {}"}
    assert caption(scene, language, 3).startswith(openings[language].format(floors[scene.floor]))


@given(SCENES, LANGUAGE)
def test_five_different_wordings(scene, language):
    assert len({caption(scene, language, k) for k in range(STYLES)}) == STYLES


@given(SCENES, STYLE)
def test_length(scene, style):
    assert len(words(caption(scene, "en", style))) <= LONGEST


def test_length_reaches_close_to_the_limit():
    longest = max(len(words(caption(sample_scene(i, count=4), "en", k))) for i in range(300) for k in (0, 3))
    assert LONGEST - 5 < longest


@given(SCENES, STYLE, LANGUAGE)
def test_letters_and_marks(scene, style, language):
    text = caption(scene, language, style)
    assert text == text.lower() == " ".join(text.split()) == unicodedata.normalize("NFC", text) and "{" not in text
    if language == "en":
        assert re.fullmatch(r"[a-z ,:.]+", text)
    elif language == "zh":
        assert re.fullmatch(r"[\u4e00-\u9fff，、：。]+", text)
    else:
        assert re.search("[^\x00-\x7f]", text) and all(c.isalpha() or c in " ,:." for c in text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabulary_is_exactly_what_is_said(language):
    scenes = [sample_scene(i) for i in range(1500)]
    said = {w for s in scenes for k in range(STYLES) for w in words(caption(s, language, k), language)}
    four = {  # rare in a sample: three or four solids of one shape
        w for n in (3, 4) for w in words(count([sample_scene(0).solids[0]] * n, language), language)
    }
    assert said | four == vocabulary(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_attributes_share_a_word(language):
    for register in (LANGUAGES[language].plain, LANGUAGES[language].casual):
        tables = (register.shapes, register.sizes, register.colours, register.materials, register.relations)
        spoken = Counter(w for table in tables for w in table.values())
        assert len(spoken) == 4 + 2 + 8 + 2 + 4 and set(spoken.values()) == {1}


def test_captions_are_the_same_in_another_process():
    code = (
        "from experiments.data.captions import caption; from experiments.data.scenes import sample_scene;"
        "print(ascii([caption(sample_scene(i), l, k) for i in range(9) for l in ('en', 'zh', 'vi') for k in range(5)]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mine = [caption(sample_scene(i), lang, k) for i in range(9) for lang in ("en", "zh", "vi") for k in range(5)]
    assert run.stdout.strip() == ascii(mine)


RED = Solid("cube", "red", "large", "metal", -1.0, 0.0, 0.0)
BLUE = Solid("sphere", "blue", "small", "rubber", 1.0, 0.1, 0.0)


@pytest.mark.parametrize(
    "language, expected",
    [
        ("en", ["a large red metal cube to the left of a small blue rubber sphere",
                "two solids: a tiny matte blue ball, a big shiny red block.",
                "a red cube and a blue sphere",
                "on a sand floor, a tiny matte blue ball stands right of a big shiny red block."]),
        ("zh", ["一个红色的大金属立方体在一个蓝色的小橡胶球体的左边",
                "共有两个物体：一颗蓝色哑光小圆球，一个红色亮面大方块。",
                "一个红色的立方体和一个蓝色的球体",
                "沙色的地板上，一颗蓝色哑光小圆球位于一个红色亮面大方块的右侧。"]),
        ("vi", ["một khối lập phương lớn màu đỏ bằng kim loại ở bên trái một khối cầu nhỏ màu xanh dương bằng cao su",
                "có hai vật thể: một quả bóng bé màu xanh dương mặt nhám, một khối vuông to màu đỏ mặt bóng.",
                "một khối lập phương màu đỏ và một khối cầu màu xanh dương",
                "trên sàn màu cát, một quả bóng bé màu xanh dương mặt nhám nằm bên phải "
                "một khối vuông to màu đỏ mặt bóng."]),
    ],
)
def test_by_hand(language, expected):
    assert [caption(Scene((RED, BLUE), "sand"), language, k) for k in range(4)] == expected


def test_the_stated_relation_is_along_the_axis_of_greater_distance():
    def where(x, y):
        return caption(Scene((Solid("cube", "red", "large", "metal", x, y, 0.0), BLUE), "gray"), "en", 0)

    assert "to the left of" in where(BLUE.x - 1.5, BLUE.y + 1.4) and "behind" in where(BLUE.x - 1.4, BLUE.y + 1.5)
    assert "to the right of" in where(BLUE.x + 1.5, BLUE.y) and "in front of" in where(BLUE.x + 1.4, BLUE.y - 1.5)


def test_many_solids_lose_material_and_then_size():
    row = [Solid("cone", colour, "small", "metal", float(i), 0.0, 0.0) for i, colour in enumerate(COLOURS[:4])]
    three, four = Scene(tuple(row[:3]), "slate"), Scene(tuple(row), "slate")
    assert caption(three, "en", 0) == (
        "a small gray cone to the left of a small red cone, which is to the left of a small blue cone"
    )
    assert caption(three, "en", 3) == (
        "on a slate floor, a tiny blue cone stands right of a tiny red cone, which stands right of a tiny gray cone."
    )
    assert caption(four, "en", 3) == (
        "on a slate floor, a green cone stands right of a blue cone, which stands right of a red cone, "
        "which stands right of a gray cone."
    )


@given(SOLIDS, SOLIDS)
def test_terse_style_says_two_shapes_with_or_without_relation(a, b):
    assume(a.shape != b.shape)
    scene = Scene((a, b), "gray")
    plain = f"a {a.shape} and a {b.shape}"
    related = {relate(f"a {a.shape}", r, f"a {b.shape}") for r in scene.related(0, 1)}
    assert caption(scene, "en", 4) in {plain} | related


def test_terse_style_uses_both_forms_about_equally():
    scenes = [s for s in map(sample_scene, range(3000)) if len({x.shape for x in s.solids}) == len(s.solids) == 2]
    share = sum(" and " in caption(s, "en", 4) for s in scenes) / len(scenes)
    assert len(scenes) > 500 and 0.4 < share < 0.6


@pytest.mark.parametrize("shapes, expected", [
    (["cube"] * 3, "three cubes"),
    (["cone"] * 4, "four cones"),
    (["cylinder", "cone", "cylinder", "cylinder"], "three cylinders and a red cone"),
    (["cylinder", "cone", "sphere"], "a cylinder, a cone and a sphere"),
    (["cube", "cone", "cube", "cone"], "two cubes and two cones"),
])
def test_terse_style_counts(shapes, expected):
    solids = tuple(Solid(s, "red", "small", "metal", float(i), 0.0, 0.0) for i, s in enumerate(shapes))
    assert caption(Scene(solids, "gray"), "en", 4) == expected


def test_parts():
    assert describe(RED, "en", ()) == "a cube" and describe(RED, "en", ["colour"]) == "a red cube"
    assert count([RED, RED], "en", ["colour"]) == "two red cubes" and count([RED] * 3, "zh") == "三个立方体"
    assert conjoin(["a"]) == "a" and conjoin(["a", "b", "c"]) == "a, b and c"
    assert relate("a cube", "behind", "a cone") == "a cube behind a cone"


def test_solids_too_close_for_a_relation_are_listed():
    near = Scene((RED, Solid("cone", "gray", "small", "metal", -1.0, 0.1, 0.0)), "rose")
    assert caption(near, "en", 0) == "a large red metal cube and a small gray metal cone"
    assert caption(near, "en", 3) == "on a rose floor there is a big shiny red block and a tiny shiny gray cone."


@pytest.mark.parametrize("arguments, named", [
    ({"language": "fr"}, "en, zh, vi"), ({"style": 5}, "0 to 4"), ({"style": -1}, "0 to 4"),
])
def test_errors_name_what_is_valid(arguments, named):
    with pytest.raises(ValueError, match=named):
        caption(Scene((RED,), "gray"), **arguments)
    with pytest.raises(ValueError, match="weight"):
        describe(RED, "en", ["weight"])
