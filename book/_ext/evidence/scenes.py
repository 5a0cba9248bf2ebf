"""`{scene-words}`, `{scene-captions}` and `{scene-withheld}`: what the scenes' own code says of them, as tables."""

from __future__ import annotations

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from evidence import tables
from experiments.data.captions import STYLES, caption
from experiments.data.languages import LANGUAGES
from experiments.data.scenes import COLOURS, FLOORS, MATERIALS, RELATIONS, SHAPES, SIZES, sample_scene, withheld

SHOWN = range(8)
SPLIT = "test"
NAMES = {"en": "English", "zh": "Chinese", "vi": "Vietnamese"}


class SceneTable(SphinxDirective):
    """A table with a header row; the subclass says of what."""

    def run(self) -> list[nodes.Node]:
        return [nodes.container("", tables.plain(*self.content_of()), classes=["evidence-table"])]

    def content_of(self) -> tuple[list[str], list[list[str | nodes.Node]]]:
        raise NotImplementedError


class Words(SceneTable):
    """Every value that an attribute can take."""

    def content_of(self):
        kinds = {
            "shape": SHAPES,
            "colour": COLOURS,
            "size": SIZES,
            "material": MATERIALS,
            "floor": FLOORS,
            "relation": RELATIONS,
        }
        return ["attribute", "values"], [[name, ", ".join(values)] for name, values in kinds.items()]


class Captions(SceneTable):
    """The first scene of the figure in every wording and language."""

    def content_of(self):
        scene = sample_scene(SHOWN[0], split=SPLIT)
        rows = []
        for style in range(STYLES):
            for language in LANGUAGES:
                text = nodes.inline("", caption(scene, language, style), classes=[f"language-{language}"])  # sets lang=
                rows.append([str(style), NAMES.get(language, language), text])
        return ["wording", "language", "caption"], rows


class Withheld(SceneTable):
    """The combinations that training never shows."""

    def content_of(self):
        pairs = sorted(withheld(), key=lambda pair: COLOURS.index(pair[0]))
        return ["colour", "never in training as"], [list(pair) for pair in pairs]
