"""One thing that `doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Whether it is good, what was found, and the remedy where it is not; `needed` where nothing runs without it."""

    good: bool
    what: str
    remedy: str = ""
    needed: bool = True
