"""Measures an NVIDIA GPU with PyTorch, as :class:`pimsim.baseline.bench.Bench` asks for it. Nothing else in pimsim knows torch."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

from pimsim.baseline.bench import ELEMENT_BYTES, Gpu
from pimsim.errors import InputError, Problem

LONG_S = 3e-3
"""Seconds that a row of kernels takes at least, so that its launch does not count."""
MOST_COPIES, MOST_KERNELS = 128, 400
SETTLED_S, MOST_POWER_S, POWER_READINGS = 1.5, 8.0, 3
SHARE_OF_MEMORY = 0.4


def torch_bench() -> TorchBench:
    """The bench on the current CUDA device.

    Raises:
        InputError: no torch, or no CUDA device that it can use.
    """
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise InputError(Problem("PyTorch is not installed", "pip install 'pimsim[gpu]', on a machine with an NVIDIA GPU")) from None
    if not torch.cuda.is_available():
        raise InputError(Problem(f"PyTorch {torch.__version__} finds no CUDA device",
                                 "an NVIDIA GPU, its driver, and a PyTorch built for CUDA"))
    return TorchBench(torch)


class TorchBench:
    """A CUDA device, measured. All tensors are random bf16."""

    def __init__(self, torch: Any):
        self._torch = torch
        self._device = torch.cuda.current_device()
        self._properties = torch.cuda.get_device_properties(self._device)
        self._cache_bytes = getattr(self._properties, "L2_cache_size", 64 << 20)
        torch.manual_seed(1)
        torch.set_grad_enabled(False)

    def gpu(self) -> Gpu:
        """Name, size and software of the device."""
        limit = self._smi("power.limit")
        own = self._properties
        return Gpu(own.name, own.total_memory, own.multi_processor_count, limit[-1] if limit else 0.0, f"PyTorch {self._torch.__version__}")

    def copy_bytes_per_s(self) -> float:
        """Rate of a copy of 1 GB (or what fits), bytes read and written."""
        size = int(min(1 << 30, SHARE_OF_MEMORY / 2 * self._free()))
        source = self._torch.empty(size, dtype=self._torch.uint8, device="cuda")
        target = self._torch.empty_like(source)
        return 2 * size / self._time(lambda i: target.copy_(source))

    def product(self, rows: int, cols: int, tokens: int) -> float:
        """``tokens`` vectors of ``cols`` by a matrix [rows, cols], with bias."""
        linear = self._torch.nn.functional.linear
        copies = self._copies(rows * cols)
        if not copies:
            return float("nan")
        weights, bias, x = [self.random(rows, cols) for _ in range(copies)], self.random(rows), self.random(tokens, cols)
        return self._time(lambda i: linear(x, weights[i % copies], bias))

    def attention(self, batch: int, heads: int, head_dim: int, context: int) -> float:
        """One query token of each sequence over its K and V."""
        attend = self._torch.nn.functional.scaled_dot_product_attention
        shape = (batch, heads, context, head_dim)
        copies = self._copies(2 * batch * heads * head_dim * context)
        if not copies:
            return float("nan")
        cache = [(self.random(*shape), self.random(*shape)) for _ in range(copies)]
        q = self.random(batch, heads, 1, head_dim)
        return self._time(lambda i: attend(q, *cache[i % copies]))

    def norm(self, tokens: int, width: int) -> float:
        """Layer norms of ``tokens`` vectors."""
        norm = self._torch.nn.functional.layer_norm
        x, gain, bias = self.random(tokens, width), self.random(width), self.random(width)
        return self._time(lambda i: norm(x, (width,), gain, bias))

    def add(self, tokens: int, width: int) -> float:
        """Sum of two vectors for each token."""
        a, b = self.random(tokens, width), self.random(tokens, width)
        return self._time(lambda i: a + b)

    def append(self, batch: int, width: int) -> float:
        """K and V of one token of each sequence into a cache."""
        cache = self._torch.zeros(2, batch, 64, width, dtype=self._torch.bfloat16, device="cuda")
        new = self.random(batch, 3 * width)

        def both(i: int) -> None:
            cache[0, :, i % 64].copy_(new[:, width : 2 * width])
            cache[1, :, i % 64].copy_(new[:, 2 * width :])

        return self._time(both)

    def decoder(self, width: int, heads: int, layers: int, batch: int, context: int) -> tuple[float, float]:
        """A step of a decoder's blocks on a filled cache: seconds, and watts of the board."""
        elements = layers * (12 * width * width + 2 * batch * context * width)
        if elements * ELEMENT_BYTES > SHARE_OF_MEMORY * self._free():
            return float("nan"), 0.0
        step = _decoder(self, width, heads, layers, batch, context)
        graph, seconds = self._graph(lambda i: step(), 1)
        per_step = min(self._replay(graph, max(1, round(LONG_S / seconds))) for _ in range(5))
        return per_step, self._power(graph)

    def eager_layer(self) -> float:
        """Seconds of a small GPT-2 layer, call by call as Hugging Face's GPT-2 of 2023 makes them."""
        layer = _eager_layer(self)
        times = []
        for _ in range(5):
            self._torch.cuda.synchronize()
            begin = time.perf_counter()
            for _ in range(100):
                layer()
            self._torch.cuda.synchronize()
            times.append((time.perf_counter() - begin) / 100)
        return sorted(times)[2]

    def random(self, *shape: int) -> Any:
        """A random tensor, small enough that products of many stay finite."""
        return self._torch.randn(*shape, dtype=self._torch.bfloat16, device="cuda") * 0.02

    @property
    def torch(self) -> Any:
        """The module."""
        return self._torch

    def _free(self) -> int:
        self._torch.cuda.empty_cache()
        return int(self._torch.cuda.mem_get_info()[0])

    def _copies(self, elements: int) -> int:
        """So many operands that the cache cannot hold them, 0 if not even one fits."""
        size = elements * ELEMENT_BYTES
        room = int(SHARE_OF_MEMORY * self._free() // size)
        return min(MOST_COPIES, 2 + 3 * self._cache_bytes // size, room)

    def _time(self, run: Callable[[int], object]) -> float:
        """Seconds of one ``run(i)`` in a row of many."""
        _, first = self._graph(run, 20)
        count = max(20, min(MOST_KERNELS, round(LONG_S / first)))
        graph, _ = self._graph(run, count)
        return sorted(self._replay(graph, 3) / count for _ in range(5))[2]

    def _graph(self, run: Callable[[int], object], count: int) -> tuple[Any, float]:
        """A graph of ``run(0)`` ... ``run(count - 1)``, and seconds of one of them."""
        torch = self._torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for i in range(3):
                run(i)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for i in range(count):
                run(i)
        self._replay(graph, 1)
        return graph, self._replay(graph, 2) / count

    def _replay(self, graph: Any, times: int) -> float:
        """Seconds of one replay of a graph, of ``times`` in a row."""
        begin, end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(times):
            graph.replay()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1e3 / times

    def _power(self, graph: Any) -> float:
        """Watts of the board while a graph is replayed, once its average has settled; 0 if it does not tell."""
        begin, read = time.monotonic(), list[float]()
        while len(read) < POWER_READINGS and time.monotonic() - begin < MOST_POWER_S:
            self._replay(graph, 20)
            if time.monotonic() - begin > SETTLED_S:
                read += self._smi("power.draw", lambda: self._replay(graph, 20)) or [0.0]
        return sorted(read)[len(read) // 2] if read else 0.0

    def _smi(self, what: str, meanwhile: Callable[[], object] = lambda: time.sleep(0.01)) -> list[float]:
        """What nvidia-smi says, ``meanwhile`` being done until it does."""
        query = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits", "-i", str(self._device)]
        try:
            reader = subprocess.Popen(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except OSError:
            return []
        while reader.poll() is None:
            meanwhile()
        return _numbers(reader.communicate()[0])


def _numbers(text: str) -> list[float]:
    """The numbers among the lines; a board that does not tell says N/A."""
    found = []
    for line in text.split():
        try:
            found.append(float(line))
        except ValueError:
            continue
    return found


def _decoder(bench: TorchBench, width: int, heads: int, layers: int, batch: int, context: int) -> Callable[[], Any]:
    """A decode step of GPT-2 blocks with fused attention over a cache of ``context`` tokens."""
    functional, random, torch = bench.torch.nn.functional, bench.random, bench.torch
    dim = width // heads
    ones = torch.ones(width, dtype=torch.bfloat16, device="cuda")
    blocks = [
        ([random(3 * width, width), random(width, width), random(4 * width, width), random(width, 4 * width)],
         [random(3 * width), random(width), random(4 * width), random(width)],
         torch.zeros(2, batch, heads, context, dim, dtype=torch.bfloat16, device="cuda"))
        for _ in range(layers)
    ]  # fmt: skip
    start = random(batch, width)

    def step() -> Any:
        x = start
        for weights, biases, cache in blocks:
            h = functional.layer_norm(x, (width,), ones, biases[1])
            q, k, v = functional.linear(h, weights[0], biases[0]).view(batch, 3, heads, dim).unbind(1)
            cache[0, :, :, context - 1].copy_(k)
            cache[1, :, :, context - 1].copy_(v)
            a = functional.scaled_dot_product_attention(q.unsqueeze(2), cache[0], cache[1])
            x = x + functional.linear(a.reshape(batch, width), weights[1], biases[1])
            h = functional.layer_norm(x, (width,), ones, biases[3])
            h = functional.gelu(functional.linear(h, weights[2], biases[2]), approximate="tanh")
            x = x + functional.linear(h, weights[3], biases[3])
        return x

    return step


def _eager_layer(bench: TorchBench) -> Callable[[], Any]:
    """A GPT-2 layer of width 64 at a context of 16, in the operations of Hugging Face's eager GPT-2."""
    torch, random = bench.torch, bench.random
    functional = torch.nn.functional
    width, heads, context = 64, 4, 16
    weights = [random(width, 3 * width), random(width, width), random(width, 4 * width), random(4 * width, width)]
    biases = [random(3 * width), random(width), random(4 * width), random(width)]
    gain = random(width)
    cache = random(2, 1, heads, context - 1, width // heads)
    mask = torch.ones(1, 1, context, context, dtype=torch.bool, device="cuda").tril()
    start = random(1, 1, width)

    def conv(x: Any, i: int) -> Any:
        return torch.addmm(biases[i], x.view(-1, x.size(-1)), weights[i]).view(1, 1, -1)

    def split_heads(x: Any) -> Any:
        return x.view(1, 1, heads, width // heads).permute(0, 2, 1, 3)

    def layer() -> Any:
        h = functional.layer_norm(start, (width,), gain, gain)
        q, k, v = (split_heads(part) for part in conv(h, 0).split(width, dim=2))
        k, v = torch.cat((cache[0], k), dim=-2), torch.cat((cache[1], v), dim=-2)
        scores = torch.matmul(q, k.transpose(-1, -2))
        scores = scores / torch.full([], (width // heads) ** 0.5, dtype=scores.dtype, device="cuda")
        least = torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype, device="cuda")
        scores = torch.where(mask[:, :, context - 1 : context, :context], scores, least)
        p = functional.dropout(functional.softmax(scores, dim=-1).type(v.dtype), 0.1, training=False)
        a = torch.matmul(p, v).permute(0, 2, 1, 3).contiguous().view(1, 1, width)
        x = start + functional.dropout(conv(a, 1), 0.1, training=False)
        h = conv(functional.layer_norm(x, (width,), gain, gain), 2)
        h = 0.5 * h * (1.0 + torch.tanh(0.7978845608 * (h + 0.044715 * torch.pow(h, 3.0))))
        return x + functional.dropout(conv(h, 3), 0.1, training=False)

    return layer
