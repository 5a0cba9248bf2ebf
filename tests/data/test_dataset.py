"""Rendered scenes on disk: drawn once, the same bytes whoever draws them, and never half a file."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from experiments.artefacts import ROOT
from experiments.data import dataset
from experiments.data.render import render
from experiments.data.scenes import sample_scene

SMALL = textwrap.dedent(
    """
    from experiments.data import dataset
    dataset.CHUNK, dataset.BATCH = 8, 4
    """
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and chunks of 8 pictures."""
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path))
    monkeypatch.setattr(dataset, "CHUNK", 8)
    monkeypatch.setattr(dataset, "BATCH", 4)
    return tmp_path


def files(cache):
    return sorted(p for p in cache.rglob("*") if p.is_file())


def test_pictures_are_those_of_the_renderer(cache):
    drawn = dataset.images("test", 3, 21)
    assert drawn.dtype == np.uint8 and drawn.shape == (18, 3, 64, 64)
    for at in (0, 7, 17):
        alone = render([sample_scene(3 + at, 0, "test")]).image[0].numpy().astype(int)
        assert (np.abs(drawn[at] - alone) > 1).mean() < 1e-3
    assert dataset.scenes("test", 3, 5) == [sample_scene(3, 0, "test"), sample_scene(4, 0, "test")]


def test_any_range_is_a_piece_of_the_whole(cache):
    whole = np.array(dataset.images("validation", 0, 24))
    for start, stop in [(0, 8), (8, 16), (7, 9), (23, 24), (5, 6), (1, 23)]:
        assert np.array_equal(dataset.images("validation", start, stop), whole[start:stop])


def test_a_second_call_draws_nothing_and_maps_the_file(cache, monkeypatch):
    first = dataset.images("train", 0, 8)
    monkeypatch.setattr(dataset, "_draw", lambda *a: pytest.fail("drawn again"))
    again = dataset.images("train", 2, 6)
    assert isinstance(again, np.memmap) and np.array_equal(again, first[2:6])
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0


def test_splits_and_seeds_have_files_of_their_own(cache):
    pictures = [dataset.images("train", 0, 4), dataset.images("test", 0, 4), dataset.images("train", 0, 4, seed=1)]
    assert len(files(cache)) == 3
    assert all(not np.array_equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])


def test_a_change_of_the_renderer_draws_anew(cache, monkeypatch):
    dataset.images("train", 0, 4)
    monkeypatch.setattr(dataset, "source_hash", lambda name: "another" * 8)
    dataset.images("train", 0, 4)
    assert len(files(cache)) == 2


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 3), (-1, 4), (-3, -1)])
def test_an_empty_range_is_an_error_that_names_it(cache, start, stop):
    with pytest.raises(ValueError, match=f"{start} to {stop}"):
        dataset.images("train", start, stop)
    assert not files(cache)


def test_an_unknown_split_is_an_error_and_leaves_nothing(cache):
    with pytest.raises(ValueError, match="train, validation, test, withheld"):
        dataset.images("training", 0, 4)
    assert not files(cache)


def test_a_failure_while_drawing_leaves_no_file(cache, monkeypatch):
    def failing(*arguments):
        yield np.zeros((4, 3, 64, 64), np.uint8)
        raise MemoryError("no room")

    monkeypatch.setattr(dataset, "_draw", failing)
    with pytest.raises(MemoryError):
        dataset.images("train", 0, 8)
    assert not files(cache)


def script(folder, body: str) -> list[str]:
    """A command that runs `body` with small chunks; the definitions hold in spawned workers too."""
    file = folder / "draw.py"
    file.write_text(SMALL + textwrap.dedent(body), encoding="utf-8")
    return [sys.executable, str(file)]


def environment(cache) -> dict:
    return {**os.environ, "EXPERIMENTS_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_two_workers_leave_the_same_bytes_as_one(cache, tmp_path_factory):
    other = tmp_path_factory.mktemp("workers")
    body = """
        if __name__ == "__main__":
            dataset.images("train", 0, 24, workers=2)
    """
    subprocess.run(script(other, body), env=environment(other / "cache"), check=True, timeout=120)
    dataset.images("train", 0, 24)
    here, there = files(cache), files(other / "cache")
    assert [p.name for p in here] == [p.name for p in there] and len(here) == 3
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(here, there))


def test_a_killed_writer_leaves_nothing_that_is_read(cache, tmp_path_factory):
    """Killed while its file is half written: the next run draws that chunk again and gets the right pictures."""
    body = """
        import time
        import numpy as np
        def slow(file, array):
            file.write(b"half a file" * 100)
            file.flush()
            print("writing", flush=True)
            time.sleep(60)
        np.save = slow
        dataset.images("train", 0, 8)
    """
    command = script(tmp_path_factory.mktemp("killed"), body)
    writer = subprocess.Popen(command, env=environment(cache), stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "writing\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    left = files(cache)
    assert left and all(p.name.startswith(".") and p.name.endswith(".tmp") for p in left)
    drawn = dataset.images("train", 0, 8)
    assert (np.abs(drawn[5].astype(int) - render([sample_scene(5)]).image[0].numpy()) > 1).mean() < 1e-3
