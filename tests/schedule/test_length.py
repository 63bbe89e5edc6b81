"""Length distributions against the published figures they are fitted to."""

import math
from statistics import NormalDist

import pytest

from pimsim.errors import InputError
from pimsim.schedule.length import PUBLISHED, Lengths, Published, fit, published_lengths

SETS = list(PUBLISHED)


@pytest.mark.parametrize("name", SETS)
def test_median_and_percentiles_are_the_published_ones(name: tuple[str, str]) -> None:
    lengths, published = published_lengths(*name), PUBLISHED[name]
    assert [lengths.tokens(p) for p in (0.5, 0.9, 0.99)] == [published.median, published.p90, published.p99]


@pytest.mark.parametrize("name", SETS)
def test_the_mean_before_rounding_is_the_published_one(name: tuple[str, str]) -> None:
    assert published_lengths(*name).mean == pytest.approx(PUBLISHED[name].mean, rel=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_the_mean_formula_is_the_integral_of_the_quantiles(name: tuple[str, str]) -> None:
    lengths, normal = published_lengths(*name), NormalDist()
    grid = [(i + 0.5) / 500 for i in range(-4000, 4000)]
    integral = math.fsum(lengths.at(normal.cdf(z)) * normal.pdf(z) / 500 for z in grid if 1e-15 < normal.cdf(z) < 1 - 1e-15)
    assert integral == pytest.approx(lengths.mean, rel=1e-3)


@pytest.mark.parametrize("name", SETS)
def test_rounding_to_whole_tokens_moves_the_mean_by_less_than_one_percent(name: tuple[str, str]) -> None:
    lengths, n = published_lengths(*name), 20_000
    drawn = [lengths.tokens((i + 0.5) / n) for i in range(n)]
    exact = [lengths.at((i + 0.5) / n) for i in range(n)]
    assert sum(drawn) == pytest.approx(math.fsum(exact), rel=0.01)


@pytest.mark.parametrize("name", SETS)
def test_lengths_never_fall_as_the_probability_rises(name: tuple[str, str]) -> None:
    lengths = published_lengths(*name)
    drawn = [lengths.at(i / 1000) for i in range(1, 1000)]
    assert drawn == sorted(drawn)


def test_a_lognormal_is_found_again() -> None:
    normal, median, sigma = NormalDist(), 100.0, 0.7
    p90, p99 = (median * math.exp(sigma * normal.inv_cdf(p)) for p in (0.9, 0.99))
    found = fit(Published(median * math.exp(sigma**2 / 2), median, p90, p99))
    assert [found.low, found.body, found.upper, found.tail] == pytest.approx([sigma] * 4, rel=1e-4)


@pytest.mark.parametrize(("name", "slopes"), [
    (("alpaca", "input"), (0.2345, 0.3397, 0.4428, 0.4549)),
    (("alpaca", "output"), (0.9218, 0.8701, 0.6790, 0.6726)),
    (("sharegpt", "input"), (1.5431, 1.5118, 2.2719, 1.7368)),
    (("sharegpt", "output"), (0.9589, 0.6177, 0.4889, 0.4763)),
])
def test_the_slopes_are_those_of_the_documentation(name: tuple[str, str], slopes: tuple[float, ...]) -> None:
    found = published_lengths(*name)
    assert (found.low, found.body, found.upper, found.tail) == pytest.approx(slopes, abs=5e-5)


@pytest.mark.parametrize("name", SETS)
def test_no_other_outer_slopes_bend_less(name: tuple[str, str]) -> None:
    found = published_lengths(*name)

    def mean(low: float, tail: float) -> float:
        return Lengths(found.median, found.p90, found.p99, low, found.body, found.upper, tail).mean

    def bend(low: float, tail: float) -> float:
        return math.log(low / found.body) ** 2 + math.log(tail / found.upper) ** 2

    step = 1e-3
    dmean_low = (mean(found.low + step, found.tail) - mean(found.low - step, found.tail)) / (2 * step)
    dmean_tail = (mean(found.low, found.tail + step) - mean(found.low, found.tail - step)) / (2 * step)
    for move in (-0.002, 0.002):
        low, tail = found.low + move, found.tail - move * dmean_low / dmean_tail
        assert bend(low, tail) > bend(found.low, found.tail)


def test_a_request_has_at_least_one_token() -> None:
    assert published_lengths("sharegpt", "input").tokens(1e-9) == 1


@pytest.mark.parametrize("published", [Published(10, 20, 15, 30), Published(1, 100, 200, 300), Published(10, 0, 15, 30)])
def test_figures_that_contradict_one_another_are_refused(published: Published) -> None:
    with pytest.raises(InputError):
        fit(published)
