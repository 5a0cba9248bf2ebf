"""The arm without reflow: what it starts from, what it learns from, and that it leaves the weights that ship alone."""

from experiments.artefacts import write_json
from experiments.models.recipes import RECIPES
from experiments.training import direct


def test_it_is_the_student_s_row_with_the_first_teacher():
    row, student = direct.recipe(), RECIPES["mini-instaflow"]
    assert row.config["start"] == row.config["pairs"]["teacher"] == "mini-sd1.5" in row.needs
    assert row.config["pairs"] == RECIPES["mini-2-rectified-flow"].config["pairs"]
    assert (row.objective, row.rate, row.batch, row.config["times"]) == (student.objective, student.rate, student.batch, (1.0,))


def test_it_learns_beside_the_weights_and_only_once(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    shipped, plans = tmp_path / "weights", []
    for part in direct.PARTS:
        write_json(shipped / part / "training.json", {"recipe": part})

    def on_pairs(recipe, journal, weights):
        assert all((weights / part / "training.json").samefile(shipped / part / "training.json") for part in recipe.needs)
        plans.append(journal.images)
        write_json(weights / recipe.name / "training.json", {})
        return weights / recipe.name

    monkeypatch.setattr(direct.text_to_image, "on_pairs", on_pairs)
    folder = direct.train(640, shipped)
    assert direct.train(640, shipped) == folder and plans == [640]
    assert sorted(p.name for p in shipped.iterdir()) == sorted(direct.PARTS) and shipped not in folder.parents
