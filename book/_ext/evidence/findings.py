"""`{verdicts}` and `{findings}`: what came out, in short, each word of it from the records."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.environment import BuildEnvironment

from evidence import claims, line, shown, tables
from evidence.base import EvidenceDirective
from evidence.library import Library
from experiments.records.claims import CLAIMS, VERDICTS


class Verdicts(EvidenceDirective):
    """How many claims have which verdict, and which."""

    def run(self) -> list[nodes.Node]:
        self.reads(*self.library.records)
        return [nodes.container("", table(self.env), classes=["evidence-table", "verdicts"])]


class Findings(EvidenceDirective):
    """The claims that the content names, one a line: what the lecture says, the verdict, what was found, and where."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.reads(*self.library.records)
        unknown = [name for name in self.content if name not in CLAIMS]
        if unknown:
            raise self.error(f"the lecture has no claim {unknown[0]}; the last is {[*CLAIMS][-1]}")
        return [self._claim(name) for name in self.content]

    def _claim(self, name: str) -> nodes.container:
        statement = self.inline(CLAIMS[name].statement)
        head = nodes.paragraph("", "", claims.link(self.env, name), nodes.Text(" "), *statement, classes=["claim-statement"])
        box = nodes.container("", head, classes=["finding"])
        for record, given in self.library.verdicts(name):
            box += self._found(record, given)
        if len(box) == 1:
            box += nodes.paragraph("", "", claims.verdict_badge(claims.UNSEEN))
        return box

    def _found(self, record: str, given: dict[str, Any]) -> list[nodes.Node]:
        """Verdict, finding and where it is shown; then what it rests on."""
        badge, text = claims.verdict_badge(given["verdict"]), self.inline(given.get("finding") or "")
        way = shown.links(self.env, record, given["figure"])
        said = nodes.paragraph("", "", badge, nodes.Text(" "), *text, nodes.Text(" ("), *way, nodes.Text(")"))
        return [said, line.line(self.env, record, self.library.records[record], item=self.library.evidence(record, given))]


def table(env: BuildEnvironment) -> nodes.table:
    """The verdicts in rows, each with its claims."""
    having = {name: [c for c in CLAIMS if verdict(env.app.evidence, c) == name] for name in (*VERDICTS, claims.UNSEEN)}
    return tables.plain(
        ["verdict", "claims", "which"], [[name, str(len(them)), _which(env, them)] for name, them in having.items()]
    )


def _which(env: BuildEnvironment, names: list[str]) -> nodes.inline:
    listed = nodes.inline()
    for name in names:
        listed += [claims.link(env, name), nodes.Text(" ")]
    return listed


def verdict(library: Library, claim: str) -> str:
    """One word for a claim; where chapters disagree it is "mixed"."""
    verdicts = {given["verdict"] for _, given in library.verdicts(claim)}
    return (verdicts.pop() if len(verdicts) == 1 else "mixed") if verdicts else claims.UNSEEN
