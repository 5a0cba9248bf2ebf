"""Shared by all tests: a quiet machine, and a small project of toy chapters to build, break and kill."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads would slow down whatever else runs
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "models"))  # tiny_models, pipelines at tiny widths
TREE = ROOT / "tests" / "fixtures" / "tree"


class Tree:
    """A copy of the toy project with this project's own records code in it."""

    def __init__(self, root: Path):
        self.root = root
        shutil.copytree(TREE, root, dirs_exist_ok=True)
        package = ROOT / "experiments"
        for name in ("artefacts.py", "__init__.py", "__main__.py"):
            shutil.copy(package / name, root / "experiments" / name)
        shutil.copytree(
            package / "records",
            root / "experiments" / "records",
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace `old` by `new` in a file of the tree; both as they stand in the file."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def command(self, *words: str, **options) -> subprocess.CompletedProcess:
        """Run `python -m experiments` in the tree."""
        return subprocess.run(self._line(words), **self._options(), capture_output=True, timeout=300, **options)

    def start(self, *words: str) -> subprocess.Popen:
        """Start `python -m experiments` in the tree, as the head of a process group."""
        return subprocess.Popen(
            self._line(words),
            **self._options(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _line(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "experiments", *words]

    def _options(self) -> dict:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("EXPERIMENTS_")}
        return {"cwd": self.root, "text": True, "env": {**kept, "PYTHONPATH": str(self.root)}}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A fresh toy project: chapters 01-circle (uses toys/circle.py and weights/compass) and 02-square."""
    return Tree(tmp_path / "project")


@pytest.fixture(scope="session")
def _executed(tmp_path_factory) -> Path:
    tree = Tree(tmp_path_factory.mktemp("executed") / "project")
    made = tree.command("build", "--no-pages")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "2 of 2 chapters executed" in made.stdout
    return tree.root


@pytest.fixture
def done(_executed: Path, tmp_path: Path) -> Tree:
    """The toy project with both chapters executed and promoted."""
    shutil.copytree(_executed, tmp_path / "done")
    return Tree(tmp_path / "done")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 1 MiB; skips where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no small file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def read_only():
    """A context in which a folder cannot be written: by a mount for the administrator, by its mode for others."""

    @contextlib.contextmanager
    def holding(folder: Path):
        if os.getuid():
            folder.chmod(0o555)
            yield
            folder.chmod(0o755)
            return
        mount = [["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)]]
        if not shutil.which("mount") or any(subprocess.run(line, capture_output=True).returncode for line in mount):
            pytest.skip("no read-only mount can be made here")
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)

    return holding


@pytest.fixture(scope="session")
def tiny_parts(tmp_path_factory):
    import tiny_models

    return tiny_models.parts(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def stable_diffusion(tiny_parts):
    import tiny_models

    return tiny_models.pipeline("mini-sd1.5", tiny_parts)


@pytest.fixture(scope="session")
def stable_diffusion_3(tiny_parts):
    import tiny_models

    return tiny_models.pipeline("mini-sd3", tiny_parts)


@pytest.fixture(scope="session")
def tiny_family_parts(tmp_path_factory):
    import tiny_family

    return tiny_family.parts(tmp_path_factory.mktemp("family"))
