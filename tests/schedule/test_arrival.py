"""Drawn requests: a Poisson process, lengths as published, batches in the middle of serving."""

import math

import pytest

from pimsim.errors import InputError
from pimsim.schedule.arrival import Source, poisson, source, warm_batch
from pimsim.schedule.length import Published, fit
from pimsim.units import FS_PER_S


def test_a_seed_always_gives_the_same_requests() -> None:
    lengths = source("alpaca")
    assert poisson(lengths, 50, 10.0, seed=3) == poisson(lengths, 50, 10.0, seed=3)
    assert poisson(lengths, 50, 10.0, seed=3) != poisson(lengths, 50, 10.0, seed=4)


def test_the_stream_of_a_seed_does_not_change_between_versions() -> None:
    first = poisson(source("sharegpt"), 3, 100.0, seed=1)
    assert [(r.input_tokens, r.output_tokens) for r in first] == [(80, 407), (17, 231), (57, 74)]


def test_gaps_are_exponential() -> None:
    n, rate = 4000, 50.0
    arrivals = [0, *(r.arrival_fs for r in poisson(source("alpaca"), n, rate, seed=5))]
    gaps = sorted((b - a) / FS_PER_S for a, b in zip(arrivals, arrivals[1:], strict=False))
    distance = max(abs((i + 0.5) / n - (1 - math.exp(-rate * gap))) for i, gap in enumerate(gaps))
    assert distance < 1.63 / math.sqrt(n)  # Kolmogorov-Smirnov, 1 %


def test_arrivals_never_go_back() -> None:
    arrivals = [r.arrival_fs for r in poisson(source("alpaca"), 500, 1e6, seed=2)]
    assert arrivals == sorted(arrivals)


@pytest.mark.parametrize(("dataset", "field", "median"), [
    ("alpaca", "input_tokens", 11), ("alpaca", "output_tokens", 40), ("sharegpt", "input_tokens", 17),
    ("sharegpt", "output_tokens", 261)])  # fmt: skip
def test_half_of_the_drawn_lengths_are_below_the_median(dataset: str, field: str, median: int) -> None:
    n = 4000
    drawn = [getattr(r, field) for r in poisson(source(dataset), n, 1.0, seed=11)]
    below = (sum(x < median for x in drawn) + sum(x <= median for x in drawn)) / 2
    # the rounding puts a few percent on the median itself; 4 standard deviations of a binomial on top
    assert abs(below / n - 0.5) < 4 * 0.5 / math.sqrt(n)


def test_long_requests_are_cut_to_the_longest_allowed() -> None:
    drawn = poisson(source("sharegpt", max_tokens=64), 400, 1.0, seed=1)
    assert max(r.input_tokens + r.output_tokens for r in drawn) == 64
    assert min(min(r.input_tokens, r.output_tokens) for r in drawn) == 1


def test_a_warm_batch_is_caught_at_any_token_of_longer_requests_more_often() -> None:
    """Outputs of 10 or 90 tokens, equally often: in service, 90 % have 90, and half of it is done on average."""
    class Two(Source):
        def draw(self, random):  # type: ignore[no-untyped-def]
            return 1, 10 if random.random() < 0.5 else 90

    any_length = fit(Published(12.1, 11, 17, 27))
    n = 4000
    batch = warm_batch(Two(any_length, any_length, 100), n, seed=1)
    outputs = [r.input_tokens - 1 + r.output_tokens for r in batch]
    assert abs(outputs.count(90) / n - 0.9) < 4 * 0.3 / math.sqrt(n)
    done = [(r.input_tokens - 1) / 89 for r in batch if r.input_tokens - 1 + r.output_tokens == 90]
    assert abs(sum(done) / len(done) - 0.5) < 4 * 0.29 / math.sqrt(n)


def test_a_warm_batch_has_the_mean_context_of_the_published_traces_within_ten_percent() -> None:
    """NeuPIMs' ShareGPT traces of 512 requests have a mean context of 286 to 326; they were not fitted to."""
    means = [sum(r.input_tokens for r in warm_batch(source("sharegpt"), 512, seed)) / 512 for seed in range(4)]
    assert 286 * 0.9 < sum(means) / 4 < 326


@pytest.mark.parametrize(("requests", "rate"), [(0, 1.0), (1, 0.0), (1, math.inf), (1, -1.0)])
def test_no_requests_or_no_rate_are_refused(requests: int, rate: float) -> None:
    with pytest.raises(InputError):
        poisson(source("alpaca"), requests, rate, seed=0)


def test_an_unknown_data_set_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'sharegpt'"):
        source("sharegp")


def test_a_longest_request_of_one_token_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        source("alpaca", max_tokens=1)
