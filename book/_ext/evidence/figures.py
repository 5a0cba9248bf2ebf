"""`{record-figure}`: a figure of a record, with its caption, its words for those who cannot see it, its evidence."""

from __future__ import annotations

import os

from docutils import nodes

from evidence import line, sheets
from evidence.base import RecordDirective


class RecordFigure(RecordDirective):
    """The figure that the argument `<chapter>:<figure>` names; `:name:` makes it a target for `{numref}`."""

    def run(self) -> list[nodes.Node]:
        record, item = self.named("figures")
        if item is None:
            return self.missing(record)
        source = "/" + os.path.relpath(item["path"], self.env.srcdir).replace(os.sep, "/")
        figure = nodes.figure(classes=["evidence-figure"])
        figure += nodes.image(uri=source, alt=item["alt"], classes=["evidence-card"])
        figure += nodes.caption("", "", *self.inline(item["caption"]))
        figure += nodes.legend("", line.line(self.env, record, self.library.records[record], item=item))
        self.label(figure)
        return [figure, *sheets.place(self.env, record, item["path"], item["alt"])]
