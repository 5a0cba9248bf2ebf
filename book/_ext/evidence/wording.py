"""How numbers of a record read on a page; whatever is missing reads "not measured"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NOT_MEASURED = "not measured"


def number(value: float | int | None, form: str = "") -> str:
    """`value` in the Python format `form`; without one, three significant digits, with no exponent if possible."""
    if value is None:
        return NOT_MEASURED
    if form:
        return format(value, form)
    if isinstance(value, int) or float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.2g}"


def metric(found: dict[str, Any] | None, form: str = "") -> str:
    """A metric with its unit, interval and n: "0.93 share (0.91 to 0.95, 95% over 3 seeds, n = 600)"."""
    if found is None:
        return NOT_MEASURED
    form = form or _common(found)
    unit = found.get("unit")
    head = f"{number(found['value'], form)} {unit}" if unit else number(found["value"], form)
    parts = [_range(found, form), found.get("interval") if _range(found, form) else None, _count(found.get("n"))]
    said = ", ".join(part for part in parts if part)
    return f"{head} ({said})" if said else head


def score(found: Any) -> str:
    """A score of a training record with its interval: "0.42 (0.40 to 0.44)"."""
    if not isinstance(found, dict):
        return NOT_MEASURED if found is None else number(found, ".2f")
    if found.get("value") is None:
        return NOT_MEASURED
    ends = f" ({found['low']:.2f} to {found['high']:.2f})" if found.get("low") is not None else ""
    return f"{found['value']:.2f}{ends}"


def duration(seconds: float | None) -> str:
    """Seconds as "0.42 s", "41 s", "3 min 12 s" or "2 h 05 min"."""
    if seconds is None:
        return NOT_MEASURED
    if seconds < 10:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def memory(mib: float | None) -> str:
    """MiB as "812 MiB" or "3.1 GiB"."""
    if mib is None:
        return NOT_MEASURED
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"


def commit(record: dict[str, Any]) -> str:
    """The commit's first seven letters, and whether the tree had changes that no commit holds."""
    short = (record.get("commit") or "")[:7]
    if not short:
        return "no commit"
    return f"commit {short} with local changes" if record.get("dirty") else f"commit {short}"


def seeds(given: Sequence[int]) -> str:
    """Seeds by name, or their number where there are many."""
    if not given:
        return "seeds not recorded"
    if len(given) == 1:
        return f"seed {given[0]}"
    return f"{len(given)} seeds" if len(given) > 5 else f"seeds {', '.join(map(str, given))}"


def count(record: dict[str, Any]) -> str:
    """How many pictures, prompts or words the numbers of a record rest on: one n, or the largest of several."""
    sizes = {each["n"] for each in record.get("metrics", {}).values() if each.get("n") is not None}
    n = record.get("n")
    if n is None:
        return f"n {NOT_MEASURED}"
    return f"n = {n:,}" if len(sizes) <= 1 else f"n up to {n:,}"


def _common(found: dict[str, Any]) -> str:
    """One format for a value and its ends, so that they have the same number of decimals."""
    ends = [found.get(key) for key in ("low", "high")]
    if None in ends or all(isinstance(x, int) for x in [found["value"], *ends]):
        return ""
    largest = max(abs(x) for x in [found["value"], *ends])
    return ".0f" if largest >= 1000 else ".1f" if largest >= 100 else ".2f" if largest > 1 else ".3f"


def _range(found: dict[str, Any], form: str) -> str | None:
    if found.get("low") is None or found.get("high") is None:
        return None
    return f"{number(found['low'], form)} to {number(found['high'], form)}"


def _count(n: int | None) -> str | None:
    return None if n is None else f"n = {n:,}"
