"""One line a step, and on a terminal a line that moves while steps run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def duration(seconds: float) -> str:
    """Seconds as a person says them: "0.4 s", "42 s", "3 min 05 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


class Progress:
    """Numbered lines on `stream`; the moving line appears only where `stream` is a terminal."""

    def __init__(self, total: int, stream: TextIO | None = None):
        self.total = total
        self.stream = stream or sys.stdout
        self._count = 0
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}
        self._live = self.stream.isatty()

    def say(self, text: str) -> None:
        """A line of its own."""
        with self._lock:
            self._clear()
            print(text, file=self.stream, flush=True)

    def done(self, name: str, text: str) -> None:
        """Count a step as done and say how it ended."""
        with self._lock:
            self._count += 1
            self._clear()
            print(f"[{self._count}/{self.total}] {name}: {text}", file=self.stream, flush=True)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Show `name` in the moving line while the block runs."""
        with self._lock:
            self._running[name] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._running.pop(name, None)
                self._clear()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Keep the moving line up to date, once a second, while the block runs."""
        ended = threading.Event()
        thread = threading.Thread(target=self._move, args=(ended,), daemon=True)
        if self._live:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if self._live:
                thread.join()

    def _move(self, ended: threading.Event) -> None:
        while not ended.wait(1):
            with self._lock:
                now = time.monotonic()
                parts = [f"{name} {duration(now - since)}" for name, since in self._running.items()]
                self.stream.write("\r\x1b[K" + "  ".join(parts))
                self.stream.flush()
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._live:
            self.stream.write("\r\x1b[K")
