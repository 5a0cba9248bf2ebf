"""Content addressing and atomic files."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import artefacts
from experiments.artefacts import StorageError, atomic_folder, atomic_write, file_hash, fingerprint, source_hash, store

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@dataclasses.dataclass
class Recipe:
    name: str
    width: int


@given(PLAIN)
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(value):
    def reordered(thing):
        if isinstance(thing, dict):
            return {key: reordered(thing[key]) for key in reversed(list(thing))}
        return [reordered(item) for item in thing] if isinstance(thing, list) else thing

    assert fingerprint(value) == fingerprint(reordered(value))


def test_a_fingerprint_tells_values_apart():
    different = [1, 1.5, "1", True, None, [1], {"a": 1}, {1}, b"1", Recipe("a", 1), Recipe("a", 2), numpy.array([1.0])]
    assert len({fingerprint(value) for value in different}) == len(different)


def test_a_fingerprint_is_the_same_in_another_process():
    code = "from experiments.artefacts import fingerprint; print(fingerprint({'b', 'a', 'c'}, {'x': 1.5}))"
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=artefacts.ROOT)
    assert other.stdout.strip() == fingerprint({"a", "b", "c"}, {"x": 1.5})


def test_a_value_without_a_stable_form_is_refused():
    with pytest.raises(TypeError, match="object has no stable form"):
        fingerprint(object())


# ---- writing --------------------------------------------------------------------------------------------------------


def test_an_error_while_writing_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("earlier")
    with pytest.raises(ZeroDivisionError), atomic_write(path, "w") as handle:
        handle.write("half")
        raise ZeroDivisionError
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["record.json"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_the_system_refusing_to_write_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, number, words):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=words) as caught, atomic_write(tmp_path / "weights.bin") as handle:
        handle.write(b"x")
    assert "weights.bin" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_really_full_disk_is_one_line_and_keeps_the_earlier_file(small_disk):
    path = small_disk / "render.npy"
    path.write_bytes(b"earlier")
    with pytest.raises(StorageError, match="the disk is full"), atomic_write(path) as handle:
        handle.write(bytes(4 << 20))
    assert path.read_bytes() == b"earlier"
    assert os.listdir(small_disk) == ["render.npy"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "weights"
    with atomic_folder(target) as scratch:
        (scratch / "old").write_text("1")
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as scratch:
        (scratch / "new").write_text("2")
        raise ZeroDivisionError
    assert [p.name for p in target.iterdir()] == ["old"]
    with atomic_folder(target) as scratch:
        (scratch / "new").write_text("2")
        assert [p.name for p in target.iterdir()] == ["old"], "the earlier folder stays until the new one is complete"
    assert [p.name for p in target.iterdir()] == ["new"]
    assert os.listdir(tmp_path) == ["weights"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "results").write_text("in the way")
    with (
        pytest.raises(StorageError, match="a file stands where a folder is needed"),
        atomic_write(tmp_path / "results" / "a"),
    ):
        pass


def test_the_cache_moves_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "elsewhere"))
    assert store("renders", "a.npy") == tmp_path / "elsewhere" / "renders" / "a.npy"
    assert (tmp_path / "elsewhere" / "renders").is_dir()


# ---- hashing files and code -----------------------------------------------------------------------------------------


def test_a_folders_hash_follows_names_and_bytes_and_not_dates(tmp_path):
    (tmp_path / "a").write_text("1")
    before = file_hash(tmp_path)
    os.utime(tmp_path / "a", (1, 1))
    assert file_hash(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert file_hash(tmp_path) != before


def test_a_folders_hash_follows_links_to_shared_parts(tmp_path):
    (tmp_path / "autoencoder").mkdir()
    (tmp_path / "autoencoder" / "weights").write_text("1")
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "vae").symlink_to("../autoencoder")
    before = file_hash(tmp_path / "pipeline")
    (tmp_path / "autoencoder" / "weights").write_text("2")
    assert file_hash(tmp_path / "pipeline") != before


@pytest.fixture
def package(tmp_path) -> Path:
    root = tmp_path / "pack"
    (root / "data").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "data" / "scenes.py").write_text("SIZE = 1\n")
    (root / "data" / "render.py").write_text("from . import scenes\n\ndef draw():\n    return scenes.SIZE\n")
    (root / "train.py").write_text("def go():\n    from pack.data.render import draw\n    return draw()\n")
    (root / "other.py").write_text("X = 1\n")
    return root


def test_a_change_of_an_imported_module_changes_the_hash_however_deep(package):
    before = source_hash("pack.train", package=package)
    (package / "data" / "scenes.py").write_text("SIZE = 2\n")
    assert source_hash("pack.train", package=package) != before


def test_a_change_elsewhere_does_not(package):
    before = source_hash("pack.train", package=package)
    (package / "other.py").write_text("X = 2\n")
    assert source_hash("pack.train", package=package) == before


def test_comments_docstrings_and_blank_lines_do_not_count_but_texts_do(package):
    def hashed(text):
        (package / "other.py").write_text(text)
        return source_hash("pack.other", package=package)

    plain = hashed("def f():\n    return '# no comment'\n")
    assert hashed('# why\n\ndef f():\n    """What."""\n\n    return \'# no comment\'  # because\n') == plain
    assert hashed("def f():\n    return '# another'\n") != plain
    assert hashed('def f():\n    """Only this."""\n') != hashed('def f():\n    """Only that."""\n')


def test_an_unknown_module_is_named(package):
    with pytest.raises(ModuleNotFoundError, match="no module pack.nowhere"):
        source_hash("pack.nowhere", package=package)


def test_every_module_of_the_project_can_be_hashed():
    names = [
        p.relative_to(artefacts.ROOT).with_suffix("").as_posix().replace("/", ".")
        for p in artefacts.PACKAGE.rglob("*.py")
    ]
    modules = [name.removesuffix(".__init__") for name in names]
    assert len(source_hash(*modules)) == 64
