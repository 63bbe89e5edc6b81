"""Shipped files are found in a checkout, an installed wheel and by path."""

import configparser
import importlib.util
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pimsim import assets
from pimsim.errors import InputError

ROOT = Path(__file__).parent.parent
ASSET_FOLDERS = ("hwconfigs", "workloads", "sweeps")


def said(caught: pytest.ExceptionInfo[InputError]) -> str:
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize("kind", assets.KINDS)
def test_every_listed_file_exists(kind: str) -> None:
    assert all(path.is_file() for path in assets.list_assets(kind).values())


@pytest.mark.parametrize(("kind", "name"), [("system", "pim-gpt"), ("dram", "gddr6-pim"), ("workload", "gpt2-xl")])
def test_a_shipped_name_is_found(kind: str, name: str) -> None:
    assert assets.find(kind, name) == assets.list_assets(kind)[name]


def test_names_come_in_order() -> None:
    names = list(assets.list_assets("workload"))
    assert names == sorted(names)


def test_a_model_is_named_by_its_folder() -> None:
    assert assets.find("model", "gpt2-xl").parent.name == "gpt2-xl"


def test_a_path_is_found(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kind: mine\n")
    assert assets.find("system", file) == file


def test_a_shipped_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pim-gpt").mkdir()
    monkeypatch.chdir(tmp_path)
    assert assets.find("system", "pim-gpt").suffix == ".yaml"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        assets.find("system", "pim-gtp")
    assert said(caught) == "'pim-gtp' is not a system that ships, nor a file; did you mean 'pim-gpt'?"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError) as caught:
        assets.find("system", "./nowhere.yaml")
    assert said(caught) == "./nowhere.yaml: no such file"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        assets.find("system", tmp_path)
    assert said(caught) == f"{tmp_path}: is a folder, not a file"


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        assets.list_assets("sytem")
    assert said(caught) == "'sytem' is not a kind of shipped file; did you mean 'system'?"


def test_a_path_in_a_file_is_relative_to_that_file(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text("memory: {}\n")
    assert assets.beside("part.yaml", str(tmp_path / "system.yaml")) == str(tmp_path / "part.yaml")
    assert assets.beside("elsewhere.yaml", str(tmp_path / "system.yaml")) == "elsewhere.yaml"


def options() -> configparser.SectionProxy:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup["options"]


def test_setup_cfg_lists_every_package() -> None:
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "pimsim").rglob("__init__.py")}
    listed = {name for name in options()["packages"].split() if "._assets." not in name}
    assert listed == packages


def test_setup_cfg_ships_every_folder_of_files() -> None:
    there = {name for name in ASSET_FOLDERS if any((ROOT / name).rglob("*.yaml"))}
    assert {name.rpartition(".")[2] for name in options()["packages"].split() if "._assets." in name} == there


@pytest.mark.slow
def test_a_wheel_carries_every_shipped_file(tmp_path: Path) -> None:
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("setuptools") else []
    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in tracked.stdout.split():
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", *isolation, "-w", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("pimsim-*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "-q", "--no-deps", str(wheel)], check=True)
    program = "from pimsim import assets\nfor k in assets.KINDS: print(k, assets.folder(k), *assets.list_assets(k))"
    lines = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    for line in lines.splitlines():
        kind, folder, *names = line.split()
        assert folder.startswith(str(tmp_path / "venv"))
        assert names == list(assets.list_assets(kind))
