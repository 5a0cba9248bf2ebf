"""Corrections of docutils' HTML, for readers who listen to a page."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

LIST = '<div role="list" class="citation-list">'  # its entries have a role of their own, which a list may not hold


def correct(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Take the role of a list from the bibliography."""
    if "body" in context:
        context["body"] = context["body"].replace(LIST, '<div class="citation-list">')
