"""The words and sentence patterns of each language, as plain tables; `captions` puts them together.

Vietnamese is written in Unicode's composed form (NFC), Chinese in simplified characters with full-width marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from experiments.data.scenes import COLOURS, FLOORS, MATERIALS, RELATIONS, SHAPES, SIZES


@dataclass(frozen=True)
class Register:
    """One way of speaking: a word for each attribute and the patterns that join them.

    In `solid`, {n} is the number; in `relation` and `further`, {a} and {b} are solids, {r} the relation and {noun} the
    bare noun of the solid that {a} ends with. A word left out leaves no gap: spaces are collapsed.
    """

    numbers: tuple[str, str, str, str]
    shapes: dict[str, str]
    sizes: dict[str, str]
    colours: dict[str, str]
    materials: dict[str, str]
    relations: dict[str, str]
    solid: str
    relation: str  # the first two solids
    further: str  # each solid after the second, related to the one before it
    plurals: dict[str, str] = field(default_factory=dict)  # where several solids take another noun than one
    classifiers: dict[str, str] = field(default_factory=dict)  # the measure word between number and noun


@dataclass(frozen=True)
class Language:
    """The plain register of styles 0, 2 and 4, the other one of styles 1 and 3, and whole-sentence patterns."""

    plain: Register
    casual: Register
    floors: dict[str, str]
    totals: tuple[str, str, str, str]
    listing: str  # style 1: {t} how many, {s} the solids
    standing: str  # style 3 with a relation: {f} the floor, {s} the solids
    lying: str  # style 3 without one
    comma: str  # between the items of a counted list
    pause: str  # between the items of "a, b and c"
    last: str  # before the last of them


def _words(keys: Sequence[str], *values: str) -> dict[str, str]:
    return dict(zip(keys, values, strict=True))


ENGLISH = Language(
    plain=Register(
        numbers=("a", "two", "three", "four"),
        shapes=_words(SHAPES, *SHAPES),
        plurals=_words(SHAPES, "spheres", "cubes", "cylinders", "cones"),
        sizes=_words(SIZES, "small", "large"),
        colours=_words(COLOURS, *COLOURS),
        materials=_words(MATERIALS, *MATERIALS),
        relations=_words(RELATIONS, "to the left of", "to the right of", "in front of", "behind"),
        solid="{n} {size} {colour} {material} {shape}",
        relation="{a} {r} {b}",
        further="{a}, which is {r} {b}",
    ),
    casual=Register(
        numbers=("a", "two", "three", "four"),
        shapes=_words(SHAPES, "ball", "block", "cylinder", "cone"),
        sizes=_words(SIZES, "tiny", "big"),
        colours=_words(COLOURS, *COLOURS),
        materials=_words(MATERIALS, "matte", "shiny"),
        relations=_words(RELATIONS, "left of", "right of", "in front of", "behind"),
        solid="{n} {size} {material} {colour} {shape}",
        relation="{a} stands {r} {b}",
        further="{a}, which stands {r} {b}",
    ),
    floors=_words(FLOORS, *FLOORS),
    totals=("one solid", "two solids", "three solids", "four solids"),
    listing="{t}: {s}.",
    standing="on a {f} floor, {s}.",
    lying="on a {f} floor there is {s}.",
    comma=", ",
    pause=", ",
    last=" and ",
)

CHINESE = Language(
    plain=Register(
        numbers=("一", "两", "三", "四"),
        shapes=_words(SHAPES, "球体", "立方体", "圆柱体", "圆锥体"),
        classifiers=_words(SHAPES, "个", "个", "个", "个"),
        sizes=_words(SIZES, "小", "大"),
        colours=_words(COLOURS, "灰色的", "红色的", "蓝色的", "绿色的", "棕色的", "紫色的", "青色的", "黄色的"),
        materials=_words(MATERIALS, "橡胶", "金属"),
        relations=_words(RELATIONS, "左边", "右边", "前面", "后面"),
        solid="{n}{classifier}{colour}{size}{material}{shape}",
        relation="{a}在{b}的{r}",
        further="{a}，后者在{b}的{r}",
    ),
    casual=Register(
        numbers=("一", "两", "三", "四"),
        shapes=_words(SHAPES, "圆球", "方块", "圆柱", "圆锥"),
        classifiers=_words(SHAPES, "颗", "个", "根", "个"),
        sizes=_words(SIZES, "小", "大"),
        colours=_words(COLOURS, "灰色", "红色", "蓝色", "绿色", "棕色", "紫色", "青色", "黄色"),
        materials=_words(MATERIALS, "哑光", "亮面"),
        relations=_words(RELATIONS, "左侧", "右侧", "前方", "后方"),
        solid="{n}{classifier}{colour}{material}{size}{shape}",
        relation="{a}位于{b}的{r}",
        further="{a}，后者又位于{b}的{r}",
    ),
    floors=_words(FLOORS, "灰色", "沙色", "石板色", "玫瑰色"),
    totals=("一个物体", "两个物体", "三个物体", "四个物体"),
    listing="共有{t}：{s}。",
    standing="{f}的地板上，{s}。",
    lying="{f}的地板上有{s}。",
    comma="，",
    pause="、",
    last="和",
)

_TINTS = ("xám", "đỏ", "xanh dương", "xanh lá", "nâu", "tím", "lục lam", "vàng")
_VIETNAMESE_COLOURS = _words(COLOURS, *(f"màu {tint}" for tint in _TINTS))

VIETNAMESE = Language(
    plain=Register(
        numbers=("một", "hai", "ba", "bốn"),
        shapes=_words(SHAPES, "khối cầu", "khối lập phương", "khối trụ", "khối nón"),
        sizes=_words(SIZES, "nhỏ", "lớn"),
        colours=_VIETNAMESE_COLOURS,
        materials=_words(MATERIALS, "bằng cao su", "bằng kim loại"),
        relations=_words(RELATIONS, "bên trái", "bên phải", "phía trước", "phía sau"),
        solid="{n} {shape} {size} {colour} {material}",
        relation="{a} ở {r} {b}",
        further="{a}, {noun} này ở {r} {b}",
    ),
    casual=Register(
        numbers=("một", "hai", "ba", "bốn"),
        shapes=_words(SHAPES, "quả bóng", "khối vuông", "hình trụ", "hình nón"),
        sizes=_words(SIZES, "bé", "to"),
        colours=_VIETNAMESE_COLOURS,
        materials=_words(MATERIALS, "mặt nhám", "mặt bóng"),
        relations=_words(RELATIONS, "bên trái", "bên phải", "đằng trước", "đằng sau"),
        solid="{n} {shape} {size} {colour} {material}",
        relation="{a} nằm {r} {b}",
        further="{a}, {noun} này lại nằm {r} {b}",
    ),
    floors=_words(FLOORS, "màu xám", "màu cát", "màu đá phiến", "màu hồng"),
    totals=("một vật thể", "hai vật thể", "ba vật thể", "bốn vật thể"),
    listing="có {t}: {s}.",
    standing="trên sàn {f}, {s}.",
    lying="trên sàn {f} có {s}.",
    comma=", ",
    pause=", ",
    last=" và ",
)

LANGUAGES = {"en": ENGLISH, "zh": CHINESE, "vi": VIETNAMESE}
