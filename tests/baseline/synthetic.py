"""A bench that is a formula: a GPU with known constants, and noise where it is asked for."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from pimsim.baseline.bench import CALLS_OF_A_LAYER, Gpu, Kernel, _attention, _counts, _matmul, _vector, layer
from pimsim.baseline.roofline import kernel_s, rates
from pimsim.baseline.work import table
from pimsim.config.baseline import DeviceConfig, EfficiencyConfig


@dataclass
class SyntheticBench:
    """A GPU whose kernels take what the roofline says with ``efficiency``, times 1 +- noise."""

    device: DeviceConfig
    efficiency: EfficiencyConfig
    name: str = "Synthetic GPU"
    noise: float = 0.0
    call_s: float = 5e-6
    most_bytes: float = math.inf
    _random: random.Random = field(default_factory=lambda: random.Random(1))

    def gpu(self) -> Gpu:
        return Gpu(self.name, self.device.memory, self.device.units, self.device.power, "no software")

    def copy_bytes_per_s(self) -> float:
        return 0.9 * self.device.bandwidth

    def product(self, rows: int, cols: int, tokens: int) -> float:
        return self._seconds(_matmul(rows, cols, tokens))

    def attention(self, batch: int, heads: int, head_dim: int, context: int) -> float:
        return self._seconds(_attention(batch, heads, head_dim, context))

    def norm(self, tokens: int, width: int) -> float:
        return self._seconds(_vector("norm", "norm", tokens, width, 2))

    def add(self, tokens: int, width: int) -> float:
        return self._seconds(_vector("add", "elementwise", tokens, width, 3))

    def append(self, batch: int, width: int) -> float:
        return self._seconds(_vector("append", "append", batch, width, 4))

    def decoder(self, width: int, heads: int, layers: int, batch: int, context: int) -> tuple[float, float]:
        kernels = layer(width, heads, batch, context)
        seconds = layers * self._seconds(*kernels)
        moved = layers * sum(k.stored_bytes + k.moved_bytes for k in kernels)
        power = self.efficiency.power
        return seconds, (power.active + power.memory * moved / seconds / self.device.bandwidth) * self.device.power

    def eager_layer(self) -> float:
        return self.call_s * CALLS_OF_A_LAYER

    def _seconds(self, *kernels: Kernel) -> float:
        if max(kernel.stored_bytes for kernel in kernels) > self.most_bytes:
            return math.nan
        rows = table(kernels, range(len(kernels)), [0] * len(kernels), [1] * len(kernels))
        each, _ = kernel_s(rates(self.device, self.efficiency), rows, _counts(self.efficiency))
        return float(each.sum()) * (1 + self._random.uniform(-self.noise, self.noise))
