"""Every miniature as a row: what it mirrors, how it is built, what it learns from, and the scores it must reach.

Adding a miniature is adding a row. Component configs are the release's own where a width does not enter; `mirrors` names the
card they come from. Budgets are numbers of training images shown; scores are measured by `metrics.evaluate` on test prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from experiments.models.recipes import adapters, distilled, guidance, kandinsky, parts, stable_diffusion, text_encoders, transformers
from experiments.models.recipes.parts import CODE_CHANNELS, LENGTH
from experiments.models.recipes.recipe import Recipe

__all__ = ["CODE_CHANNELS", "LENGTH", "RECIPES", "Recipe"]

# in the order in which one builds on another
GROUPS = (parts, text_encoders, stable_diffusion, transformers, kandinsky, distilled, guidance, adapters)

RECIPES: Mapping[str, Recipe] = MappingProxyType({row.name: row for group in GROUPS for row in group.ROWS})
