"""Where the time of a run on PIM-GPT goes, from shapes and timing alone: a second opinion that knows nothing of the simulator.

No program, no kernel, no state of a bank: only how many rows a product has and how long a row takes. ``docs/validation.md`` has the
reasoning behind every formula. Refresh is the one part that is not a formula but a recurrence: the next one is due exactly tREFI
after the last, and costs nothing where a channel waits anyway.

It holds for what PIM-GPT (arXiv 2310.09385) runs: GPT-2 blocks, batch 1, one prompt token, a context within a row of V,
``overlap: none``, ``all_bank_act: single``, no postponed refresh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import NamedTuple

from pimsim import units
from pimsim.asic.spec import AsicSpec
from pimsim.config import SystemConfig
from pimsim.model.architecture import Architecture
from pimsim.units import BF16_BYTES, ceil_div

CAUSES = ("weights", "scores", "attention", "buffer_fill", "result_read", "k_append", "v_append", "refresh", "asic", "idle")
"""``weights``, ``scores`` and ``attention`` are MACs with the opening and closing of their rows; the rest is what it says."""


@dataclass(frozen=True)
class Part:
    """The memory and the ASIC: sizes, and timing in clocks of the memory."""

    channels: int
    banks: int
    lanes: int
    columns: int
    tick_fs: int
    asic: AsicSpec
    tMAC: int
    tRCDMAC: int
    tRCDWR: int
    tRP: int
    tRAS: int
    tRTP: int
    tRRDS: int
    tRRDL: int
    tFAW: int
    tWR: int
    tWTRS: int
    tRFCab: int
    tREFI: int
    BL: int
    CWL: int
    CWLGB: int

    @classmethod
    def of(cls, config: SystemConfig) -> Part:
        """The numbers of a configuration.

        Raises:
            ValueError: the configuration is outside of what the formulas hold for.
        """
        memory, pim, asic = config.memory, config.pim, config.asic
        if pim is None or asic is None or config.system.overlap != "none" or pim.all_bank_act != "single":
            raise ValueError("the closed forms hold for PIM-GPT with overlap none and all_bank_act single")
        if config.controller.refresh != "all-bank" or config.controller.postpone:
            raise ValueError("the closed forms hold for all-bank refresh that is not postponed")
        clocks = ceil_div(units.FS_PER_S, (pim.clock or units.FS_PER_S) * memory.tCK)
        macs = ceil_div(memory.column_bytes // BF16_BYTES, pim.lanes) * clocks
        timing = dict(memory.timing_cycles) | {"tMAC": max(memory.timing_cycles["tCCDL"], macs)}
        part = cls(memory.channels, memory.banks, memory.column_bytes // BF16_BYTES, memory.columns, memory.tCK, asic.spec(),
                   *(timing[f.name] for f in fields(cls)[6:]))  # fmt: skip
        if part.tRAS > part.tRCDWR + part.CWL + part.BL + part.tWR:
            raise ValueError("the closed forms hold for a tRAS that one write outlasts")
        return part

    @property
    def slack(self) -> int:
        """Ticks that tRTP still asks for when the result behind the last MAC of a row has been read."""
        return max(self.tRTP - self.tMAC - self.BL, 0)

    def open_on(self, row: int, since: int) -> int:
        """Ticks that a row stays open behind its work, ``row`` ticks that began ``since`` ticks after the activation."""
        return max(self.slack, self.tRAS - since - row)

    def row_columns(self, elements: int) -> list[int]:
        """Columns of each row that so many elements fill."""
        full, rest = divmod(elements, self.lanes * self.columns)
        return [self.columns] * full + ([ceil_div(rest, self.lanes)] if rest else [])

    def share(self, things: int, channel: int) -> int:
        """Of things dealt out to the channels one by one, how many this one has."""
        return ceil_div(max(things - channel, 0), self.channels)


# ---------------------------------------------------------------------- the ASIC


def asic_ticks(part: Part, arch: Architecture, context: int) -> dict[str, int]:
    """Ticks of each kind of the ASIC's work in a layer: pass after pass over the units, and a pipeline's depth for each pass."""
    spec, ffn, hidden = part.asic, arch.ffn, arch.hidden

    def adds(count: int) -> int:
        return ceil_div(count, spec.adders) + spec.add_depth

    def muls(count: int) -> int:
        return ceil_div(count, spec.multipliers) + spec.multiply_depth

    def tree(rows: int, count: int) -> int:
        cycles = 0
        while count > 1:
            pairs, count = count // 2, count - count // 2  # an odd one is written back beside the sums
            written = ceil_div(rows * count * BF16_BYTES, spec.sram_write_bytes_per_cycle)
            cycles += max(ceil_div(rows * pairs, spec.adders), written) + spec.add_depth
        return cycles

    def exp(count: int) -> int:
        return (spec.taylor_terms + 2) * adds(count) + (spec.taylor_terms + 1) * muls(count)

    def reciprocal(count: int) -> int:
        return adds(count) + spec.newton_steps * (2 * muls(count) + adds(count))

    def softmax(heads: int) -> int:
        count = heads * context
        return 2 * tree(heads, context) + 2 * adds(count) + 2 * muls(count) + exp(count) + reciprocal(heads) if heads else 0

    def product(outputs: int, inputs: int) -> int:
        return tree(outputs, len(part.row_columns(inputs))) + adds(outputs)

    inverse_root = adds(2) + spec.invsqrt_newton_steps * (3 * muls(1) + adds(1))
    # a head that is worked on has three values a score in SRAM, every other head one
    others = spec.sram_bytes // (BF16_BYTES * context) - arch.heads
    together = min(arch.heads, max(others // 2, ceil_div(spec.adders, context)))
    blocks, rest = divmod(arch.heads, together)
    cycles = {
        "norm": 2 * (tree(1, hidden) + muls(1)) + 2 * adds(hidden) + 3 * muls(hidden) + adds(1) + inverse_root,
        "gelu": exp(ffn) + reciprocal(ffn) + 9 * adds(ffn) + 4 * muls(ffn),
        "softmax": blocks * softmax(together) + softmax(rest),
        "residual": adds(hidden),
        "qkv": product(3 * hidden, hidden),
        "proj": product(hidden, hidden),
        "ffn1": product(ffn, hidden),
        "ffn2": product(hidden, ffn),
    }
    cycle_fs = units.FS_PER_S // spec.clock_hz
    return {name: ceil_div(count * cycle_fs, part.tick_fs) for name, count in cycles.items()}


# ---------------------------------------------------------------------- the memory


class Pass(NamedTuple):
    """What one filling of the buffer serves: ``rows`` rows, each of so many columns and results."""

    columns: int
    results: int
    rows: int


@dataclass(frozen=True)
class Span:
    """The work of the channels on one operator, and the wait for the ASIC behind it. One number a channel, in ticks.

    Attributes:
        cause: what the operator's MACs, rows and writes belong to.
        length: from the begin of the span to the channel's end.
        charged, fill, read: ticks of the channel for the cause, for filling the buffer, for reading results.
        closing: at the channel's begin, until all rows are closed.
        tail: at the channel's end, in which no refresh can begin.
        wait: ticks of the ASIC behind the slowest channel.
        taken, added: ticks that a refresh in the course takes from the closing of rows for itself, or adds to it.
        closed: whether the work ends with closing the last row.
    """

    cause: str
    length: tuple[int, ...]
    charged: tuple[int, ...]
    fill: tuple[int, ...]
    read: tuple[int, ...]
    closing: tuple[int, ...]
    tail: tuple[int, ...]
    wait: int = 0
    taken: int = 0
    added: int = 0
    closed: bool = False

    @cached_property
    def ticks(self) -> int:
        """From begin to end."""
        return max(self.length) + self.wait


def product(part: Part, cause: str, passes: Sequence[Sequence[Pass]], wait: int = 0, *,
            held: Sequence[int] | None = None, before: Sequence[int] | None = None) -> Span:
    """A product in the memory, its passes channel by channel.

    A pass closes what is open, opens its first row in all banks and fills the buffer meanwhile; then row by row: MACs and results,
    close tRTP behind the last MAC and tRAS behind the activation, tRP, activate, tRCD.

    Args:
        held: ticks by which a channel closes its first row late because the operator before has just ended.
        before: ticks of closing it that had passed when the span began.
    """
    each = []
    closing, opening, burst = part.tRP, part.tRCDMAC, part.BL
    for channel, own in enumerate(passes):
        charged = fill = read = tail = 0
        late, passed = held[channel] if held else 0, before[channel] if before else 0
        for at in own:
            row = at.columns * part.tMAC + at.results * burst
            filled = 1 + at.columns * burst + part.CWLGB  # from the activation to the arrival of the last operand
            begin = max(opening, filled)
            first, other = part.open_on(row, begin), part.open_on(row, opening)
            between = first + (at.rows - 2) * other + (at.rows - 1) * (closing + opening) if at.rows > 1 else 0
            charged += late + closing + begin - at.columns * burst + between + at.rows * at.columns * part.tMAC
            late = other if at.rows > 1 else first
            fill += at.columns * burst
            turn = max(filled + part.tWTRS - begin - at.columns // at.results * part.tMAC, 0)  # from writing to reading
            read += at.rows * at.results * burst + turn
            tail = closing + row + turn + (opening if at.rows > 1 else begin)
        each.append((charged + fill + read - passed if own else 0, charged, fill, read, closing - passed, tail))
    lengths, charges, fills, reads, closings, tails = (tuple(ticks) for ticks in zip(*each, strict=True))
    return Span(cause, lengths, charges, fills, reads, closings, tails, wait, part.slack)


def weights(part: Part, outputs: int, inputs: int) -> list[list[Pass]]:
    """The passes of a matrix: outputs are dealt out to all banks; a row holds 1,024 inputs of one output."""
    slots = [ceil_div(max(outputs - c * part.banks, 0), part.channels * part.banks) for c in range(part.channels)]
    return [[Pass(columns, 1, own) for columns in part.row_columns(inputs)] if own else [] for own in slots]


def key_rows(part: Part, arch: Architecture) -> list[tuple[int, int]]:
    """(columns, heads) of each row that a token's key takes: as many whole heads as fit."""
    each = ceil_div(arch.head_dim, part.lanes)
    full, rest = divmod(arch.heads, part.columns // each)
    return [(heads * each, heads) for heads in [part.columns // each] * full + ([rest] if rest else [])]


def append_keys(part: Part, arch: Architecture, context: int) -> Span:
    """Write the key of one token: one bank of one channel, row after row; the other channels have nothing to do."""
    rows = key_rows(part, arch)
    each = [part.tRP + part.tRCDWR + columns * part.BL for columns, _ in rows]
    ticks = sum(each) + (len(rows) - 1) * (part.CWL + part.tWR)  # write recovery, behind the last write's own ticks

    def here(value: int) -> tuple[int, ...]:
        return tuple(value if c == (context - 1) % part.channels else 0 for c in range(part.channels))

    # the last data arrives CWL behind the command's own ticks
    return Span("k_append", here(ticks + part.CWL), here(ticks), here(0), here(0), here(part.tRP), here(each[-1] + part.CWL))


def append_values(part: Part, arch: Architecture, context: int) -> Span:
    """Write the value of one token, a row a dimension: as many turns through the banks as a channel has dimensions for each.

    A turn activates a bank every tRRD, four every tFAW; the last is written tRCD later and closed CWL + BL + tWR behind that, and then
    the next turn begins. The channel that wrote the key first waits out the recovery of that.
    """
    distance = max(part.tRRDS, part.tRRDL)
    fours, rest = divmod(part.banks - 1, 4)
    last = fours * max(part.tFAW, 4 * distance) + rest * distance
    turn = last + part.tRCDWR + part.CWL + part.BL + part.tWR + 1
    turns = [part.share(arch.heads, c) * arch.head_dim // part.banks for c in range(part.channels)]
    recovery = [part.tWR if c == (context - 1) % part.channels else 0 for c in range(part.channels)]
    closing = tuple(part.tRP + late for late in recovery)
    length = tuple(n * turn - 1 + close if n else 0 for n, close in zip(turns, closing, strict=True))
    nothing = (0,) * part.channels
    return Span("v_append", length, length, nothing, nothing, closing, (turn,) * part.channels, added=part.tRP - 1, closed=True)


@dataclass(frozen=True)
class Layer:
    """A decoder layer on a part."""

    part: Part
    arch: Architecture

    @cached_property
    def matrices(self) -> dict[str, Span]:
        """The products whose time no context changes."""
        part, hidden, ffn = self.part, self.arch.hidden, self.arch.ffn
        asic = asic_ticks(part, self.arch, 1)
        return {
            "qkv": product(part, "weights", weights(part, 3 * hidden, hidden), asic["qkv"]),
            "ffn1": product(part, "weights", weights(part, ffn, hidden), asic["ffn1"] + asic["gelu"]),
            "ffn2": product(part, "weights", weights(part, hidden, ffn), asic["ffn2"] + asic["residual"] + asic["norm"]),
        }

    def spans(self, context: int) -> list[Span]:
        """The layer at a context, in order; the wait for its first norm stands behind the layer before."""
        part, arch, channels = self.part, self.arch, range(self.part.channels)
        asic = asic_ticks(part, arch, context)
        values = append_values(part, arch, context)
        groups = [ceil_div(part.share(context, c), part.banks) for c in channels]
        scores = [[Pass(*row, n) for row in key_rows(part, arch)] if n else [] for n in groups]
        dimension = Pass(ceil_div(context, part.lanes), 1, arch.head_dim // part.banks)
        open_on = part.open_on(dimension.columns * part.tMAC + part.BL, part.tRCDMAC)
        attention = product(part, "attention", [[dimension] * part.share(arch.heads, c) for c in channels])
        return [
            self.matrices["qkv"],
            append_keys(part, arch, context),
            values,
            # all banks are closed; on the channel with the most values the last has just begun to close
            product(part, "scores", scores, asic["softmax"], before=[min(part.tRP, values.ticks - n) for n in values.length]),
            attention,
            product(part, "weights", weights(part, arch.hidden, arch.hidden), asic["proj"] + asic["residual"] + asic["norm"],
                    held=[max(open_on - (attention.ticks - n), 0) for n in attention.length]),
            self.matrices["ffn1"],
            self.matrices["ffn2"],
        ]  # fmt: skip


# ---------------------------------------------------------------------- refresh


@dataclass
class Clock:
    """Elapsed ticks; for each channel when its next refresh is due and when one that began in a wait ends (0: no matter)."""

    part: Part
    now: int
    due: list[int]
    free: list[int]
    quiet: int = 0  # the tick up to which no channel refreshes or finds its rows closed
    charged: Counter[str] = field(default_factory=Counter)

    def advance(self, span: Span) -> None:
        """Let a span pass.

        A refresh goes before the next row that is opened, and costs tRFC. In a wait it goes at once and costs what it outlasts the
        wait by; if it had to close the rows itself, the next work has a tRP less to do.
        """
        start = self.now
        self.now += span.ticks
        if self.quiet >= self.now:
            return
        refresh, close, interval = self.part.tRFCab, self.part.tRP, self.part.tREFI
        charged = opening = 0
        ends = []
        for c, (length, tail) in enumerate(zip(span.length, span.tail, strict=True)):
            begin = start
            if length and self.free[c]:
                begin = max(start, self.free[c]) - span.closing[c]
                opening += begin - start - min(max(self.free[c] - start, 0), refresh)
                self.free[c] = 0
            end = begin + length
            while length and self.due[c] < end - tail:
                course = self.due[c] > begin  # not before the first row
                charged += refresh + course * span.taken
                opening += course * (span.added - span.taken)
                end += refresh + course * span.added
                self.due[c] += interval
            ends.append(end)
        self.now = max(ends) + span.wait
        for c, end in enumerate(ends):
            closed = end + close if span.closed else 0
            while (at := max(self.due[c], end, closed)) < self.now:
                self.free[c] = at + refresh + (0 if closed else close)
                charged += min(max(self.free[c] - self.now, 0), refresh)
                self.due[c] += interval
        self.quiet = 0 if any(self.free) else min(self.due)
        self.charged["refresh"] += charged
        self.charged[span.cause] += opening


def closed_form(config: SystemConfig, arch: Architecture, tokens: int) -> dict[str, float]:
    """Ticks of a channel (the mean of all) by cause over a whole run from one prompt token on, and their ``total``.

    Raises:
        ValueError: the configuration or model is outside of what the formulas hold for.
    """
    part = Part.of(config)
    blocks = arch.norm == "layernorm" and arch.activation == "gelu" and arch.heads == arch.kv_heads and not arch.gated_ffn
    if not blocks or arch.head_dim % part.banks or tokens > part.lanes * part.columns:
        raise ValueError("the closed forms hold for GPT-2 blocks and a context within a row")
    charged: Counter[str] = Counter()
    first = asic_ticks(part, arch, 1)["norm"]
    clock = Clock(part, first, [part.tREFI] * part.channels, [0] * part.channels)
    layer = Layer(part, arch)
    for context in range(1, tokens + 1):
        spans = layer.spans(context)
        for span in spans:
            for cause, ticks in ((span.cause, span.charged), ("buffer_fill", span.fill), ("result_read", span.read)):
                charged[cause] += sum(ticks) * arch.layers
            charged["asic"] += span.wait * part.channels * arch.layers
        for _ in range(arch.layers):
            for span in spans:
                clock.advance(span)
    charged.update(clock.charged)
    total = clock.now - first  # the last layer has no norm behind it
    mean = {cause: charged[cause] / part.channels for cause in CAUSES}
    mean["idle"] = total - sum(mean.values())
    return {**mean, "total": total}
