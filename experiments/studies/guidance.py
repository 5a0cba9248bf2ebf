"""Studies of guidance on a miniature: the sweep of w, the practitioner's ways, the pair with a classifier, the students.

Each part is one setting, drawn for the same prompts and from the same noise with three seeds (`metrics.guidance_cells`).
"""

from __future__ import annotations

from functools import partial

from experiments.metrics import guidance_draw, guidance_pair, guidance_students
from experiments.metrics.guidance_cells import measure
from experiments.studies.study import Study

MODEL, WEAK, SEEDS, STEPS = "mini-sd1.5", "mini-sd1.4", (0, 1, 2), 8
JUDGES = ("checker", "clip-eval")
SCALES = (1.0, 4.0, 15.0, 0.0, 2.0, 8.0)  # of the sweep, most wanted first
PROMPTS = 56  # of each category: 1008 pictures of each setting
STRONG = 8.0  # of SCALES, the weight at which ways are compared that are to mend what strong guidance spoils
CELLS = "experiments.metrics.guidance_cells"


def _by_way(way: str, *given: float) -> dict:
    *numbers, steps = given
    return measure(partial(guidance_draw.draw, MODEL, way, numbers, steps), PROMPTS, SEEDS)


def _by_pair(who: str, scale: float, steps: int) -> dict:
    draw = {
        "denoiser and classifier": partial(guidance_pair.together, MODEL, scale, True),
        "classifier told no noise": partial(guidance_pair.together, MODEL, scale, False),
        "classifier alone": partial(guidance_pair.alone, MODEL, scale),
    }[who]
    return measure(partial(draw, steps), PROMPTS, SEEDS)


def _by_student(student: str, w: float, steps: int) -> dict:
    return measure(partial(guidance_students.draw, student, w, steps), PROMPTS, SEEDS)


def _by_weaker(w: float, steps: int) -> dict:
    return measure(partial(guidance_draw.weaker, MODEL, WEAK, w, steps), PROMPTS, SEEDS)


def _study(name: str, parts: list, of_part, *made_by: str, needs: tuple[str, ...] = ()) -> Study:
    settings = {"model": MODEL, "per category": PROMPTS, "seeds": SEEDS}
    return Study(name, lambda: parts, of_part, (CELLS, *made_by), (MODEL, *JUDGES, *needs), settings)


SWEEP = _study(
    "guidance-sweep",
    [("classifier-free", w, STEPS) for w in SCALES],
    _by_way,
    "experiments.metrics.guidance_draw",
)
WAYS = _study(
    "guidance-ways",
    [
        ("classifier-free", 4.0, 2),  # four evaluations, as a student of four steps
        ("rescaled", STRONG, 0.7, STEPS),
        ("projected", STRONG, 0.0, STEPS),
        ("interval", STRONG, 0.25, 0.75, STEPS),
        ("negative prompt", 4.0, STEPS),
        ("perturbed attention", 2.0, STEPS),
        ("classifier-free", 4.0, 4),
    ],
    _by_way,
    "experiments.metrics.guidance_draw",
)
PAIR = _study(
    "guidance-pair",
    [
        ("denoiser and classifier", 10.0, STEPS),  # the best of 0, 1, 4, 10, 20 on 40 prompts for tuning
        ("denoiser and classifier", 0.0, STEPS),
        ("classifier alone", 0.05, 40),
        ("classifier told no noise", 10.0, STEPS),
        ("denoiser and classifier", 4.0, STEPS),
    ],
    _by_pair,
    "experiments.metrics.guidance_pair",
    needs=("latent-classifier",),
)
STUDENTS = _study(
    "guidance-students",
    [
        ("mini-sd1.5-guided-4", 4.0, 4),
        ("mini-sd1.5-guided", 4.0, 4),
        ("mini-sd1.5-guided", 4.0, 8),
        ("mini-sd1.5-guided", 1.0, 8),
        ("mini-sd1.5-guided", 8.0, 8),
    ],
    _by_student,
    "experiments.metrics.guidance_students",
    needs=("mini-sd1.5-guided", "mini-sd1.5-guided-4"),
)
AUTO = _study(
    "guidance-auto",
    [("autoguidance", w, STEPS) for w in (2.0, 4.0)],
    lambda way, w, steps: _by_weaker(w, steps),
    "experiments.metrics.guidance_draw",
    needs=(WEAK,),
)
STUDIES = (SWEEP, WAYS, PAIR, STUDENTS, AUTO)
