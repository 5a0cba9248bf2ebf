"""`{claims}`: every claim of the lecture with its rule, its number, its verdict and the way to its figure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole

from evidence import files, line, shown, wording
from evidence.base import EvidenceDirective
from experiments.records.claims import CLAIMS, Claim

UNSEEN = "not yet examined"
KINDS = {
    "A": "algebra or definition",
    "F": "fact",
    "M": "measured",
    "A/M": "algebra, and measured",
    "F/M": "fact, and measured",
}
KINDS["M/F"] = KINDS["F/M"]


class ClaimsDirective(EvidenceDirective):
    """All claims, by section of the lecture."""

    def run(self) -> list[nodes.Node]:
        self.reads(*self.library.records)
        page: list[nodes.Node] = []
        for section, claims in groupby(CLAIMS.values(), key=lambda claim: claim.section):
            page.append(
                nodes.section("", nodes.title("", section), *map(self._claim, claims), ids=[nodes.make_id(section)])
            )
        return page

    def _claim(self, claim: Claim) -> nodes.container:
        box = nodes.container(classes=["claim"], ids=[anchor(claim.id)])
        found = self.library.verdicts(claim.id)
        head = nodes.paragraph("", "", nodes.strong("", claim.id), nodes.Text(f" {KINDS[claim.kind]} "))
        head += [verdict_badge(given["verdict"]) for _, given in found] or [verdict_badge(UNSEEN)]
        statement = nodes.paragraph("", "", *self.inline(claim.statement))
        head["classes"], statement["classes"] = ["claim-head"], ["claim-statement"]
        box += [head, statement]
        for record, given in found:
            box += self._finding(record, given)
        return box

    def _finding(self, record: str, given: dict[str, Any]) -> Iterator[nodes.Node]:
        """What a chapter found: rule, number, finding, note, and where it is shown."""
        fields = [("Rule", self.inline(given["rule"])), ("Number", [nodes.Text(self._number(record, given["metric"]))])]
        fields += [(name, self.inline(given[key])) for name, key in (("Found", "finding"), ("Note", "note")) if given.get(key)]
        fields.append(("Shown in", shown.links(self.env, record, given["figure"])))
        yield nodes.field_list(
            "", *(nodes.field("", nodes.field_name("", name), nodes.field_body("", nodes.paragraph("", "", *body)))
                  for name, body in fields), classes=["claim-fields"],
        )  # fmt: skip
        yield line.line(self.env, record, self.library.records[record], item=self.library.evidence(record, given))

    def _number(self, record: str, name: str | None) -> str:
        if name is None:
            return "none: the rule is about no single number"
        return f"{name} = {wording.metric(self.library.metric(record, name))}"


class ClaimRole(SphinxRole):
    """`{claim}` with a number such as C04: a link to that claim."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        claim = self.text.strip()
        if claim not in CLAIMS:
            message = f"the lecture has no claim {claim}; the last is {[*CLAIMS][-1]}"
            return [], [self.inliner.reporter.warning(message, line=self.lineno)]
        return [link(self.env, claim)], []


def link(env: BuildEnvironment, claim: str) -> nodes.Node:
    """The number of a claim, linked to it."""
    return files.link(env, claim, f"book/claims.html#{anchor(claim)}", "claim-link")


def anchor(claim: str) -> str:
    """The fragment of a claim on its page."""
    return f"claim-{claim.lower()}"


def verdict_badge(verdict: str) -> nodes.inline:
    """A verdict in its colour; the word says all."""
    return line.badge(verdict, f"verdict-{verdict.replace(' ', '-')}")
