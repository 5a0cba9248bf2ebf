"""`{shown}` and references to what a chapter shows, which become plain text where the book has no such chapter."""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole

from evidence.notebook import label

KINDS = (("fig", "figures", "figure"), ("tab", "tables", "table"))


class ShownRole(SphinxRole):
    """`<chapter>:<figure or table>`: a link to it and to its chapter."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        record, _, name = self.text.strip().partition(":")
        return links(self.env, record, name or None), []


def links(env: BuildEnvironment, record: str, name: str | None) -> list[nodes.Node]:
    """Links to the figure or table `name` of a chapter, where its record has one, and to the chapter."""
    found: list[nodes.Node] = [reference(env, "doc", f"/book/{record}", f"chapter {record}")]
    for short, kind, word in KINDS:
        if name and env.app.evidence.item(kind, record, name):
            target = reference(env, "ref", label(short, record, name), f"{word} {name}")
            found = [target, nodes.Text(", "), *found]
    return found


def reference(env: BuildEnvironment, kind: str, target: str, text: str) -> addnodes.pending_xref:
    """A reference that becomes plain text, silently, where its target is not in this book."""
    return addnodes.pending_xref(
        "",
        nodes.inline("", text),
        refdomain="std",
        reftype=kind,
        reftarget=target,
        refexplicit=True,
        refwarn=False,
        refdoc=env.docname,
    )
