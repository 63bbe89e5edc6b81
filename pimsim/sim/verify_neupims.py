"""NeuPIMs' part of ``pimsim verify``: attention over caches that grow, end and make way, and the NPU's matrices block by block.

One device of the tensor-parallel group is computed. On a channel with room for few requests, some grow token by token side by side, one
ends, and another takes the rows that it leaves; the attention of each is computed from the banks, in its first and in its last
layer. The first has the workload's length, cut to what takes seconds; one goes over the edge of a row. The matrices are stored at
the addresses that the NPU reads, and multiplied fold by fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pimsim.config import SystemConfig, WorkloadConfig
from pimsim.devices.shared_channel import kv_layout
from pimsim.devices.stage import LayerRows, Member, decoder_stage_ops
from pimsim.errors import InputError, Problem
from pimsim.mapping.functional.check import Check, Findings, Place
from pimsim.mapping.functional.neupims import Channel, tree
from pimsim.mapping.neupims import NeuPimsLayout
from pimsim.mapping.tensor import Geometry, TensorMap
from pimsim.model.architecture import Architecture
from pimsim.model.importer import load_architecture
from pimsim.npu.spec import NpuSpec
from pimsim.schedule.kv import Allocation, KvSpace, PimLayout, row
from pimsim.schedule.parallel import Parallel, device_part, parallel_for

APPENDED = 6
"""Tokens that each request appends by the mapping's writes; those before are there from the beginning."""
MOST_TOKENS = 1 << 20
"""Elements of a request's keys that its length is cut to."""
FIRST_ROW = 64
EXACT_INTEGERS = 4
"""Matrices hold whole numbers up to this: their sums are exact in binary32, so that every order gives the same."""
MOST_FOLDS = 1024
PARTS: tuple[Literal["qkv", "ffn"], ...] = ("qkv", "ffn")
HALF_ULP = 2.0**-24


@dataclass
class _Request:
    """A request with its cache as numpy has it: keys and values [layers, tokens, heads, their elements]."""

    name: str
    keys: np.ndarray
    values: np.ndarray
    held: Allocation
    tokens: int


def run(config: SystemConfig, workload: WorkloadConfig, seed: int) -> Findings:
    """Plan the checks; see :mod:`pimsim.sim.verify`.

    Raises:
        InputError: the model cannot be divided, or the system lacks something.
    """
    architecture = load_architecture(workload.model)
    if config.npu is None:
        raise InputError(Problem("is missing", "the NPU", key="npu"))
    name = workload.model.removesuffix("/config.json").rsplit("/", 1)[-1]
    parallel = parallel_for(name, config.parallel.tensor, config.parallel.pipeline)
    part = device_part(replace(architecture, layers=min(architecture.layers, 2)), Parallel(parallel.tensor, 1))
    layout = replace(kv_layout(config, part.kv_heads, part.key_dim, part.heads // part.kv_heads, part.value_dim),
                     shared_rows=False)
    session = Session(config, part, layout, contexts(workload, layout), np.random.default_rng(seed))
    spec, batch = config.npu.spec(), min(workload.batch, 64)

    def found() -> Iterator[Check]:
        yield from session.checks()
        yield from matrices(config, spec, part, batch, np.random.default_rng(seed + 1))

    lengths = ", ".join(map(str, session.contexts))
    return Findings((f"attention of requests of {lengths} tokens in one channel, layers 0 and {part.layers - 1}, "
                     f"one device of {parallel.tensor}",
                     f"matrices of layers 0 and {part.layers - 1} for {batch} requests, {spec.dataflow}"), found())


def contexts(workload: WorkloadConfig, layout: NeuPimsLayout) -> list[int]:
    """Lengths of the three requests: the workload's, cut, and one that goes over the edge of a row of V."""
    most = max(2 * APPENDED, MOST_TOKENS // (layout.heads * layout.head_dim))
    given = min(max(workload.prompt_tokens, 2 * APPENDED), most)
    edge = min(layout.page + APPENDED // 2, most)
    return [given, max(edge, 2 * APPENDED), max(layout.banks + 1, 2 * APPENDED)]


class Session:
    """One channel: requests A and B grow side by side, A ends, C takes its rows."""

    def __init__(self, config: SystemConfig, part: Architecture, layout: NeuPimsLayout, lengths: list[int], random: np.random.Generator):
        self.part, self.layout, self.contexts, self.random = part, layout, lengths, random
        self.places = PimLayout(part.layers, part.kv_heads, part.key_dim, layout.page, layout.banks, part.value_dim)
        a, b, c = (sum(self.places.rows(tokens)) for tokens in lengths)
        rows = max(a + b, b + c)
        self.space = KvSpace.empty(self.places, 1, rows, FIRST_ROW)
        assert config.pim is not None
        self.channel = Channel(layout, FIRST_ROW + rows, config.memory.column_bytes // 2)

    def checks(self) -> Iterator[Check]:
        """Everything, in the order of time."""
        first, second, third = self.contexts
        a, b = self._admit("A", first - APPENDED, first), self._admit("B", second - APPENDED, second)
        for _ in range(APPENDED):
            yield from (check for request in (a, b) for check in self._append(request))
        for request in (a, b):
            yield from self._attention(request)
        self.space = self.space.release(a.held)
        c = self._admit("C", third - APPENDED, third)
        for _ in range(APPENDED):
            yield from self._append(c)
        for request in (b, c):
            yield from self._attention(request)

    def _admit(self, name: str, tokens: int, most: int) -> _Request:
        """A request whose first tokens are in the cache."""
        given = self.space.allocate(0, tokens)
        assert given is not None
        self.space, held = given
        shape = (self.part.layers, most, self.layout.heads, self.layout.head_dim)
        keys = self.random.standard_normal(shape).astype(np.float16)
        if self.part.latent:
            values = keys[..., : self.layout.value_dim]
        else:
            values = self.random.standard_normal(shape).astype(np.float16)
        request = _Request(name, keys, values, held, tokens)
        for layer in range(self.part.layers):
            self.channel.preload(keys[layer, :tokens], values[layer, :tokens], *self._rows(request, layer))
        return request

    def _append(self, request: _Request) -> Iterator[Check]:
        """The next token; a check only if something is wrong, and of the last."""
        grown = self.space.grow(request.held, request.tokens + 1)
        assert grown is not None
        self.space, request.held = grown
        missed = sum(self.channel.append(request.tokens, request.keys[layer, request.tokens], request.values[layer, request.tokens],
                                         *self._rows(request, layer)) for layer in range(self.part.layers))  # fmt: skip
        request.tokens += 1
        if missed or request.tokens == request.keys.shape[1]:
            fault = f"{missed} elements are not written" if missed else ""
            yield Check("kv_append", "kv_append", "memory", f"{self.layout.heads} x {self.layout.head_dim}",
                        Place(0, request.tokens, f"request {request.name}"), 0.0, 0.0, 0.0, 0.0, not missed, not missed, fault)

    def _rows(self, request: _Request, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """A layer's K rows and V rows of what the request holds."""
        lay, k, v = self.places, request.held.k, request.held.v
        tiles = sum(n for _, n in k) // (lay.layers * lay.k_chunks)
        blocks = sum(n for _, n in v) // (lay.layers * lay.kv_heads * lay.v_tiles)
        keys = [row(k, lay.k_index(layer, tile, chunk)) for tile in range(tiles) for chunk in range(lay.k_chunks)]
        values = [row(v, lay.v_index(layer, head, block, tile)) for block in range(blocks) for head in range(lay.kv_heads)
                  for tile in range(lay.v_tiles)]
        return np.array(keys), np.array(values)

    def _attention(self, request: _Request) -> Iterator[Check]:
        """Scores, softmax and weighted sum of a request's newest token, in every layer."""
        layout, tokens = self.layout, request.tokens
        for layer in sorted({0, self.part.layers - 1}):
            place = Place(layer, tokens, f"request {request.name}")
            key_rows, value_rows = self._rows(request, layer)
            query = self.random.standard_normal((layout.heads * layout.queries, layout.head_dim)).astype(np.float16)
            keys = np.repeat(request.keys[layer, :tokens], layout.queries, axis=1)
            values = np.repeat(request.values[layer, :tokens], layout.queries, axis=1)
            scores = self.channel.scores(query, tokens, key_rows)
            yield _compared("score", scores, ordered_scores(query, keys, layout), np.einsum("hd,thd->ht", *_wide(query, keys)),
                            np.einsum("hd,thd->ht", *map(np.abs, _wide(query, keys))), layout.head_dim, place)
            weights = softmax(scores / np.float32(np.sqrt(self.part.head_dim)))
            yield _softmax_check(scores, weights, self.part.head_dim, place)
            rounded = weights.astype(np.float16)
            got = self.channel.attended(rounded, tokens, value_rows)
            yield _compared("attend", got, ordered_sums(rounded, values, layout), np.einsum("ht,thd->hd", *_wide(rounded, values)),
                            np.einsum("ht,thd->hd", *map(np.abs, _wide(rounded, values))), tokens, place)


def _wide(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.astype(np.float64) for array in arrays]


def softmax(scores: np.ndarray) -> np.ndarray:
    """The vector units': largest off, exponentials, their sum, division, in binary32."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True), dtype=np.float32)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True, dtype=np.float32))


def ordered_scores(query: np.ndarray, keys: np.ndarray, layout: NeuPimsLayout) -> np.ndarray:
    """q K^T by numpy in the order in which COMPs add, and chunks of a long head are added."""
    products = query.astype(np.float32)[None] * keys.astype(np.float32)  # [tokens, heads, head_dim]
    out = np.zeros(products.shape[:2], np.float32)
    for first in range(0, layout.head_dim, layout.page):
        out += _comps(products[..., first : first + layout.page], layout.lanes)
    return out.T


def ordered_sums(weights: np.ndarray, values: np.ndarray, layout: NeuPimsLayout) -> np.ndarray:
    """P V by numpy in the order in which COMPs add, and blocks are added."""
    products = np.moveaxis(weights.T.astype(np.float32)[:, :, None] * values.astype(np.float32), 0, -1)  # [heads, head_dim, tokens]
    out = np.zeros(products.shape[:2], np.float32)
    for first in range(0, products.shape[-1], layout.page):
        out += _comps(products[..., first : first + layout.page], layout.lanes)
    return out


def _comps(products: np.ndarray, lanes: int) -> np.ndarray:
    """Sums over the last axis, ``lanes`` at a time in a tree, those one after the other."""
    total = np.zeros(products.shape[:-1], np.float32)
    for first in range(0, products.shape[-1], lanes):
        part = products[..., first : first + lanes]
        padded = np.concatenate((part, np.zeros((*part.shape[:-1], lanes - part.shape[-1]), np.float32)), axis=-1)
        total += tree(padded)
    return total


def _compared(name: str, got: np.ndarray, ordered: np.ndarray, exact: np.ndarray, magnitude: np.ndarray, terms: int,
              place: Place) -> Check:
    """Equal to numpy in the same order, and within the bound of summing in binary32 (Higham, n u sum |x|) of binary64."""
    allowed = 2 * terms * HALF_ULP * magnitude
    error = np.abs(got - exact)
    used = float(np.max(error / np.maximum(allowed, 1e-30)))
    equal = bool(np.array_equal(got, ordered))
    fault = "" if equal and used <= 1 else "differs from numpy in the same order" if not equal else "error above the bound"
    return Check(name, name, "memory", f"{got.shape[0]} x {got.shape[1]}", place, float(error.max()),
                 float(error.max() / np.abs(exact).max()), float(allowed.max()), used, equal, not fault, fault)


def _softmax_check(scores: np.ndarray, weights: np.ndarray, head_dim: int, place: Place) -> Check:
    """Against binary64: relative errors of an exponential (of an argument off by its own rounding) and of a sum and a quotient."""
    wide = scores.astype(np.float64) / np.sqrt(head_dim)
    raised = np.exp(wide - wide.max(axis=1, keepdims=True))
    exact = raised / raised.sum(axis=1, keepdims=True)
    allowed = exact * HALF_ULP * (4 * np.abs(wide).max() + scores.shape[1] + 8)
    error = np.abs(weights - exact)
    used = float(np.max(np.divide(error, allowed, out=np.where(error > 0, np.inf, 0.0), where=allowed > 0)))
    return Check("softmax", "softmax", "vector", f"{scores.shape[0]} x {scores.shape[1]}", place, float(error.max()),
                 float(error.max() / exact.max()), float(allowed.max()), used, None, used <= 1,
                 "" if used <= 1 else "error above the bound")  # fmt: skip


def matrices(config: SystemConfig, spec: NpuSpec, part: Architecture, batch: int, random: np.random.Generator) -> Iterator[Check]:
    """Every weight matrix of the first and the last layer on the arrays, its blocks read from where the memory has them; of those that
    each head has, one."""
    none = LayerRows(np.zeros(0, np.int64), np.zeros(0, np.int64))
    members = [Member(n, 0, 1, none) for n in range(batch)]
    seen = set()
    every = (op for layer in (0, part.layers - 1) for which in PARTS for op in decoder_stage_ops(part, members, which, layer))
    for op in every:
        first = op.by_head()[0]
        if op.kind == "gemm" and (first.k, first.n) not in seen:
            seen.add((first.k, first.n))
            yield _gemm(config, spec, op.name, first.m, first.k, first.n, random)


def _gemm(config: SystemConfig, spec: NpuSpec, name: str, m: int, k: int, n: int, random: np.random.Generator) -> Check:
    """[m x k] x [k x n], n cut to what takes seconds: whole numbers, so that the sums are exact and must be equal."""
    rows, columns = spec.k_block, spec.n_block
    n = min(n, max(1, MOST_FOLDS // -(-k // rows)) * columns)
    left, right = (random.integers(-EXACT_INTEGERS, EXACT_INTEGERS + 1, shape).astype(np.float32) for shape in ((m, k), (k, n)))
    stored = Stored(config, spec, k, n, right)
    got = np.zeros((m, n), np.float32)
    for line, column in stored.order():
        here = slice(line * rows, min((line + 1) * rows, k))
        there = slice(column * columns, min((column + 1) * columns, n))
        got[:, there] += left[:, here] @ stored.block(line, column)
    exact = left.astype(np.float64) @ right.astype(np.float64)
    error = float(np.abs(np.nan_to_num(got, nan=np.inf) - exact).max())
    return Check(name, "matvec", "memory", f"{m} x {k} x {n}", Place(0, 1, spec.dataflow), error, error / float(np.abs(exact).max()), 0.0,
                 float(error > 0), error == 0, error == 0, "" if error == 0 else "differs from numpy")


class Stored:
    """A weight matrix in the memory of a device, unit by unit, its blocks in the order in which the dataflow uses them."""

    def __init__(self, config: SystemConfig, spec: NpuSpec, k: int, n: int, weights: np.ndarray):
        org, memory = config.memory.organization, config.memory
        geometry = Geometry(memory.channels, org.banks_per_channel, memory.rows, org.columns, memory.column_bytes)
        self._shape, self._along_k = (spec.k_block, spec.n_block), spec.dataflow == "input-stationary"
        self._map = TensorMap(geometry, self._shape, spec.columns, spec.precision_bytes, FIRST_ROW, along_k=self._along_k)
        self._k, self._n = k, n
        self._start = self._map.place("w", k * n * spec.precision_bytes).start
        self._elements = memory.column_bytes // spec.precision_bytes
        self._units = np.full((-(-k * n // self._elements), self._elements), np.nan, np.float32)
        self._begins: dict[tuple[int, int], int] = {}
        offset = 0
        flat = self._units.reshape(-1)
        for line, column in self.order():
            block = weights[line * self._shape[0] : (line + 1) * self._shape[0], column * self._shape[1] : (column + 1) * self._shape[1]]
            self._begins[line, column] = offset
            flat[offset : offset + block.size] = block.ravel()
            offset += block.size

    def order(self) -> list[tuple[int, int]]:
        """The blocks (number along K, along N) one behind the other."""
        lines, columns = range(-(-self._k // self._shape[0])), range(-(-self._n // self._shape[1]))
        if self._along_k:
            return [(line, column) for line in lines for column in columns]
        return [(line, column) for column in columns for line in lines]

    def block(self, line: int, column: int) -> np.ndarray:
        """A block as the NPU reads it: the units that the mapping says. Blocks whose size is no whole number of units begin in one."""
        rows = min(self._shape[0], self._k - line * self._shape[0])
        columns = min(self._shape[1], self._n - column * self._shape[1])
        read = self._map.blocks("w", self._k, self._n, np.array([[line, column]], np.int64))
        begin, count = int(read.starts[0]) - self._start, int(read.counts[0])
        skipped = self._begins[line, column] % self._elements
        before = 1 if skipped else 0
        there = self._units[max(begin - before, 0) : begin + count].reshape(-1)[skipped:][: rows * columns]
        return np.pad(there, (0, rows * columns - len(there)), constant_values=np.nan).reshape(rows, columns)
