"""``pimsim show NAME|FILE``: a configuration with the source of every number, or what a model weighs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pimsim import assets, config, units
from pimsim.cli.option import emit_json, json_option, set_option
from pimsim.config.document import dotted, leaves, read
from pimsim.errors import InputError, Problem, nearest
from pimsim.model.importer import load_architecture

_LOADERS = {
    "system": "load_any",
    "dram": "load_dram",
    "asic": "load_asic",
    "npu": "load_npu",
    "efficiency": "load_efficiency",
    "area": "load_area",
    "workload": "load_workload",
}
_MARKS = {"axes": "sweep", "kind": "system", "model": "workload", "memory": "dram", "asic": "asic", "npu": "npu",
          "efficiency": "efficiency", "area": "area"}  # fmt: skip
"""Top-level key -> the kind of YAML file that has it; the first one found decides."""


@click.command
@click.argument("name")
@click.option("--kind", type=click.Choice(assets.KINDS), help="What NAME is, where several kinds have one.")
@set_option
@json_option
def command(name: str, kind: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show what NAME (or a file) resolves to: a system, part or workload with the source of every number; a model's
    parameters, KV cache and MACs; a sweep's axes."""
    kind = kind or _kind_of(name)
    if kind in ("model", "sweep") and overrides:
        raise InputError(Problem(f"a {kind} has no values to override", "none", file="--set"))
    if kind == "model":
        facts = _model(name)
    elif kind == "sweep":
        facts = {"config": read(assets.find("sweep", name)).data}
    else:
        facts = _configuration(kind, name, overrides)
    facts = {"kind": kind, "name": name, **facts}
    if as_json:
        emit_json(facts)
    else:
        click.echo("\n".join(_lines(facts)))


def _kind_of(name: str) -> str:
    for kind in ("system", "dram", "asic", "npu", "efficiency", "area", "workload", "model", "sweep"):
        if name in assets.list_assets(kind):
            return kind
    if name.endswith(".json"):
        return "model"
    if assets.is_path(name) or Path(name).is_file():
        document = read(assets.find("system", name))
        for key, kind in _MARKS.items():
            if key in document.data:
                return kind
        keys = ", ".join(_MARKS)
        raise InputError(Problem("neither a system, part, workload nor sweep", f"one of the keys {keys}", file=name))
    hint = nearest(name, [item for kind in assets.KINDS for item in assets.list_assets(kind)])
    allowed = hint if hint.startswith("did") else "see pimsim list"
    raise InputError(Problem(f"nothing that ships is called '{name}'", allowed))


def _configuration(kind: str, name: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    config.refuse_foreign(overrides, workload=kind == "workload")
    loaded = getattr(config, _LOADERS[kind])(name, overrides)
    facts: dict[str, Any] = {
        "config": config.resolved(loaded),
        "provenance": [asdict(source) for source in config.provenance(loaded)],
    }
    memory = getattr(loaded, "memory", None)
    if memory is not None:
        facts["derived"] = {
            "capacity_bytes": memory.capacity_bytes,
            "row_bytes": memory.row_bytes,
            "external_bytes_per_s": memory.external_bytes_per_s,
            "timing_cycles": dict(memory.timing_cycles),
        }
    if kind == "workload":
        facts["model"] = _model(loaded.model)
    return facts


def _model(name: str) -> dict[str, Any]:
    architecture = load_architecture(name)
    return {
        "architecture": asdict(architecture),
        "parameters": architecture.parameters(),
        "kv_bytes_per_token": architecture.kv_bytes_per_token,
        "macs_per_token": architecture.macs_per_token(),
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    """The facts as text: a title, a line a value with its source behind it, and what follows from them."""
    description = facts.get("config", {}).get("description", "")
    lines = [f"{facts['name']} ({facts['kind']})" + (f": {description}" if description else "")]
    sources = {source["path"]: source for source in facts.get("provenance", ())}
    shown = facts.get("config", {key: value for key, value in facts.items() if key not in ("kind", "name")})
    rows = {dotted(path): _text(value) for path, value in leaves(shown) if path[-1] not in ("name", "description")}
    rows |= {path: source["value"] for path, source in sources.items()}
    width = max((len(path) for path in rows), default=0)
    value_width = max((len(value) for path, value in rows.items() if path in sources), default=0)
    for path, value in rows.items():
        source = sources[path]["source"] if path in sources else ""
        lines.append(f"  {path:{width}}  {value:{value_width}}  {source}".rstrip())
    if sources:
        doubtful = sum(source["unverified"] for source in sources.values())
        lines.append(f"{doubtful} of {len(sources)} numbers are unverified or assumed")
    if "derived" in facts:
        derived = facts["derived"]
        capacity, row = units.human_size(derived["capacity_bytes"]), units.human_size(derived["row_bytes"])
        lines.append(f"capacity {capacity}, row {row}, pins {units.human(derived['external_bytes_per_s'], 'B/s')}")
    if "model" in facts:
        counts = facts["model"]["parameters"]
        lines.append(f"model: {counts['blocks']:,} parameters in blocks, {counts['total']:,} in all, "
                     f"{facts['model']['kv_bytes_per_token']:,} bytes of KV cache a token")
    return lines


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value)
