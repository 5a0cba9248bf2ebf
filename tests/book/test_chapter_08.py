"""Chapter 8 runs from a plain shell."""

import pytest
from chapter_run import papermill

from experiments.records import record


def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill("08-instaflow", tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert set(left["claims"]) == {"C42"}
    assert {"closed-forms", "plane-arms-table", "one-step", "pairs-guidance", "costs", "roads", "expectations", "quality", "taught", "directions", "published", "verdicts"} <= set(left["tables"])
    assert {"plane-arms", "stages"} <= set(left["figures"])
    found = {name: metric["value"] for name, metric in left["metrics"].items()}
    for arm in ("1-rectified flow, one step, from the mean", "2-rectified flow, one step, from T(z)", "rectified diffusion, one step, from T(z)"):
        assert found[f"Gaussian/{arm}"] < 1e-9
    assert found["Gaussian/rectified diffusion, straightness, straightened"] < 1e-9 < 0.05 < found["Gaussian/rectified diffusion, straightness, own"]
    assert found["Gaussian/cost of the pairs above the cheapest pairing"] == pytest.approx(0, abs=1e-9)
    assert abs(found["release/unet"]) < 0.01 and abs(found["release/text_encoder"]) < 0.01
