"""`Run`: what a chapter calls to say what it was given, what it measured and what follows."""

from __future__ import annotations

import base64
import datetime
import difflib
import math
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.artefacts import atomic_write, storage_errors
from experiments.records import display, environment, parameters, record, weights
from experiments.records.claims import CLAIMS, UNTESTABLE, VERDICTS

_FIELD = re.compile(r"\$[^$]+\$|\{(?P<name>[^{}:]+)(?::(?P<spec>[^{}]*))?\}")  # a formula, or a field to fill
_PARTS = ("value", "low", "high", "n", "unit")


class Run:
    """One execution of a chapter: checks its parameters, times it, and leaves its record, figures and tables.

    Call it in the first cell after the parameters, before heavy imports, so that a mistyped parameter costs a second:

        run = Run("01-conditioning", scale=scale, seed=seed, model=model)

    `parameters` are all names of the parameters cell. What papermill injected beside them, a value of the wrong type or
    an unknown scale raises `ParameterError`, one line that names the nearest valid choice. A text such as "[1, 3]" that
    papermill passed for a list is read as a list, in `run.parameters` and in the notebook's own variable.

    Results go to the folder `EXPERIMENTS_OUT`, or to `_build/out/<name>` under the current folder.
    """

    def __init__(self, name: str, **given: Any):
        self._clock = time.perf_counter()
        self.name = name
        self.parameters = _checked(given)
        self.scale: str = self.parameters.get("scale", "mini")
        self.seed: int = self.parameters.get("seed", 0)
        self.dtype = "float32"
        self.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.folder = Path(os.environ.get("EXPERIMENTS_OUT") or Path("_build", "out", record.slug(name)))
        self.n: int | None = None
        self.models: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, dict[str, Any]] = {}
        self.claims: dict[str, dict[str, Any]] = {}
        self.figures: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.seeds: list[int] = []
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / record.NAME).unlink(missing_ok=True)  # a record must never outlive the run that made it

    @property
    def smoke(self) -> bool:
        """Whether this run only proves that the chapter works."""
        return self.scale == "smoke"

    # ---- what was used ----------------------------------------------------------------------------------------------

    def uses(self, model: str, sha256: str | None = None, revision: str | None = None) -> None:
        """Note a model that the results depend on; hash and training of a shipped miniature are looked up."""
        row = weights.shipped(model) or {
            "name": model, "revision": None, "sha256": None, "undertrained": None, "images_seen": None,
        }  # fmt: skip
        row["sha256"] = sha256 or row["sha256"]
        row["revision"] = revision or row["revision"]
        self.models[model] = row

    # ---- what was measured ------------------------------------------------------------------------------------------

    def metric(
        self,
        name: str,
        value: float | None,
        low: float | None = None,
        high: float | None = None,
        n: int | None = None,
        unit: str | None = None,
        seeds: Sequence[int] = (),
        interval: str | None = None,
    ) -> float | None:
        """Record a number with its interval, sample size and unit; returns it. None or NaN is "not measured"."""
        self.metrics[name] = {
            "value": _number(value),
            "low": _number(low),
            "high": _number(high),
            "n": None if n is None else int(n),
            "unit": unit,
            "interval": interval,
            "seeds": [int(seed) for seed in seeds],
        }
        self.seeds = sorted({*self.seeds, *self.metrics[name]["seeds"]})
        if n is not None:
            self.n = max(self.n or 0, int(n))
        return self.metrics[name]["value"]

    def interval(self, name: str, spec: str = ".2f") -> str:
        """The recorded metric `name` as "0.83 [0.79, 0.87]"."""
        metric = self._metric(name)
        text = display.cell(metric["value"], spec)
        if metric["low"] is None or metric["high"] is None:
            return text
        return f"{text} [{display.cell(metric['low'], spec)}, {display.cell(metric['high'], spec)}]"

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def figure(self, figure: Any, name: str, caption: str, alt: str, models: Sequence[str] | None = None) -> None:
        """Save a matplotlib figure beside the record and show it; `alt` says in words what it shows.

        `models` are those that this figure rests on, all that the run used without it; they need no call of `uses`.
        """
        _required(caption=caption, alt=alt)
        file = record.slug(name) + ".png"
        png = display.save_figure(figure, self.folder / file, self.smoke, alt)
        self.figures[name] = {"file": file, "caption": caption, "alt": alt} | self._rests_on(models)
        display.show(
            {"image/png": base64.b64encode(png).decode(), "text/plain": alt},
            {"record": self.name, "figure": name, "caption": caption, "alt": alt},
            {"image/png": {"alt": alt}},
        )

    def table(
        self, frame: Any, name: str, caption: str, formats: dict[str, str] | None = None, index: bool = True,
        models: Sequence[str] | None = None,
    ) -> None:
        """Save a pandas frame as CSV beside the record and show it; a missing value reads "not measured".

        `formats` gives a format by column, such as {"FID": ".1f"}; the CSV keeps full precision. `models` as in `figure`.
        """
        _required(caption=caption)
        texts = display.formatted(frame, formats)
        file = record.slug(name) + ".csv"
        with atomic_write(self.folder / file, "w") as handle:
            frame.to_csv(handle, index=index, na_rep=display.NOT_MEASURED)
        self.tables[name] = {"file": file, "caption": caption} | self._rests_on(models)
        display.show(
            {
                "text/html": display.table_html(texts, caption, index),
                "text/markdown": display.table_markdown(texts, index),
                "text/plain": texts.to_string(index=index),
            },
            {"record": self.name, "table": name, "caption": caption},
        )

    def _rests_on(self, models: Sequence[str] | None) -> dict[str, list[str]]:
        """What an item keeps of the models that it rests on: nothing where none were named, since it may rest on all.

        Those that no one noted yet, such as what a study needs, are noted; not at `full`, which shows no miniature's study.
        """
        if models is None:
            return {}
        for model in models:
            if model not in self.models and self.scale != "full":
                self.uses(model)
        return {"models": [*dict.fromkeys(models)]}

    def say(self, text: str) -> str:
        """Show Markdown whose numbers come from the record, and return it.

        {fid/mini-sd3:.1f} is that metric's value; {fid/mini-sd3.low:.1f}, .high, .n and .unit are its other parts;
        {seed} and {scale} are parameters. Formulas between dollar signs are left alone. Raises `KeyError` with the
        nearest name for one that was not recorded.
        """
        written = self._written(text)
        _show(written)
        return written

    def _written(self, text: str) -> str:
        return _FIELD.sub(lambda m: self._field(m["name"].strip(), m["spec"]) if m["name"] else m[0], text)

    def _field(self, name: str, spec: str | None) -> str:
        if name in self.parameters and name not in self.metrics:
            value = self.parameters[name]
            return format(value, spec) if spec else str(value)
        stem, _, part = name.rpartition(".")
        if name not in self.metrics and part in _PARTS and stem in self.metrics:
            return display.cell(self.metrics[stem][part], spec)
        return display.cell(self._metric(name)["value"], spec)

    def _metric(self, name: str) -> dict[str, Any]:
        if name not in self.metrics:
            close = difflib.get_close_matches(name, [*self.metrics, *self.parameters], n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise KeyError(f"nothing was recorded as {name}{hint}")
        return self.metrics[name]

    # ---- what follows -----------------------------------------------------------------------------------------------

    def claim(
        self,
        claim: str,
        rule: str,
        verdict: str,
        metric: str | None = None,
        figure: str | None = None,
        note: str | None = None,
        models: Sequence[str] | None = None,
    ) -> str:
        """Record the verdict that `rule`, stated before the number was seen, gives on a claim of the lecture.

        `metric` and `figure` (or a table) are the evidence, by name. `models` are those that the verdict rests on, without
        it those that the figure or table rests on. A smoke run cannot examine a claim, so there the
        verdict is "not testable here". Returns the verdict that was recorded.
        """
        if claim not in CLAIMS:
            close = difflib.get_close_matches(claim, CLAIMS, n=1, cutoff=0.3)
            raise KeyError(
                f"no claim {claim}; the nearest is {close[0] if close else 'C01'}, the last is {[*CLAIMS][-1]}"
            )
        if verdict not in VERDICTS:
            raise ValueError(f"{verdict!r} is no verdict; choose one of {', '.join(VERDICTS)}")
        _required(rule=rule)
        if self.smoke:
            verdict, note = UNTESTABLE, "a smoke run only proves that the chapter works"
        statement = CLAIMS[claim].statement
        self.claims[claim] = {
            "rule": rule, "verdict": verdict, "metric": metric, "figure": figure, "statement": statement, "note": note,
            **self._rests_on(models),
        }  # fmt: skip
        return verdict

    def conclude(self, claim: str, finding: str) -> str:
        """Show what was found for a claim beside its verdict, and keep it for the pages that gather; numbers as in `say`.

        Raises `KeyError` for a claim that has no verdict yet.
        """
        if claim not in self.claims:
            raise KeyError(f"no verdict was recorded for {claim}; call `claim` before `conclude`")
        given = self.claims[claim]
        given["finding"] = self._written(finding)
        _show(f"**{claim}: {given['verdict']}.** {given['finding']}")
        return given["finding"]

    def close(self) -> Path:
        """Write the record beside the figures, checked and atomically, and return its path."""
        facts = environment.facts()
        return record.write(
            {
                "schema": record.SCHEMA,
                "name": self.name,
                "scale": self.scale,
                "parameters": self.parameters,
                "models": list(self.models.values()),
                "seeds": self.seeds or [self.seed],
                "n": self.n,
                **facts,
                "dtype": self.dtype,
                "started": self.started,
                "wall_seconds": round(time.perf_counter() - self._clock, 3),
                "metrics": self.metrics,
                "claims": self.claims,
                "figures": self.figures,
                "tables": self.tables,
            },
            self.folder,
        )


def _show(markdown: str) -> None:
    display.show({"text/markdown": markdown, "text/plain": markdown}, {"say": True})


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """`given` with types put right, after a check of what papermill injected against the parameters cell before it."""
    shell = _shell()
    cells = shell.user_ns.get("In", []) if shell else []
    injected = parameters.injected(cells)
    defaults = {**given, **parameters.declared(cells)}
    parameters.check(injected, defaults)
    values = parameters.check(given, defaults)
    if shell:
        shell.user_ns.update({key: values[key] for key in injected if key in values})
    return values


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _number(value: Any) -> float | None:
    """A plain float of a Python, numpy or torch number; None for a missing one."""
    if value is None or math.isnan(float(value)):
        return None
    return float(value)


def _required(**texts: str) -> None:
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name} must say something in words")
