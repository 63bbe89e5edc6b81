"""Requests that were not recorded: Poisson arrivals with drawn lengths, and batches caught in the middle of serving.

Random numbers are those of :meth:`random.Random.random`, the only stream of Python whose values are promised for a seed in all
versions; everything else is computed from them. Input and output lengths are independent, because only their marginal
distributions are published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from pimsim.errors import InputError, Problem, nearest
from pimsim.schedule.length import DATASETS, Lengths, published_lengths
from pimsim.schedule.request import Request
from pimsim.units import FS_PER_S

MAX_TOKENS = 2048
"""Longest request, input and output together: what NeuPIMs' traces are cut to, and the context of the GPT-3 models."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where lengths come from.

    ``max_tokens``: a longer request is cut: its input to ``max_tokens - 1``, then its output to what is left.
    """

    inputs: Lengths
    outputs: Lengths
    max_tokens: int = MAX_TOKENS

    def draw(self, random: Random) -> tuple[int, int]:
        """Input and output tokens of one request."""
        inputs = min(self.inputs.tokens(_uniform(random)), self.max_tokens - 1)
        return inputs, min(self.outputs.tokens(_uniform(random)), self.max_tokens - inputs)


def source(dataset: str, max_tokens: int = MAX_TOKENS) -> Source:
    """Lengths as those of ``alpaca`` or ``sharegpt``.

    Raises:
        InputError: another data set, or a longest request without room for an input and an output token.
    """
    if dataset not in DATASETS:
        raise InputError(Problem(f"no published lengths of '{dataset}'", nearest(dataset, DATASETS)))
    if max_tokens < 2:
        raise InputError(Problem(f"{max_tokens} tokens are too few for a request", "at least 2: one of input, one of output"))
    return Source(published_lengths(dataset, "input"), published_lengths(dataset, "output"), max_tokens)


def poisson(lengths: Source, requests: int, rate_per_s: float, seed: int) -> tuple[Request, ...]:
    """``requests`` requests whose arrivals are a Poisson process: exponential gaps, rounded to whole femtoseconds.

    Raises:
        InputError: no requests, or a rate that is not above zero.
    """
    if requests < 1 or not 0 < rate_per_s < math.inf:
        raise InputError(Problem(f"{requests} requests at {rate_per_s:g} a second", "at least 1 request, a rate above 0"))
    random = Random(seed)
    arrival = 0
    made = []
    for number in range(requests):
        arrival += round(-math.log(_uniform(random)) / rate_per_s * FS_PER_S)
        made.append(Request(number, arrival, *lengths.draw(random)))
    return tuple(made)


def warm_batch(lengths: Source, requests: int, seed: int) -> tuple[Request, ...]:
    """``requests`` requests as they are found in a server that has long been busy, each about to generate one of its tokens.

    A request is in service for as many iterations as it has output tokens, so one found in service is drawn with a probability
    in proportion to them, and is as likely at any of them (renewal theory: Ross, Introduction to Probability Models, 7.7). What it
    has generated counts as input here: ``input_tokens`` is the context that it attends to, ``output_tokens`` what is still to come.
    """
    random = Random(seed)
    made: list[Request] = []
    while len(made) < requests:
        inputs, outputs = lengths.draw(random)
        if random.random() * lengths.max_tokens < outputs:
            done = int(random.random() * outputs)
            made.append(Request(len(made), 0, inputs + done, outputs - done))
    return tuple(made)


def _uniform(random: Random) -> float:
    """Uniform in the open interval from 0 to 1."""
    value = 0.0
    while value == 0.0:
        value = random.random()
    return value
