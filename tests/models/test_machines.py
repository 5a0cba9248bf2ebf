"""Where a released model fits, and the least time of a picture, from counts alone."""

import pytest

from experiments.models import cards, machines
from experiments.models.systems import ROWS

H100 = next(machine for machine in machines.MACHINES if machine.memory == 80)


def test_more_memory_never_fits_less():
    for name in cards.names():
        grades = [machines.GRADES.index(machines.grade(name, machine.memory)) for machine in machines.MACHINES]
        assert grades == sorted(grades, reverse=True)


def test_what_is_known_of_fitting_comes_out():
    """FLUX.1 in bf16 does not fit 24 GB and fits 48; with 4 bits it does; SD1.5 fits 8 GB; FLUX.2 needs more than 80."""
    assert machines.grade("sd-1.5", 8) == machines.FITS
    assert machines.grade("flux.1-dev", 24) == machines.QUANTISED and machines.grade("flux.1-dev", 48) == machines.FITS
    assert machines.grade("flux.2-dev", 80) != machines.FITS and machines.grade("flux.2-dev", 141) == machines.FITS


def test_each_way_of_running_needs_less_than_the_one_before():
    for name in cards.names():
        whole, one, quarter = machines.needs(name).values()
        assert whole > one > quarter > machines.working(name) > 0


def test_the_least_time_is_work_over_peak_where_work_is_the_limit():
    image = cards.gigaflops("flux.1-dev")["image"]
    assert machines.seconds("flux.1-dev", H100) == pytest.approx(image / (H100.peak * 1e3), rel=0.01)
    assert machines.seconds("flux.1-dev", machines.MACHINES[0]) is None
    slow = H100._replace(bandwidth=1.0)
    assert machines.seconds("flux.1-dev", slow) > 28 * cards.gigabytes("flux.1-dev")["transformer"]


def test_cards_and_systems_agree():
    """One licence, one gate, one call: what a system's row says is what its card says."""
    for row in ROWS:
        call, known = cards.card(row.card)["defaults"], cards.access(row.card)
        assert (row.steps, row.resolution) == (call["steps"], call["height"])
        assert row.guidance is None or row.guidance == call["guidance"] or not row.guidance
        assert known.get("gated", row.gated) == row.gated
        assert row.hub in (*cards.hub(row.card), known.get("mirror"))
