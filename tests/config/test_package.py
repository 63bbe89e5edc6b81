"""The package is light to import and gives its names on demand."""

import subprocess
import sys

import pytest

from pimsim import config


@pytest.mark.parametrize("name", config.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(config, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        config.nothing  # noqa: B018


def loaded_by(program: str) -> set[str]:
    listing = f"import sys\n{program}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_no_pydantic() -> None:
    assert not {"pydantic", "yaml", "numpy"} & loaded_by("import pimsim.config")


def test_loading_a_system_needs_neither_numba_nor_simpy() -> None:
    program = "from pimsim.config import load_system\nload_system('pim-gpt')"
    assert not {"numba", "simpy", "pandas", "matplotlib"} & loaded_by(program)
