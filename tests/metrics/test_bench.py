"""The comparison that `make bench` prints: equal answers, both timed."""

from experiments.metrics.bench import fast_fid, line


def test_same_answer_and_both_were_timed():
    row = fast_fid(n=60, dimension=256)
    assert row.difference < 1e-6
    assert row.usual > 0 and row.ours > 0 and row.ratio == row.usual / row.ours
    assert "60 pictures" in line(row) and "times faster" in line(row)
