"""Data flows one way: a folder of `experiments/` imports only folders that stand above it, and nothing imports the book."""

import ast

import pytest

from experiments.artefacts import ROOT, imports

ORDER = ("data", "models", "sampling", "training", "adapters", "metrics", "studies", "records")
SHARED = {"experiments", "experiments.artefacts"}
FILES = sorted((ROOT / "experiments").rglob("*.py"))


def name_of(file) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def below(file) -> list[str]:
    """Imports of a file that go against the order, or to a folder that has no place in it."""
    layer = file.relative_to(ROOT / "experiments").parts[0]
    allowed = ORDER[: ORDER.index(layer) + 1]
    found = imports(file.read_text(encoding="utf-8"), module=name_of(file)) - SHARED
    return sorted(name for name in found if name.split(".")[1] not in allowed)


@pytest.mark.parametrize("file", [f for f in FILES if f.parent != ROOT / "experiments"], ids=lambda f: str(f.relative_to(ROOT)))
def test_a_folder_imports_only_folders_above_it(file):
    assert below(file) == []


def test_artefacts_imports_no_folder():
    assert imports((ROOT / "experiments/artefacts.py").read_text(encoding="utf-8")) <= SHARED


def test_every_folder_has_its_place_in_the_order():
    folders = {f.relative_to(ROOT / "experiments").parts[0] for f in FILES if f.parent != ROOT / "experiments"}
    assert folders <= set(ORDER)


def test_nothing_imports_the_book():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(n.split(".")[0] in ("book", "evidence", "tests") for n in names), name_of(file)


def test_an_import_against_the_order_would_be_seen(tmp_path):
    """The check itself, on text that breaks the rule in each way that Python allows."""
    for line in ("from experiments.metrics import frechet", "import experiments.metrics.frechet", "def f():\n    from experiments.metrics.frechet import fid"):
        found = imports(line, module="experiments.data.render") - SHARED
        assert any(name.split(".")[1] == "metrics" for name in found)
