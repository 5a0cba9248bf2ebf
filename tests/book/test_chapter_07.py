"""Chapter 7 runs from a plain shell."""

from chapter_run import papermill

from experiments.records import record


def test_a_smoke_run_leaves_the_whole_record(tmp_path):
    done = papermill("07-hunyuan-kandinsky", tmp_path, "-p", "scale", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    left = record.read(tmp_path / "out")
    assert {"C39", "C40", "C41"} == set(left["claims"])
    assert {"hunyuan", "encoders", "chosen", "drawn", "twin", "prior", "stages", "kandinsky", "verdicts"} <= set(left["tables"])
    assert {"kandinsky-training", "kandinsky-stages", "kandinsky-languages", "round-trips", "kandinsky3"} <= set(left["tables"])
    assert {"encoders-figure", "languages", "twin-figure", "stages-figure", "kandinsky-categories", "blends"} <= set(left["figures"])
    assert left["metrics"]["kandinsky-3.0/unet"]["value"] < 11.9e9 / 3 < left["metrics"]["kandinsky-3.0/total"]["value"]
    assert left["metrics"]["twin/mean"]["value"] < 0.2
