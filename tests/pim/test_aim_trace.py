"""Reading AiM host-instruction traces: what a line becomes, and what is wrong with one that becomes nothing."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pimsim.dram.spec import Organization
from pimsim.dram.table_file import Rows
from pimsim.errors import InputError
from pimsim.kernels import host_layout as host
from pimsim.pim.aim import AIM, COMMANDS, LUT_ROW
from pimsim.pim.aim_trace import AimTrace, is_aim_trace, read_aim_trace

ORGANIZATION = Organization(1, 1, 4, 4, 16384, 64, 32)
CODES = {c.name: n for n, c in enumerate(COMMANDS)}

Read = Callable[..., AimTrace]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read lines, as for a part of so many channels."""

    def read_lines(*lines: str, channels: int = 32, end: str = "AiM EOC") -> AimTrace:
        path = tmp_path / "t.trace"
        path.write_text("".join(f"{line}\n" for line in (*lines, *([end] if end else []))))
        return read_aim_trace(path, ORGANIZATION, channels, CODES, AIM.register_mode)

    return read_lines


def problems(read: Read, *lines: str, channels: int = 32, end: str = "AiM EOC") -> list[str]:
    with pytest.raises(InputError) as error:
        read(*lines, channels=channels, end=end)
    return [str(p).partition("t.trace:")[2] for p in error.value.problems]


def first(trace: AimTrace) -> np.ndarray:
    return trace.instructions[0]


def channels_of(trace: AimTrace, instruction: int = 0) -> list[int]:
    return np.flatnonzero(trace.selectors[trace.instructions[instruction, host.SELECTOR]]).tolist()


def test_a_pim_instruction_is_its_command_so_many_columns_long(read: Read) -> None:
    trace = read("AiM COPY_BKGB 3 1 5 7")
    assert first(trace)[: host.SELECTOR].tolist() == [host.PIM_COMMAND, CODES["RDCP"], 5, 7, 3, 0, 0]


def test_register_commands_say_so(read: Read) -> None:
    assert first(read("AiM WR_GB 2 0 1"))[host.REGISTER] == 1


def test_result_reads_block(read: Read) -> None:
    assert first(read("AiM RD_MAC 0 1"))[host.BLOCKING] == 1


def test_bit_0_of_a_mask_is_the_last_channel(read: Read) -> None:
    assert channels_of(read("AiM AF 1")) == [31]


def test_the_highest_bit_is_channel_0(read: Read) -> None:
    assert channels_of(read("AiM AF 0x80000000")) == [0]


def test_masks_count_from_the_part_s_last_channel(read: Read) -> None:
    assert channels_of(read("AiM AF 6", channels=4)) == [1, 2]


def test_memory_accesses_name_a_channel(read: Read) -> None:
    trace = read("W MEM 3 2 9")
    assert channels_of(trace) == [3]
    assert first(trace)[: host.COUNT].tolist() == [host.MEMORY_WRITE, CODES["WR"], 2, 9]


def test_single_bank_accesses_use_the_ordinary_queue(read: Read) -> None:
    assert first(read("AiM RD_SBK 0 1 4 5"))[: host.COUNT].tolist() == [host.MEMORY_READ, CODES["RD"], 4, 5]


def test_the_activation_function_s_row_follows_its_register(read: Read) -> None:
    trace = read("AiM AF 1", "W CFR 2 3", "AiM AF 1")
    assert trace.instructions[[0, 2], host.ROW].tolist() == [LUT_ROW, LUT_ROW + 3]


@pytest.mark.parametrize("line", ["W GPR 0", "R GPR 1", "W CFR 0 1", "R CFR 1", "R CFR 1 0", "AiM EWADD 4 8 12", "AiM EWADD 400 8 12"])
def test_what_stays_with_the_host(line: str, read: Read) -> None:
    assert first(read(line))[host.KIND] == host.HOST_ONLY


@pytest.mark.parametrize("line", ["AiM EOC", "AiM SYNC"])
def test_a_barrier_goes_to_all_channels(line: str, read: Read) -> None:
    trace = read(line)
    assert first(trace)[host.KIND] == host.BARRIER
    assert channels_of(trace) == list(range(32))


def test_the_prefix_of_an_instruction_may_be_there(read: Read) -> None:
    assert first(read("AiM ISR_AF 1"))[host.CODE] == CODES["AF16"]


def test_commas_part_words_too(read: Read) -> None:
    assert first(read("AiM,MAC_ABK,64,0x1,7"))[: host.REGISTER].tolist() == [host.PIM_COMMAND, CODES["MAC16"], 0, 7, 64]


def test_comments_and_empty_lines_are_no_instructions(read: Read) -> None:
    assert len(read("# AiM AF 1", "   ", "", "#", "W GPR 0").instructions) == 2


def test_what_follows_eoc_is_counted_and_ignored(read: Read) -> None:
    trace = read("AiM AF 1", "AiM EOC", "AiM AF 1", "nonsense")
    assert (len(trace.instructions), trace.ignored) == (2, 3)


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(b"AiM AF 1\nAiM EOC\n"))
    assert len(read_aim_trace(path, ORGANIZATION, 32, CODES, AIM.register_mode).instructions) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("AiM MAC_ABC 1 1 0", "unknown instruction 'MAC_ABC'; did you mean 'MAC_ABK'?"),
        ("AiM", "no instruction behind AiM; WR_SBK, "),
        ("AiM WR_AFLUT 4", "WR_AFLUT is not supported; the AiM simulator does not model loading activation tables"),
        ("Aim AF 1", "unknown 'Aim'; a line begins with one of AiM, R, W"),
        ("W MEMORY 1 2 3", "unknown region 'MEMORY'; GPR, CFR or MEM"),
        ("W", "unknown region ''; GPR, CFR or MEM"),
        ("AiM MAC_ABK 64 1", "MAC_ABK with 2 operands; 3 are needed: opsize mask row"),
        ("AiM EOC 1", "EOC with 1 operands; none are allowed"),
        ("AiM AF x", "mask: 'x' is not a whole number; decimal or 0x hexadecimal"),
        ("AiM AF 0xg", "mask: '0xg' is not a whole number; decimal or 0x hexadecimal"),
        ("AiM AF 1.5", "mask: '1.5' is not a whole number; decimal or 0x hexadecimal"),
        ("AiM AF 0", "mask: 0 is out of range; 1 .. 0xffffffff: a bit a channel, of 32"),
        ("AiM AF 0x100000000", "mask: 0x100000000 is out of range; 1 .. 0xffffffff: a bit a channel, of 32"),
        ("AiM MAC_ABK 0 1 0", "opsize: 0 is out of range; 1 .. 64 columns of a row"),
        ("AiM MAC_ABK 65 1 0", "opsize: 65 is out of range; 1 .. 64 columns of a row"),
        ("AiM EWADD 0 0 1", "opsize: 0 is out of range; at least 1"),
        ("AiM MAC_ABK 1 1 16384", "row: 16384 is out of range; a row of a bank, 0 .. 16383"),
        ("AiM MAC_SBK 1 1 16 0", "bank: 16 is out of range; a bank of a channel, 0 .. 15"),
        ("AiM WR_ABK 0 3 0", "mask: WR_ABK to 2 channels; a mask of one channel"),
        ("AiM WR_GB 1 -1 1", "gpr: -1 is out of range; not below 0"),
        ("R MEM 32 0 0", "channel: 32 is out of range; a channel, 0 .. 31"),
        ("W CFR 3 0", "register: 3 is out of range; 0 broadcast, 1 ewmul_bg, 2 afm"),
        ("W CFR 2 8", "value: 8 is no value of register 2; 0 .. 7"),
        ("W CFR 0", "W CFR with 1 operands; 2 are needed: register value"),
        ("R GPR", "R GPR with 0 operands; 1 are needed: gpr"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str, read: Read) -> None:
    (problem,) = problems(read, "W GPR 0", line)
    assert problem.startswith(f"2: {said}")


def test_all_problems_come_at_once(read: Read) -> None:
    found = problems(read, "AiM AF 0", "AiM AF 1", "AiM MAC_SBK 65 0 16 16384", "bad", end="")
    assert [p.partition(":")[0] for p in found] == ["1", "3", "3", "3", "3", "4", "4"]
    assert found[-1] == "4: no AiM EOC follows; AiM EOC as the last instruction"


def test_reading_stops_behind_many_problems(read: Read) -> None:
    assert len(problems(read, *["bad"] * 100)) == 20


def test_a_trace_without_eoc_is_wrong_at_its_last_instruction(read: Read) -> None:
    assert problems(read, "AiM AF 1", "# end", end="") == ["1: no AiM EOC follows; AiM EOC as the last instruction"]


def test_fewer_channels_take_fewer_bits(read: Read) -> None:
    (problem,) = problems(read, "AiM AF 16", channels=4)
    assert problem == "1: mask: 16 is out of range; 1 .. 0xf: a bit a channel, of 4"


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "is empty"), (b"\n \n", "is empty"), (gzip.compress(b"AiM AF 1\n" * 5000)[:-20], "gzip data ends early"),
     (b"\x1f\x8b\x08junk", "gzip")],
)
def test_a_damaged_file_is_named(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.trace"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said) as error:
        read_aim_trace(path, ORGANIZATION, 32, CODES, AIM.register_mode)
    assert error.value.problems[0].file == str(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Rows(tmp_path / "none")


@pytest.mark.parametrize(("text", "aim"), [("# x\n\nAiM EOC\n", True), ("W GPR 0\n", True), ("MAC16 row=1\n", False)])
def test_what_kind_of_program_a_file_is(text: str, aim: bool, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(text)
    assert is_aim_trace(Rows(path)) is aim
