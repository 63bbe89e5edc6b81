"""Runs the examples of a page of the documentation, as a reader would: in order, in one folder, with one Python session.

A fenced block is an example by its first word: ``python`` is executed; ``console`` holds ``$ pimsim ...`` commands, each followed by what
it prints on stdout, or on stderr if it fails (``...`` stands for anything, ``exit N`` for the exit code); ``LANGUAGE file=PATH`` is a file,
written below the current folder, or beside pimsim's own modules if the path begins with ``pimsim/``; ``python from=PATH`` quotes a file of
the repository, line by line.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\S+)(?:[ \t]+(file|from)=(\S+))?[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced block: its language, what it is (``file``, ``from`` or nothing) and of which path, its text and its line."""

    language: str
    role: str
    path: str
    text: str
    line: int

    @property
    def executed(self) -> bool:
        """Whether it is an example at all."""
        return self.language in ("python", "console") or self.role in ("file", "from")


def examples(page: Path) -> list[Example]:
    """The examples of a page."""
    text = page.read_text(encoding="utf-8")
    found = [Example(m[1], m[2] or "", m[3] or "", m[4], text.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(text)]
    return [example for example in found if example.executed]


class Overlay(PathFinder):
    """Finds pimsim's packages as if the modules that a page adds lay in them."""

    folder = Path()

    @classmethod
    def find_spec(cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The package, its modules also looked for in the overlay."""
        spec = super().find_spec(fullname, path, target)
        added = cls.folder / fullname.replace(".", "/")
        if spec is not None and spec.submodule_search_locations is not None and added.is_dir():
            spec.submodule_search_locations = [*spec.submodule_search_locations, str(added)]
        return spec


def run(page: Path) -> None:
    """Run a page's examples in the current folder. Raises AssertionError with page and line."""
    session: dict[str, object] = {"__name__": "example"}
    Overlay.folder = Path("overlay").absolute()
    sys.meta_path.insert(0, Overlay)
    for example in examples(page):
        if example.role == "file" and example.path.startswith("pimsim/"):
            target = Overlay.folder / example.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(example.text, encoding="utf-8")
    for example in examples(page):
        where = f"{page.name}:{example.line}"
        if example.role == "file":
            if not example.path.startswith("pimsim/"):
                Path(example.path).write_text(example.text, encoding="utf-8")
        elif example.role == "from":
            _quoted(example, where)
        elif example.language == "console":
            _console(example, where)
        else:
            exec(compile("\n" * example.line + example.text, str(page), "exec"), session)


def _quoted(example: Example, where: str) -> None:
    """Every line of a quotation stands in the file, but for those that are left out."""
    there = {line.strip() for line in (ROOT / example.path).read_text(encoding="utf-8").splitlines()}
    missing = [line for line in example.text.splitlines() if line.strip() not in there and line.strip() not in ("", "...", ")")]
    assert not missing, f"{where}: {example.path} has no {missing}"


def _console(example: Example, where: str) -> None:
    """Run the commands; compare what they print, whitespace aside."""
    for part in re.split(r"^\$ ", example.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.replace("\\\n", " ").partition("\n")
        code, *streams = _pimsim(shlex.split(command, comments=True))
        lines = expected.splitlines()
        wanted = int(lines.pop(0).split()[1]) if lines and re.fullmatch(r"exit \d+", lines[0]) else 0
        assert code == wanted, f"{where}: {command}: exit {code}\n{streams[1]}"
        if lines:
            pattern = re.escape(" ".join("\n".join(lines).split())).replace(r"\.\.\.", ".*")
            printed = streams[code != 0]
            assert re.fullmatch(pattern, " ".join(printed.split()), re.DOTALL), f"{where}: {command} printed\n{printed}"


def _pimsim(words: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    from pimsim.cli.main import main

    assert words[0] == "pimsim", f"'{words[0]}' is not pimsim"
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words[1:])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
