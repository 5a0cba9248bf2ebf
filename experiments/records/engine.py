"""papermill's engine with one check before the kernel starts: the parameters.

Installed as a papermill plug-in (`pyproject.toml`, group `papermill.engine`), it takes the place of the default engine,
so that `papermill book/01-conditioning.ipynb out.ipynb -p scael smoke` ends at once, with one line, instead of a
warning and a run with other parameters than those asked for. Notebooks that do not use `experiments` pass unchanged.

papermill imports this module while it is itself being imported; import `papermill` first to import this one by hand.
"""

from __future__ import annotations

from typing import Any

import click
from papermill.engines import NBClientEngine, papermill_engines

from experiments.records import parameters


class CheckingEngine(NBClientEngine):
    """Executes as papermill does, after the check of what it injected."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        try:
            check(nb)
        except parameters.ParameterError as error:
            if click.get_current_context(silent=True):  # papermill's command line: a message, no traceback
                raise click.ClickException(str(error)) from None
            raise
        return super().execute_notebook(nb, kernel_name, **options)


def check(nb: Any) -> None:
    """Raise `ParameterError` if parameters of `nb` are no literals, or if it holds injected ones it cannot take."""
    if not any("experiments.records" in cell.source for cell in nb.cells if cell.cell_type == "code"):
        return
    declared = {name: value for cell in _tagged(nb, "parameters") for name, value in _read(cell).items()}
    given = {name: value for cell in _tagged(nb, "injected-parameters") for name, value in _read(cell).items()}
    parameters.check(given, declared)


def _tagged(nb: Any, tag: str) -> list[Any]:
    return [cell for cell in nb.cells if cell.cell_type == "code" and tag in cell.metadata.get("tags", [])]


def _read(cell: Any) -> dict[str, Any]:
    return parameters.literals(cell.source)


papermill_engines.register(None, CheckingEngine)  # the name that papermill looks up when no --engine is given
