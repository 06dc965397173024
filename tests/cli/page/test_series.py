"""Counts over ranges that are not known in advance."""

import random
from itertools import pairwise

import pytest

from ocppj.cli.page.series import LINE_WIDTHS, MAX_BUCKETS, TIME_WIDTHS, Latencies, Series


@pytest.mark.parametrize("widths", [TIME_WIDTHS, LINE_WIDTHS])
def test_each_width_is_a_multiple_of_the_previous_one(widths: tuple[int, ...]) -> None:
    assert all(wide % narrow == 0 for narrow, wide in pairwise(widths))


@pytest.mark.parametrize("span", [0, 10, 1000, 10**5, 10**7, 10**10])
def test_a_series_is_bounded_and_loses_nothing(span: int) -> None:
    noise = random.Random(span)
    series = Series(TIME_WIDTHS, 2)
    values = [(noise.uniform(0, span) + 1e9, noise.randrange(2)) for _ in range(2000)]
    for value, kind in values:
        series.add(value, kind)
    rows = series.rows()
    assert len(rows) <= MAX_BUCKETS
    assert series.count == 2000
    starts = [start for start, _ in rows]
    assert starts == list(range(starts[0], starts[-1] + 1, series.width))
    assert series.span == (starts[0], starts[-1] + series.width)
    for start, counts in rows:
        inside = [kind for value, kind in values if start <= value < start + series.width]
        assert counts == [inside.count(0), inside.count(1)]


def test_an_empty_series_has_no_rows() -> None:
    assert Series(LINE_WIDTHS, 3).rows() == []


def test_quantiles_are_close() -> None:
    noise = random.Random(1)
    values = sorted(noise.lognormvariate(-2, 1) for _ in range(5000))
    parts = [Latencies(), Latencies()]
    for number, value in enumerate(values):
        parts[number % 2].add(value)
    total = Latencies.total(parts)
    assert (total.count, total.maximum) == (5000, values[-1])
    assert sum(count for *_, count in total.rows()) == 5000
    for share in (0.01, 0.5, 0.95, 0.99):
        exact = values[int(share * 5000) - 1]
        assert exact <= total.quantile(share) <= exact * 1.13
    assert total.quantile(1.0) == values[-1]


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e12])
def test_extreme_latencies_are_bounded(seconds: float) -> None:
    latencies = Latencies()
    latencies.add(seconds)
    latencies.add(1.0)
    assert len(list(latencies.rows())) < 250
    assert latencies.quantile(1.0) == max(seconds, 1.0)
