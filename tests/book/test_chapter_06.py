"""Chapter 6 runs from a plain shell."""

from chapter_run import papermill

from experiments.records import record


def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill("06-flux", tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert {"C35", "C36", "C37", "C38"} == set(left["claims"])
    assert {"paths-table", "mixes", "rotary", "flux2-systems", "flux2-chosen", "flux2-drawn", "releases", "verdicts"} <= set(left["tables"])
    assert {"paths", "weights", "prediction-space", "flux2-places"} <= set(left["figures"])
    assert left["metrics"]["paths/equivalence"]["value"] < 1e-6
    assert abs(left["metrics"]["size/flux.2-dev"]["value"] / 32e9 - 1) < 0.02
