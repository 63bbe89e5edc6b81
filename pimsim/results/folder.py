"""Run folders: everything about a run in files that people and scripts read, written all at once or not at all.

``summary.json`` is exactly :meth:`Result.summary`; every table has a CSV file (``operators.csv``, ``tokens.csv``,
``cycles_by_cause.csv``, and what else the kind of system has), and ``tables.json`` lists them with their columns; ``config.yaml`` and
``workload.yaml`` are the configuration as it was resolved, each value with its source, and run again as they stand;
``provenance.csv`` lists the sources; ``report.txt`` is the report.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from operator import itemgetter
from pathlib import Path
from typing import Any

from pimsim.config import Source
from pimsim.config.document import KeyPath, dotted, read, scalar
from pimsim.errors import InputError, Problem
from pimsim.results.result import SCHEMA_VERSION, Result

_SOURCE = tuple(field.name for field in fields(Source))
SUMMARY, TABLES = "summary.json", "tables.json"


def refuse(path: Path) -> None:
    """Refuse a folder that a run must not be written to: one that holds something else than a run, or cannot be made.

    Raises:
        InputError: says why.
    """
    if path.exists() and not path.is_dir():
        raise InputError(Problem("is a file", "a new folder, or a run folder to replace", file=str(path)))
    if path.is_dir() and any(path.iterdir()) and not _is_run(path):
        raise InputError(Problem("holds something else than a run", "a new folder, or a run folder to replace", file=str(path)))
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise InputError(Problem(f"cannot be made: {parent} is no folder that can be written to", file=str(path)))


def _is_run(path: Path) -> bool:
    try:
        return "schema_version" in json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def write(result: Result, path: Path) -> None:
    """Write a run folder in place of what is there (see :func:`refuse`); it appears only once it is complete."""
    refuse(path)
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        made = partial / "new"
        made.mkdir()
        for name, content in files(result).items():
            (made / name).write_bytes(content)
        if path.exists():
            path.rename(partial / "old")
        made.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def files(result: Result) -> dict[str, bytes]:
    """The files of a run folder by their names."""
    facts = result.summary()
    columns = {name: list(rows[0]) if rows else [] for name, rows in result.tables.items()}
    texts = {SUMMARY: json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"}
    texts |= {f"{name}.csv": _csv(rows, columns[name]) for name, rows in result.tables.items()}
    texts[TABLES] = json.dumps(columns, indent=2, ensure_ascii=False) + "\n"
    texts["provenance.csv"] = _csv([{name: getattr(source, name) for name in _SOURCE} for source in result.sources], _SOURCE)
    title = f"The system of this run, as pimsim {facts['pimsim_version']} resolved it."
    texts["config.yaml"] = as_yaml(title, result.config, result.sources)
    if result.workload is not None:
        texts["workload.yaml"] = as_yaml("The workload of this run.", result.workload)
    texts["report.txt"] = result.report(verbose=True)
    return {name: text.encode("utf-8") for name, text in texts.items()}


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], header: Sequence[str]) -> None:
    """Rows as a CSV file with these columns; a row that lacks one has an empty cell."""
    path.write_bytes(_csv(rows, header).encode("utf-8"))


def _csv(rows: Sequence[Mapping[str, Any]], header: Sequence[str]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    if len(header) > 1 and all(len(row) == len(header) for row in rows):
        writer.writerows(map(itemgetter(*header), rows))  # tables have thousands of cells, and a sweep thousands of tables
    else:
        writer.writerows([row.get(name, "") for name in header] for row in rows)
    return file.getvalue()


def load(path: str | Path) -> Result:
    """Read a run folder back; the result equals the one that was written, the simulation itself aside.

    Raises:
        InputError: it is no run folder, is of another version, or a file is missing or damaged.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(Problem("no such run folder", "a folder that pimsim run --out wrote", file=str(path)))
    if not _is_run(folder):
        raise InputError(Problem("is no run folder", f"a folder with a {SUMMARY}, as pimsim run --out writes it", file=str(path)))
    facts = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    if facts["schema_version"] != SCHEMA_VERSION:
        raise InputError(Problem(f"is of schema version {facts['schema_version']}", f"version {SCHEMA_VERSION}", file=str(path)))
    try:
        workload = folder / "workload.yaml"
        return Result(
            facts,
            {name: tuple(_read_csv(folder / f"{name}.csv")) for name in json.loads((folder / TABLES).read_text(encoding="utf-8"))},
            read(folder / "config.yaml").data,
            read(workload).data if workload.is_file() else None,
            tuple(Source(row["path"], row["value"], row["source"], row["unverified"] == "True")
                  for row in _rows(folder / "provenance.csv")),
        )
    except OSError as error:
        raise InputError(Problem(error.strerror or str(error), file=str(error.filename or path))) from None
    except (KeyError, ValueError, csv.Error) as error:
        raise InputError(Problem(f"is damaged: {error}", file=str(path))) from None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read_csv(path: Path) -> Iterable[dict[str, Any]]:
    return [{key: scalar(cell) for key, cell in row.items()} for row in _rows(path)]


def as_yaml(title: str, data: Mapping[str, Any], sources: Iterable[Source] = ()) -> str:
    """YAML of a configuration below a comment, the sources behind its numbers."""
    comments = {source.path: source.source for source in sources}
    lines = [f"# {title}"]
    _add_lines(lines, data, (), comments)
    return "\n".join(lines) + "\n"


def _add_lines(lines: list[str], data: Mapping[str, Any], path: KeyPath, comments: Mapping[str, str]) -> None:
    """YAML of a mapping, the source of a number behind it."""
    indent = "  " * len(path)
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{_word(key)}:")
            _add_lines(lines, value, here, comments)
            continue
        line = f"{indent}{_word(key)}: {_word(value)}"
        comment = comments.get(dotted(here), "")
        lines.append(f"{line}  # {comment}" if comment else line)


def _word(value: Any) -> str:
    """A YAML scalar (or a list or empty mapping in flow style), quoted only where it must be."""
    plain = isinstance(value, str) and scalar(value) == value and value.replace(" ", "").replace("/", "").replace("-", "").isalnum()
    return value if plain else json.dumps(value, ensure_ascii=False)
