"""The process that executes one chapter: `python -m experiments.records.runner SOURCE TARGET PARAMETERS-AS-JSON`.

It dies with the build that started it, and the kernel dies with it (ipykernel watches its parent).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent ends; elsewhere the build's own clean-up has to do."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the request
        os._exit(1)


def main(source: str, target: str, given: str, parent: str) -> int:
    """Execute `source` into `target`; 0 when papermill says so, which the gate does not rely on."""
    die_with_parent(int(parent))
    import papermill

    try:
        papermill.execute_notebook(
            source, target, parameters=json.loads(given), progress_bar=False, start_timeout=300, kernel_name="python3"
        )
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        sys.stderr.write(f"{type(error).__name__}: {lines[-1]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
