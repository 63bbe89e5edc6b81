"""Systems, parts and workloads load, override, resolve, and refuse what is wrong all at once."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pimsim import assets, config
from pimsim.config import load_dram, load_system, load_workload, resolved
from pimsim.errors import InputError, Problem

Write = Callable[[str, str], Path]


def problems(load: Callable[..., Any], *args: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(*args)
    return [str(problem) for problem in caught.value.problems]


LOADERS = {
    "system": config.load_any,
    "dram": config.load_dram,
    "asic": config.load_asic,
    "npu": config.load_npu,
    "efficiency": config.load_efficiency,
    "workload": config.load_workload,
}
SHIPPED = [(kind, name) for kind in LOADERS for name in assets.list_assets(kind)]


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_everything_that_ships_loads_under_its_name(kind: str, name: str) -> None:
    assert LOADERS[kind](name).name == name


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_what_is_resolved_reads_back_equal(kind: str, name: str, tmp_path: Path) -> None:
    first = resolved(LOADERS[kind](name))
    file = tmp_path / f"{name}.yaml"
    file.write_text(yaml.safe_dump(first))
    assert resolved(LOADERS[kind](file)) == first


def test_pim_gpt_is_eight_channels_of_sixteen_banks() -> None:
    memory = load_system("pim-gpt").memory
    assert (memory.channels, memory.banks, memory.bankgroups, memory.row_bytes) == (8, 16, 4, 2048)
    assert memory.capacity_bytes == 4 * 2**30
    assert memory.bank_bytes == 32 * 2**20
    assert memory.external_bytes_per_s == 256e9


def test_pim_gpt_s_timing_is_the_papers_in_half_nanosecond_clocks() -> None:
    cycles = load_system("pim-gpt").memory.timing_cycles
    names = ("tRCDMAC", "tRP", "tCCDL", "tWR", "tRFCab", "tREFI", "BL")
    assert [cycles[name] for name in names] == [24, 24, 2, 24, 910, 13650, 2]


def test_aim_has_the_timing_that_takes_effect() -> None:
    part = load_dram("gddr6-aim")
    assert (part.memory.channels, part.controller.refresh) == (32, "none")
    names = ("tRCDMAC", "tRP", "tRTP", "tCCDS", "tRRDS", "tREFI", "CL", "CWL", "BL")
    assert [part.memory.timing_cycles[name] for name in names] == [56, 32, 12, 2, 5, 7800, 50, 6, 2]


def test_the_default_currents_are_the_retrieved_ones() -> None:
    currents = load_system("pim-gpt").memory.chosen_currents
    assert currents is not None
    assert (currents.VDD, currents.IDD0, currents.IDD3N, currents.IDD5AB) == (1.35, 0.071, 0.061, 0.286)


def test_the_papers_currents_are_a_variant() -> None:
    currents = load_system("pim-gpt", ["memory.currents_variant=paper"]).memory.chosen_currents
    assert currents is not None
    assert (currents.VDD, currents.IDD0, currents.IDD3N) == (1.25, 0.122, 0.142)


def test_a_part_lies_beneath_its_system(system: Path) -> None:
    loaded = load_system(system)
    assert (loaded.memory.channels, loaded.memory.banks, loaded.controller.refresh) == (4, 16, "none")


def test_a_part_is_found_beside_the_file_that_names_it(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load_system(system).memory.rows == 64


def test_overrides_come_last(system: Path) -> None:
    assert load_system(system, ["memory.channels=8", "memory.timing.tRCD=14 ns"]).memory.timing_cycles == {
        "tRCDRD": 28, "tRCDWR": 28, "tRP": 24, "BL": 2,
    }


def test_an_override_may_change_the_part() -> None:
    loaded = load_system("pim-gpt", ["memory.part=gddr6-aim"])
    assert (loaded.memory.channels, loaded.memory.command_set) == (32, "aim")


def test_workload_overrides_do_not_touch_the_system(system: Path) -> None:
    assert load_system(system, ["workload.batch=2"]) == load_system(system)


def test_other_overrides_do_not_touch_the_workload() -> None:
    assert load_workload("gpt2-xl", ["memory.channels=4"]) == load_workload("gpt2-xl")


def test_a_part_refuses_overrides_of_a_workload() -> None:
    (said,) = problems(load_dram, "gddr6-pim", ["workload.batch=2"])
    assert said.startswith("--set workload.batch: unknown key 'workload'")


def test_the_burst_follows_from_the_pins() -> None:
    assert load_system("pim-gpt", ["memory.pin_rate=8 Gb/s"]).memory.timing_cycles["BL"] == 4


def test_a_burst_that_is_given_stays() -> None:
    assert load_system("pim-gpt", ["memory.timing.BL=3", "memory.pin_rate=8 Gb/s"]).memory.timing_cycles["BL"] == 3


def test_the_asic_is_what_pimsim_asic_computes_with() -> None:
    asic = load_system("pim-gpt", ["asic.clock=100 MHz", "asic.sram_bytes=64 KiB"]).asic
    assert asic is not None
    spec = asic.spec()
    assert (spec.clock_hz, spec.sram_bytes, spec.adders, spec.power_w) == (10**8, 65536, 256, 0.30459)


def test_all_problems_are_reported_at_once_each_at_its_place(write: Write, system: Path) -> None:
    bad = write("bad.yaml", """\
kind: mine
memory:
  part: part.yaml
  channls: 8
  banks: 16.5
  rows: -1
  columns: zero
  column_bytes: 32 ns
  timing:
    tRDC: 12 ns
    tRP: .nan
controller: {policy: fcfss}
system:
  overlap: yes
""")
    assert problems(load_system, bad, ["memory.tCK=0 ns", "memory.ranks=0", "oops"]) == [
        "--set: 'oops' is not PATH=VALUE; for example memory.channels=4",
        "--set memory.ranks: 0 is zero; more than zero",
        "--set memory.tCK: 0 ns is zero; more than zero",
        f"{bad}:1:1: mapping: is missing; where tensors lie and how operators become commands",
        f"{bad}:4:3: memory.channls: unknown key 'channls'; did you mean 'channels'?",
        f"{bad}:5:10: memory.banks: 16.5 is not a whole number; for example 8",
        f"{bad}:6:9: memory.rows: -1 is below zero; more than zero",
        f"{bad}:7:12: memory.columns: 'zero' is not a whole number; for example 8",
        f"{bad}:8:17: memory.column_bytes: 'ns' is not a unit of size; "
        "one of: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB",
        f"{bad}:10:5: memory.timing.tRDC: unknown timing name 'tRDC'; did you mean 'tRC'?",
        f"{bad}:11:10: memory.timing.tRP: nan is not a duration; "
        "a time ('12 ns') or a whole number of clocks ('27 ck', 27), not below zero",
        f"{bad}:12:22: controller.policy: 'fcfss' is not a choice here; "
        "did you mean 'fcfs'? allowed: ramulator-rowhit, ramulator-frfcfs, dramsim3-fr32, fcfs",
        f"{bad}:14:12: system.overlap: 'yes' is not a choice here; allowed: none, pipelined",
    ]


def test_a_lost_part_is_reported_with_the_rest_and_nothing_is_called_missing(write: Write) -> None:
    bad = write("bad.yaml", "kind: x\nmapping: x\nmemory: {part: gddr6-pin, rows: 0}\nasic: {part: nowhere.yaml}\n")
    assert problems(load_system, bad) == [
        f"{bad}:3:16: memory.part: 'gddr6-pin' is not a DRAM part that ships, nor a file; did you mean 'gddr6-pim'?",
        f"{bad}:3:33: memory.rows: 0 is zero; more than zero",
        f"{bad}:4:14: asic.part: nowhere.yaml: no such file",
    ]


def test_a_problem_in_a_part_is_reported_in_the_part_s_file(write: Write, system: Path) -> None:
    part = write("part.yaml", (system.parent / "part.yaml").read_text().replace("rows: 64", "rows: 6.4"))
    assert problems(load_system, system) == [f"{part}:6:9: memory.rows: 6.4 is not a whole number; for example 8"]


def test_a_part_holds_only_its_own_sections(write: Write, system: Path) -> None:
    part = write("part.yaml", "memroy: {}\nasic: {}\n")
    assert [said.partition(";")[0] for said in problems(load_system, system)] == [
        f"{part}:1:1: memroy: unknown key 'memroy' in a dram part",
        f"{part}:2:1: asic: unknown key 'asic' in a dram part",
    ]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("memory=3", "--set memory: 3 is not a section; a mapping of keys to values"),
        ("memory.channels.x=3", "--set memory.channels.x: a section is not a value; one value"),
        ("memory.channels=true", "--set memory.channels: True is not a whole number"),
        ("memory.channels='8'", "--set memory.channels: '8' is not a whole number"),
        ("memory.channels=1e30", "--set memory.channels: 1e+30 is too large"),
        ("memory.channels=", "--set memory.channels: is empty"),
        ("memory.banks=6", "--set memory.banks: 6 banks do not divide into 4 bank groups; a multiple of 4"),
        ("memory.row_buffers=3", "--set memory.row_buffers: 3 row buffers; 1 or 2"),
        ("memory.currents_variant=papr", "--set memory.currents_variant: 'papr' is not a set of currents of this part"),
        ("memory.standard=GDR6", "--set memory.standard: 'GDR6' is not a DRAM standard; did you mean 'GDDR6'?"),
        ("memory.standard=6", "--set memory.standard: 6 is not a text; a text"),
        ("memory.currents.IDD0=71", "--set memory.currents.IDD0: '71' has no unit"),
        ("memory.currents.IDD0=-71 mA", "--set memory.currents.IDD0: -71 mA is below zero; zero or more"),
        ("memory.part=[1]", "--set memory.part: '[1]' is not a name"),
        ("controller.postpone=9", "--set controller.postpone: 9 is too large; at most 8"),
        ("pim.mac_power=", "--set pim.mac_power: "),
        ("asic.chained=on", "--set asic.chained: 'on' is not true or false; true, false"),
        ("compat.free=maybe", "--set compat.free: 'maybe' is not true or false; true, false"),
        ("system.approximate=layer", "--set system.approximate: 'layer' is not a choice here; did you mean 'layers'?"),
        ("systm.overlap=none", "--set systm.overlap: unknown key 'systm'; did you mean 'system'?"),
    ],
)
def test_a_bad_override_is_refused_by_its_name(override: str, said: str) -> None:
    found = problems(load_system, "pim-gpt", [override])
    if override == "pim.mac_power=":
        assert any("unit-power needs mac_power" in line for line in found)
    else:
        assert any(line.startswith(said) for line in found), found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("layers", ("layers",)),
        ("layers, iterations", ("layers", "iterations")),
        ("[iterations]", ("iterations",)),
        ("none", ()),
        ("", ()),
    ],
)
def test_approximations_are_written_as_a_list_or_with_commas(text: str, value: tuple[str, ...]) -> None:
    assert load_system("pim-gpt", [f"system.approximate={text}"]).system.approximate == value


def test_sub_batches_are_on_off_or_auto_not_true_or_false() -> None:
    assert load_system("pim-gpt", ["scheduler.sub_batches=on"]).scheduler.sub_batches == "on"


def test_an_empty_file_is_refused(write: Write) -> None:
    file = write("empty.yaml", "")
    assert problems(load_system, file) == [f"{file}: is empty; a mapping of keys to values"]


def test_the_papers_run_is_one_request_of_1024_tokens() -> None:
    run = load_workload("gpt2-xl")
    assert (run.model, run.batch, run.prompt_tokens, run.output_tokens) == ("gpt2-xl", 1, 1, 1024)
    assert (run.lm_head, run.embedding, run.prefill, run.dtype) == (False, False, "inline", "bf16")


@pytest.mark.parametrize("name", [f"gpt{v}-{size}" for v in (2, 3) for size in ("small", "medium", "large", "xl")])
def test_the_papers_eight_models_are_workloads(name: str) -> None:
    assert load_workload(name).model == name


def test_a_model_s_name_is_a_workload() -> None:
    run = load_workload("llama-3-8b", ["workload.batch=4"])
    assert (run.name, run.model, run.batch, run.output_tokens) == ("llama-3-8b", "llama-3-8b", 4, 1024)


def test_a_config_json_is_a_workload(tmp_path: Path) -> None:
    file = tmp_path / "mine" / "config.json"
    file.parent.mkdir()
    file.write_bytes(assets.find("model", "gpt2-small").read_bytes())
    run = load_workload(file)
    assert (run.name, run.model) == ("mine", str(file))


def test_a_workload_s_files_are_relative_to_it(write: Write, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(assets.find("model", "gpt2-small").read_bytes())
    write("requests.csv", "seq_len\n1\n")
    run = load_workload(write("w.yaml", "model: config.json\nrequests: requests.csv\n"))
    assert (run.model, run.requests) == (str(tmp_path / "config.json"), str(tmp_path / "requests.csv"))


def test_a_workload_s_problems_are_reported_at_once(write: Write) -> None:
    file = write("w.yaml", "model: gpt2-xxl\nbatch: 0\nprefill: elswhere\ndtype: bf61\nrequests: none.csv\ntokens: 3\n")
    assert problems(load_workload, file, ["workload.output_tokens=2.5"]) == [
        "--set workload.output_tokens: 2.5 is not a whole number; for example 8",
        f"{file}:1:8: model: 'gpt2-xxl' is not a model that ships, nor a file; did you mean 'gpt2-xl'?",
        f"{file}:2:8: batch: 0 is zero; more than zero",
        f"{file}:3:10: prefill: 'elswhere' is not a choice here; did you mean 'elsewhere'? allowed: inline, elsewhere",
        f"{file}:4:8: dtype: 'bf61' is not a data type; did you mean 'bf16'?",
        f"{file}:5:11: requests: no such file 'none.csv'",
        f"{file}:6:1: tokens: unknown key 'tokens'; did you mean 'prompt_tokens'?",
    ]


def test_long_names_of_data_types_are_shortened() -> None:
    assert load_workload("gpt2-xl", ["workload.dtype=torch.float16"]).dtype == "fp16"


def test_an_unknown_workload_is_answered_with_the_nearest() -> None:
    (said,) = problems(load_workload, "gpt2-xll")
    assert said.endswith("did you mean 'gpt2-xl'?")


def test_a_system_s_and_a_workload_s_problems_are_reported_together() -> None:
    found = problems(config.load, "pim-gpt", "gpt2-xl", ["memory.channels=0", "workload.batch=0"])
    assert [said.partition(":")[0] for said in found] == ["--set memory.channels", "--set workload.batch"]


def test_loading_both_gives_both() -> None:
    system, workload = config.load("pim-gpt", "gpt2-xl", ["memory.channels=4", "workload.batch=2"])
    assert (system.memory.channels, workload.batch) == (4, 2)


def test_a_configuration_is_frozen_all_through() -> None:
    loaded = load_system("pim-gpt")
    with pytest.raises(ValueError, match="frozen"):
        loaded.memory.channels = 4
    with pytest.raises(TypeError, match="cannot be changed"):
        loaded.memory.timing["tRP"] = loaded.memory.timing["tRCDRD"]
    with pytest.raises(TypeError, match="cannot be changed"):
        loaded.memory.timing.update({})


def test_a_configuration_survives_pickling() -> None:
    loaded = load_system("pim-gpt")
    assert pickle.loads(pickle.dumps(loaded)) == loaded


def test_equal_configurations_have_equal_hashes() -> None:
    assert hash(load_system("pim-gpt").memory) == hash(load_system("pim-gpt").memory)


def test_a_later_problem_gets_the_place_of_its_key(system: Path) -> None:
    loaded = load_system(system, ["memory.rows=32"])
    with pytest.raises(InputError) as caught, loaded.located():
        raise InputError([Problem("too few", key="memory.channels"), Problem("odd", key="memory.rows"), Problem("x")])
    assert [str(problem) for problem in caught.value.problems] == [
        f"{system}:4:13: memory.channels: too few (with --set memory.rows)", "--set memory.rows: odd", "x",
    ]


@pytest.mark.parametrize(("overrides", "said"), [
    (["memory.bankgroups=3"], "memory.banks: 16 banks do not divide into 3 bank groups (with --set memory.bankgroups); a multiple of 3"),
    (["memory.device_width=8"], "memory.pins: 16 pins, but devices x device_width is 1 x 8 (with --set memory.device_width); 8"),
    (["memory.devices=2", "controller.postpone=1"],
     "memory.pins: 16 pins, but devices x device_width is 2 x 16 (with --set memory.devices); 32"),
])  # fmt: skip
def test_a_line_that_an_override_made_wrong_names_the_override(overrides: list[str], said: str) -> None:
    [found] = problems(load_system, "pim-gpt", overrides)
    assert re.fullmatch(r".*gddr6-pim\.yaml:\d+:\d+: " + re.escape(said), found)


def test_a_later_problem_names_the_overrides_of_other_sections_if_its_own_has_none(system: Path) -> None:
    loaded = load_system(system, ["controller.postpone=1"])
    with pytest.raises(InputError, match=r"memory\.channels: too few \(with --set controller\.postpone\)"), loaded.located():
        raise InputError(Problem("too few", key="memory.channels"))


@pytest.mark.parametrize("key", ["channels", "ranks", "sids", "bankgroups", "banks"])
def test_a_memory_that_nobody_could_mean_is_refused(key: str) -> None:
    found = problems(load_system, "pim-gpt", [f"memory.{key}=1000000000"])
    assert any(line.startswith(f"--set memory.{key}: 1000000000 is too large; at most ") for line in found), found


names = st.sampled_from(["memory", "timing", "channels", "tRCD", "asic", "clock", "kind", "system", "part", "x", "0"])
VALUES = ["12 ns", "0", "-1", ".nan", "[1]", "{a: 1}", "1e99", "gddr6-aim"]
texts = st.one_of(st.text(max_size=8), st.sampled_from(VALUES))


@given(st.lists(st.tuples(st.lists(names, min_size=1, max_size=3), texts), max_size=3))
def test_any_override_is_taken_or_refused_as_input(overrides: list[tuple[list[str], str]]) -> None:
    try:
        loaded = load_system("pim-gpt", [f"{'.'.join(path)}={value}" for path, value in overrides])
    except InputError as error:
        assert all(problem.file for problem in error.problems)
    else:
        assert loaded.memory.channels > 0


@pytest.mark.parametrize("kind", LOADERS)
def test_every_kind_has_a_json_schema(kind: str) -> None:
    made = config.schema(kind)
    assert made["$schema"].startswith("https://json-schema.org/")
    assert json.loads(json.dumps(made)) == made


def test_a_schema_describes_every_field() -> None:
    definitions = config.schema("system")["$defs"]
    undescribed = [
        f"{owner}.{name}" for owner, body in definitions.items() for name, field in body["properties"].items()
        if "description" not in field and "$ref" not in field
    ]
    assert not undescribed


def test_a_system_s_schema_asks_for_no_keys_that_a_part_gives() -> None:
    assert "required" not in config.schema("system")["$defs"]["MemoryConfig"]


def test_an_unknown_kind_of_schema_is_answered_with_the_nearest() -> None:
    assert problems(config.schema, "sytem") == ["no schema for 'sytem'; did you mean 'system'?"]
