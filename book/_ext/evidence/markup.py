"""Corrections of the HTML, for readers who listen to a page."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

CORRECTIONS = {
    '<div role="list" class="citation-list">': '<div class="citation-list">',  # its entries have another role
    '<summary aria-label="Toggle hidden content">': "<summary>",  # the words that are seen are the better name
}


def correct(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put right what docutils and MyST-NB wrote into the body of a page."""
    for wrong, right in CORRECTIONS.items():
        if "body" in context:
            context["body"] = context["body"].replace(wrong, right)
