"""In every chapter a mistyped parameter costs one clear line."""

import pytest
from chapter_run import papermill

from experiments.records.project import Project


@pytest.mark.parametrize(
    "given, said",
    [
        (("scael", "smoke"), "unknown parameter scael; did you mean scale?"),
        (("scale", "huge"), "choose one of smoke, mini, full"),
        (("seed", "abc"), "parameter seed must be a whole number such as 0, not 'abc'"),
    ],
)
@pytest.mark.parametrize("chapter", [chapter.name for chapter in Project().chapters()])
def test_a_wrong_parameter_ends_the_run_with_one_line(chapter, given, said, tmp_path):
    done = papermill(chapter, tmp_path, "-p", *given)
    assert done.returncode != 0
    assert said in done.stderr.strip().splitlines()[-1]
