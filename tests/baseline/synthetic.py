"""A bench that is a formula: a GPU with known constants, and noise where it is asked for."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from pimsim.baseline.bench import CALLS_OF_A_LAYER, Case, Gpu, Measured, predicted
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
        return self._seconds(Case("product", (rows, cols, tokens)))

    def attention(self, batch: int, heads: int, head_dim: int, context: int) -> float:
        return self._seconds(Case("attention", (batch, heads, head_dim, context)))

    def norm(self, tokens: int, width: int) -> float:
        return self._seconds(Case("norm", (tokens, width)))

    def add(self, tokens: int, width: int) -> float:
        return self._seconds(Case("add", (tokens, width)))

    def append(self, batch: int, width: int) -> float:
        return self._seconds(Case("append", (batch, width)))

    def decoder(self, width: int, heads: int, layers: int, batch: int, context: int) -> tuple[float, float]:
        case = Case("decoder", (width, heads, layers, batch, context))
        seconds, moved = self._seconds(case), float((case.table.bytes * case.table.repeat).sum())
        power = self.efficiency.power
        return seconds, (power.active + power.memory * moved / seconds / self.device.bandwidth) * self.device.power

    def eager_layer(self) -> float:
        return self.call_s * CALLS_OF_A_LAYER

    def _seconds(self, case: Case) -> float:
        if case.table.stored_bytes.max() > self.most_bytes:
            return math.nan
        exact = float(predicted([Measured(case, False, 1.0)], self.device, self.efficiency)[0])
        return exact * (1 + self._random.uniform(-self.noise, self.noise))
