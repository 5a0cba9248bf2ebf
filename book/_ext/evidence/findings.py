"""`{verdicts}` and `{findings}`: what came out, in short, each word of it from the records."""

from __future__ import annotations

from collections import Counter
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from evidence import claims, shown, tables
from evidence.library import RECORD, Library
from experiments.records.claims import CLAIMS, VERDICTS


class Verdicts(SphinxDirective):
    """How many claims have which verdict, and which."""

    def run(self) -> list[nodes.Node]:
        read_records(self)
        return [nodes.container("", table(self.env), classes=["evidence-table", "verdicts"])]


class Findings(SphinxDirective):
    """The claims that the content names, one a line: what the lecture says, the verdict, what was found, and where."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        read_records(self)
        unknown = [name for name in self.content if name not in CLAIMS]
        if unknown:
            raise self.error(f"the lecture has no claim {unknown[0]}; the last is {[*CLAIMS][-1]}")
        return [self._claim(name) for name in self.content]

    def _claim(self, name: str) -> nodes.container:
        statement = self.state.inline_text(CLAIMS[name].statement, self.lineno)[0]
        head = nodes.paragraph("", "", claims.link(self.env, name), nodes.Text(" "), *statement, classes=["claim-statement"])
        found = self.env.app.evidence.verdicts(name)
        said = [self._found(*each) for each in found] or [nodes.paragraph("", "", claims.verdict_badge(claims.UNSEEN))]
        return nodes.container("", head, *said, classes=["finding"])

    def _found(self, record: str, given: dict[str, Any]) -> nodes.paragraph:
        text = self.state.inline_text(given.get("finding") or "", self.lineno)[0]
        way = shown.links(self.env, record, given["figure"])
        return nodes.paragraph(
            "", "", claims.verdict_badge(given["verdict"]), nodes.Text(" "), *text, nodes.Text(" ("), *way, nodes.Text(")")
        )


def read_records(directive: SphinxDirective) -> None:
    """Have the page built again when a record changes."""
    library = directive.env.app.evidence
    for name in library.records:
        directive.env.note_dependency(str(library.results / name / RECORD))


def table(env: Any) -> nodes.table:
    """The verdicts in rows, each with its claims."""
    by = {claim: verdict(env.app.evidence, claim) for claim in CLAIMS}
    count = Counter(by.values())
    return tables.plain(
        ["verdict", "claims", "which"],
        [[name, str(count[name]), _which(env, [c for c in by if by[c] == name])] for name in (*VERDICTS, claims.UNSEEN)],
    )


def _which(env: Any, names: list[str]) -> nodes.inline:
    listed = nodes.inline()
    for name in names:
        listed += [claims.link(env, name), nodes.Text(" ")]
    return listed


def verdict(library: Library, claim: str) -> str:
    """One word for a claim; where chapters disagree it is "mixed"."""
    verdicts = {given["verdict"] for _, given in library.verdicts(claim)}
    return (verdicts.pop() if len(verdicts) == 1 else "mixed") if verdicts else claims.UNSEEN
