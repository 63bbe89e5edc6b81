"""What an NPU is made of: NeuPIMs' (arXiv 2403.00579, table 2) has eight 128 x 128 arrays at 1 GHz and eight 128-wide vector units."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pimsim.errors import InputError, Problem, nearest

DATAFLOWS = ("weight-stationary", "output-stationary", "input-stationary")


@dataclass(frozen=True)
class NpuSpec:
    """An NPU's parameters.

    Attributes:
        arrays, rows, columns: systolic arrays and the processing elements of each.
        clock_hz: of arrays and vector units.
        dataflow: what stays in the array (see ``pimsim.npu.dataflows``).
        weight_double_buffer: the next stationary block is shifted in while the present one is used.
        buffers: parts of the scratchpad: one holds the operands of the tile being computed, the others those of the next.
        scratchpad_bytes: of all of them, and of activations that stay.
        accumulator_bytes: holds the outputs of a tile, likewise twice.
        precision_bytes: of an element.
        vector_units, vector_width: SIMD units beside the arrays, elements a cycle of each.
        vector_latency: cycles of an elementwise step.
        vector_streamed: rows are stored as they are done, instead of when no more of the operator are read.
        attention_units: vector units that serve attention in memory while the NPU works too.
        link_cycles: from the NPU to a channel, and back. link_bytes: that pass to or from a channel in a cycle.
    """

    arrays: int = 8
    rows: int = 128
    columns: int = 128
    clock_hz: int = 1_000_000_000
    dataflow: str = "weight-stationary"
    weight_double_buffer: bool = True
    buffers: int = 2
    scratchpad_bytes: int = 7168 * 1024
    accumulator_bytes: int = 7168 * 1024
    precision_bytes: int = 2
    vector_units: int = 8
    vector_width: int = 128
    vector_latency: int = 1
    attention_units: int = 4
    vector_streamed: bool = False
    link_cycles: int = 1
    link_bytes: int = 128

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "dataflow":
                if value not in DATAFLOWS:
                    problems.append(Problem(f"unknown dataflow '{value}'", nearest(str(value), DATAFLOWS), key="npu.dataflow"))
            elif not isinstance(value, bool) and (not isinstance(value, int) or value < 1):
                problems.append(Problem(f"{value!r} is not allowed", "a whole number, at least 1", key=f"npu.{field.name}"))
        if not problems and self.attention_units > self.vector_units:
            problems.append(Problem(f"{self.attention_units} units for attention", f"at most {self.vector_units} (npu.vector_units)",
                                    key="npu.attention_units"))
        if problems:
            raise InputError(problems)

    @property
    def k_block(self) -> int:
        """K of a block of weights: along the rows, or along the columns where the activations stay."""
        return self.columns if self.dataflow == "input-stationary" else self.rows

    @property
    def n_block(self) -> int:
        """Columns of a block of weights, likewise."""
        return self.rows if self.dataflow == "input-stationary" else self.columns

    @property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates of all arrays in a cycle."""
        return self.arrays * self.rows * self.columns
