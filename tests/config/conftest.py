"""A small part and system in files of their own, so that these tests do not depend on what ships."""

from collections.abc import Callable
from pathlib import Path

import pytest

PART = """\
memory:
  standard: GDDR6
  channels: 2           # part sheet
  bankgroups: 4         # part sheet
  banks: 16             # part sheet
  rows: 64              # part sheet
  columns: 64           # part sheet
  column_bytes: 32 B    # part sheet
  pins: 16              # part sheet
  pin_rate: 16 Gb/s     # unverified: hearsay
  tCK: 0.5 ns           # part sheet
  timing:               # part sheet, page 2
    tRCDRD: 12 ns
    tRCDWR: 10 ns
    tRP: 24 ck          # assumed: like another
controller:
  refresh: none
"""

SYSTEM = """\
kind: mine
memory:
  part: part.yaml
  channels: 4           # chosen
mapping: mine
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file into the test's folder."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


@pytest.fixture
def system(write: Callable[[str, str], Path]) -> Path:
    """The small system's file, its part beside it."""
    write("part.yaml", PART)
    return write("system.yaml", SYSTEM)
