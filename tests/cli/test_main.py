"""The command line: light, and every error a line on stderr with its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from pimsim import __version__, assets
from pimsim.cli import main as cli
from pimsim.errors import InputError, Problem, SimulationError

HEAVY = {"numba", "numpy", "simpy", "pandas", "matplotlib", "pydantic"}


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(args)
    out, err = capsys.readouterr()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, out, err


def modules_after(*args: str) -> set[str]:
    program = (
        "import sys\nfrom pimsim.cli.main import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *args], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("list",), ("list", "-h"), ("list", "system", "--json")])
def test_what_only_tells_loads_nothing_heavy(args: Sequence[str]) -> None:
    assert not HEAVY & modules_after(*args)


def test_help_loads_no_sub_command() -> None:
    loaded = {name for name in modules_after("--help") if name.startswith("pimsim.cli.")}
    assert loaded == {"pimsim.cli.main"}


def test_help_lists_the_sub_commands_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    folder = Path(cli.__file__).parent
    for name, help_ in cli.COMMANDS.items():
        assert (help_ in " ".join(out.split())) is (folder / f"{name}.py").is_file()


@pytest.mark.parametrize("name", cli.cli.list_commands(click.Context(cli.cli)))
def test_every_sub_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: pimsim {name}")


def test_every_module_of_the_folder_is_a_command_or_known_helper() -> None:
    modules = {path.stem for path in Path(cli.__file__).parent.glob("*.py")} - {"__init__", "main", "option"}
    own = {name for name in modules if not name.startswith("micro_")}  # those are commands of micro
    assert {name for name in own if hasattr(_imported(name), "command")} == set(cli.COMMANDS)


def _imported(name: str) -> Any:
    return __import__(f"pimsim.cli.{name}", fromlist=["command"])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"pimsim {__version__}\n", "")


def test_no_command_shows_the_help_and_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: pimsim")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lst",), "pimsim: no command 'lst'; did you mean 'list'?\n"),
        (("list", "--jsn"), "pimsim list: no such option '--jsn'"),
        (("schema",), "pimsim schema: missing argument 'KIND'\n"),
        (("schema", "system", "dram"), "pimsim schema: got unexpected extra argument (dram)\n"),
        (("show", "pim-gpt", "--kind", "sytem"), "pimsim show: invalid value for '--kind': 'sytem' is not one of"),
    ],
)
def test_a_usage_error_is_bad_input_in_one_line(
    args: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert "Traceback" not in err


class _Raises:
    def __init__(self, error: BaseException):
        self.error = error

    def __call__(self, name: str) -> SimpleNamespace:
        @click.command
        def command() -> None:
            raise self.error

        return SimpleNamespace(command=command)


def outcome(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr(cli, "import_module", _Raises(error))
    return run(capsys, "list")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError([Problem("bad", "good", "f", 3, 7, "a.b"), Problem("worse")]), 2, "f:3:7: a.b: bad; good\nworse\n"),
        (SimulationError("energy does not add up"), 1, "energy does not add up\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        (click.Abort(), 130, "interrupted\n"),
        (click.ClickException("no"), 2, "no\n"),
        (OSError(28, "No space left on device", "out.csv"), 1, "out.csv: No space left on device\n"),
    ],
)
def test_an_error_has_its_exit_code_and_goes_to_stderr(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(error, monkeypatch, capsys) == (code, "", said)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "import_module", _Raises(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["list"])


def test_a_command_may_return_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = click.Command("list", callback=lambda: 1)
    monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(command=command))
    assert run(capsys, "list") == (1, "", "")


def test_a_reader_that_goes_away_is_no_error_message() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "pimsim", "list"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_list_names_everything_that_ships(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "--json")
    assert code == 0
    assert json.loads(out) == {kind: list(assets.list_assets(kind)) for kind in assets.KINDS}


def test_list_of_one_kind_is_one_name_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list", "dram") == (0, "".join(f"{name}\n" for name in assets.list_assets("dram")), "")


def test_list_of_an_unknown_kind_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "list", "drum")
    assert (code, out, err) == (2, "", "'drum' is not a kind of shipped file; did you mean 'dram'?\n")


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "schema", "dram")
    assert code == 0
    assert json.loads(out)["title"] == "pimsim dram"


def shown(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    code, out, err = run(capsys, "show", *args, "--json")
    assert (code, err) == (0, "")
    return dict(json.loads(out))


def test_show_of_a_model_gives_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    facts = shown(capsys, str(assets.find("model", "gpt2-xl")))
    assert facts["kind"] == "model"
    assert facts["parameters"]["blocks"] == 12 * 48 * 1600**2
    assert facts["kv_bytes_per_token"] == 2 * 48 * 1600 * 2
    assert facts["macs_per_token"] == 12 * 48 * 1600**2


def test_show_of_a_system_gives_every_number_s_source(capsys: pytest.CaptureFixture[str]) -> None:
    facts = shown(capsys, "pim-gpt", "--set", "memory.channels=4")
    sources = {source["path"]: source for source in facts["provenance"]}
    assert facts["config"]["memory"]["channels"] == 4
    assert sources["memory.channels"]["source"] == "--set"
    remembered = "unverified: PIM-GPT table as remembered"
    path = "memory.timing.tRP"
    assert sources[path] == {"path": path, "value": "12 ns", "source": remembered, "unverified": True}
    assert facts["derived"]["capacity_bytes"] == 2 * 2**30


@pytest.mark.parametrize(("name", "path"), [("gpt2-xl", "worklaod.batch"), ("pim-gpt", "workload.batch")])
def test_show_refuses_overrides_that_it_would_ignore(name: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "show", name, "--set", f"{path}=2")
    assert (code, err.partition(";")[0]) == (2, f"--set: nothing here has '{path}'")


@pytest.mark.parametrize("kind", ["model", "sweep"])
def test_show_of_what_has_nothing_to_override_refuses_overrides(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(iter(assets.list_assets(kind)))
    code, _, err = run(capsys, "show", name, "--kind", kind, "--set", "workload.batch=2")
    assert (code, err) == (2, f"--set: a {kind} has no values to override; none\n")


@pytest.mark.parametrize("kind", assets.KINDS)
def test_show_shows_every_kind_that_ships(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = next(iter(assets.list_assets(kind)))
    assert shown(capsys, name, "--kind", kind)["name"] == name


def test_show_finds_a_set_of_areas_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "28nm")["kind"] == "area"


def test_show_counts_unverified_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    facts = shown(capsys, "pim-gpt")
    _, out, _ = run(capsys, "show", "pim-gpt")
    doubtful = sum(source["unverified"] for source in facts["provenance"])
    assert f"{doubtful} of {len(facts['provenance'])} numbers are unverified or assumed" in out


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pim-gpt", "system"),
        ("gddr6-aim", "dram"),
        ("pim-gpt-28nm", "asic"),
        ("gpt2-xl", "workload"),
        ("llama-3-8b", "model"),
    ],
)
def test_show_finds_out_what_a_name_is(name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, name)["kind"] == kind
    assert shown(capsys, str(assets.find(kind, name)))["kind"] == kind


def test_show_can_be_told_what_a_name_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "gpt2-xl", "--kind", "model")["kind"] == "model"


def test_show_of_a_sweep_gives_its_axes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("system: pim-gpt\nworkload: gpt2-xl\naxes: {memory.channels: [4, 8]}\n")
    facts = shown(capsys, str(file))
    assert (facts["kind"], facts["config"]["axes"]) == ("sweep", {"memory.channels": [4, 8]})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pim-gptt", None, "nothing that ships is called 'pim-gptt'; did you mean 'pim-gpt'?\n"),
        ("qqqqqq", None, "nothing that ships is called 'qqqqqq'; see pimsim list\n"),
        ("gone.yaml", None, "gone.yaml: no such file\n"),
        ("odd.yaml", "a: 1\n", "odd.yaml: neither a system, part, workload nor sweep; one of the keys axes, "),
        ("bad.yaml", "kind: x\nmapping: x\nmemory: {part: gddr6-pim, rows: 0}\n",
         "bad.yaml:3:33: memory.rows: 0 is zero; more than zero\n"),
    ],
)
def test_show_of_what_is_wrong_is_bad_input(
    name: str, text: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if text:
        Path(name).write_text(text)
    code, out, err = run(capsys, "show", name)
    assert (code, out) == (2, "")
    assert err.startswith(said)
