"""`{metric}` and `{number}`: roles that print a number of a record, so that no page types one."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.util.docutils import SphinxRole

from evidence import files, wording
from evidence.library import RECORD

_TARGET = re.compile(r"(?P<record>[^:\s]+):(?P<metric>.+?)(?:\s+(?P<form>[.,]\d*[a-z%]|d))?")


class NumberRole(SphinxRole):
    """`<chapter>:<metric>`, with a Python format after a space if one is wanted: `09-evaluation:fid/mini-sd3 .1f`."""

    full = False

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        match = _TARGET.fullmatch(self.text.strip())
        if match is None:
            message = f"{self.name}: {self.text!r} does not name a metric; write <chapter>:<metric>"
            return [], [self.inliner.reporter.warning(message, line=self.lineno)]
        record, name, form = match["record"], match["metric"], match["form"] or ""
        library = self.env.app.evidence
        self.env.note_dependency(str(library.results / record / RECORD))
        found = library.metric(record, name)
        if found is None:
            return [nodes.inline("", wording.NOT_MEASURED, classes=["not-measured"])], []
        text = wording.metric(found, form) if self.full else wording.number(found["value"], form)
        return [files.link(self.env, text, files.record_uri(record), "evidence-number")], []


class MetricRole(NumberRole):
    """The same with unit, interval and n."""

    full = True
