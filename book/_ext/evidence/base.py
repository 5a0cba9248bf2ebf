"""What the extension's directives share: the library, Markdown of one line, and finding the record that an argument names."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from evidence import wording
from evidence.library import RECORD, Library


class EvidenceDirective(SphinxDirective):
    """A directive that shows what records hold."""

    @property
    def library(self) -> Library:
        return self.env.app.evidence

    def reads(self, *records: str) -> None:
        """Have the page built again when one of these chapters' records changes."""
        for record in records:
            self.env.note_dependency(str(self.library.results / record / RECORD))

    def inline(self, text: str) -> list[nodes.Node]:
        """`text` read as one line of Markdown."""
        return self.state.inline_text(text, self.lineno)[0]


class RecordDirective(EvidenceDirective):
    """A directive whose argument is `<chapter>:<name>` of something in that chapter's record."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"name": directives.unchanged}

    def named(self, kind: str) -> tuple[str, dict[str, Any] | None]:
        """The chapter that the argument names, and the item of its record."""
        record, _, name = self.arguments[0].strip().partition(":")
        self.reads(record)
        return record, self.library.item(kind, record, name)

    def missing(self, record: str) -> list[nodes.Node]:
        """What stands in place of an item that no record holds; in a chapter this is broken evidence, so it warns."""
        if "name" in self.options:
            message = f"the notebook shows {self.arguments[0]}, which no record holds; run the chapter {record} again"
            return [self.state.document.reporter.warning(message, line=self.lineno)]
        return [nodes.paragraph("", wording.NOT_MEASURED, classes=["not-measured"])]

    def label(self, node: nodes.Element) -> None:
        """Make `node` a target for `{numref}` under the directive's `name`."""
        if "name" in self.options:
            self.add_name(node)
