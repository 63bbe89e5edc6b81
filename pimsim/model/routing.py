"""Which experts the tokens of a step go to, by a distribution or by a recorded trace.

Routing decides the traffic of a mixture of experts at small batch: an expert's weights are read once however many
tokens chose it, so what counts is how many different experts a layer activates. At batch 1 that is always
``experts_per_token``; in larger batches it follows from the distribution:

* ``balanced``: tokens take experts in turn, the same on all layers: as many different experts as there can be;
* ``uniform``: each token draws its experts with equal chances;
* ``zipf:S``: expert i is drawn with weight 1 / (i + 1)^S in a ranking drawn anew for each layer: popular experts;
* a file: CSV with the columns step, layer, expert, tokens.

``auto`` is balanced at batch 1, where all are equal in traffic and this one repeats over layers, uniform otherwise.
Draws depend on (seed, step, layer) alone, so a step can be built in any order.
"""

from __future__ import annotations

import csv
import math
import random
from abc import ABC, abstractmethod
from bisect import bisect
from collections import Counter
from itertools import accumulate
from pathlib import Path

from pimsim.errors import InputError, Problem, nearest

Loads = tuple[tuple[int, int], ...]
"""(expert, tokens) of each active expert, by expert."""
NAMES = ("auto", "balanced", "uniform", "zipf:S")


class Routing(ABC):
    """Chooses experts for ``experts`` experts, ``chosen`` of them a token."""

    def __init__(self, experts: int, chosen: int):
        self.experts, self.chosen = experts, chosen

    @abstractmethod
    def loads(self, step: int, layer: int, batch: int) -> Loads:
        """Active experts of a layer at a step and how many of the ``batch`` tokens each gets."""


class Balanced(Routing):
    """Tokens take experts in turn."""

    def loads(self, step: int, layer: int, batch: int) -> Loads:
        first, slots = step * batch * self.chosen, batch * self.chosen
        share, extra = divmod(slots, self.experts)
        counts = {(first + i) % self.experts: share + 1 for i in range(extra)}
        if share:
            counts = {expert: counts.get(expert, share) for expert in range(self.experts)}
        return tuple(sorted(counts.items()))


class Weighted(Routing):
    """Each token draws distinct experts, the i-th most popular with weight 1 / (i + 1)^``exponent``; 0 is uniform."""

    def __init__(self, experts: int, chosen: int, exponent: float = 0.0, seed: int = 0):
        super().__init__(experts, chosen)
        self.seed, self.exponent = seed, exponent
        self._cumulative = list(accumulate((i + 1) ** -exponent for i in range(experts)))

    def loads(self, step: int, layer: int, batch: int) -> Loads:
        draw = random.Random(f"{self.seed}/{step}/{layer}")
        counts: Counter[int] = Counter()
        for _ in range(batch):
            counts.update(self._token(draw))
        if self.exponent:
            ranking = list(range(self.experts))
            random.Random(f"{self.seed}/{layer}").shuffle(ranking)
            counts = Counter({ranking[rank]: tokens for rank, tokens in counts.items()})
        return tuple(sorted(counts.items()))

    def _token(self, draw: random.Random) -> set[int]:
        """Distinct ranks of one token's experts; a rank drawn twice is drawn again."""
        ranks: set[int] = set()
        while len(ranks) < self.chosen:
            ranks.add(bisect(self._cumulative, draw.random() * self._cumulative[-1]))
        return ranks


class Recorded(Routing):
    """Loads from a file; steps beyond its end start over."""

    def __init__(self, experts: int, chosen: int, table: dict[tuple[int, int], Loads], file: str):
        super().__init__(experts, chosen)
        self._table, self._file = table, file
        self._steps = 1 + max(step for step, _ in table)

    def loads(self, step: int, layer: int, batch: int) -> Loads:
        loads = self._table.get((step % self._steps, layer), ())
        total = sum(tokens for _, tokens in loads)
        if total != batch * self.chosen:
            raise InputError(Problem(
                f"{total} tokens at step {step % self._steps}, layer {layer}",
                f"batch x experts per token = {batch * self.chosen}", self._file, key="workload.routing",
            ))  # fmt: skip
        return loads


def make_routing(text: str, experts: int, chosen: int, batch: int, seed: int = 0) -> Routing:
    """The routing named by ``text`` (see the module). Raises InputError for an unknown name or a bad file."""
    if text == "balanced" or (text == "auto" and batch == 1):
        return Balanced(experts, chosen)
    if text in ("uniform", "auto"):
        return Weighted(experts, chosen, seed=seed)
    if text.startswith("zipf:"):
        try:
            exponent = float(text.removeprefix("zipf:"))
        except ValueError:
            exponent = math.nan
        if not 0 <= exponent <= 10:
            raise InputError(Problem(f"'{text}' has no exponent from 0 to 10", "zipf:1.0", key="workload.routing"))
        return Weighted(experts, chosen, exponent, seed)
    if text.endswith(".csv"):
        return Recorded(experts, chosen, _read(Path(text), experts), text)
    raise InputError(Problem(f"unknown routing '{text}'", nearest(text, [*NAMES, "FILE.csv"]), key="workload.routing"))


def _read(path: Path, experts: int) -> dict[tuple[int, int], Loads]:
    """Read a CSV of step, layer, expert, tokens. Raises InputError with every bad row."""
    columns = ["step", "layer", "expert", "tokens"]
    table: dict[tuple[int, int], dict[int, int]] = {}
    problems: list[Problem] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            if next(reader, None) != columns:
                raise InputError(Problem("wrong header", ",".join(columns), str(path), 1, 1))
            for row in reader:
                line = reader.line_num
                if len(row) != len(columns) or not all(cell.isdecimal() for cell in row):
                    problems.append(Problem("not four whole numbers", ",".join(columns), str(path), line))
                    continue
                step, layer, expert, tokens = map(int, row)
                chosen = table.setdefault((step, layer), {})
                if expert >= experts:
                    problems.append(Problem(f"{expert} of {experts} experts", f"0 to {experts - 1}", str(path), line,
                                            key="expert"))  # fmt: skip
                elif tokens < 1 or expert in chosen:
                    problems.append(Problem("an expert twice, or without tokens", "tokens of each active expert",
                                            str(path), line, key="tokens"))  # fmt: skip
                chosen[expert] = tokens
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(path))) from None
    except UnicodeDecodeError as error:
        raise InputError(Problem(f"not UTF-8 text (byte {error.start})", file=str(path))) from None
    if not table and not problems:
        problems.append(Problem("no rows", ",".join(columns), str(path)))
    if problems:
        raise InputError(problems)
    return {where: tuple(sorted(loads.items())) for where, loads in table.items()}
