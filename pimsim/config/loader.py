"""Read systems, DRAM parts and workloads: YAML, parts, overrides, validation; every problem at once.

``load_system("pim-gpt", ["memory.channels=4"])`` is the whole interface; ``resolved`` gives the result back as plain
data that means the same when read again, and is what run folders and caches keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pimsim import assets
from pimsim.config import document as yaml
from pimsim.config import layer
from pimsim.config.base import Config
from pimsim.config.document import Document, Place
from pimsim.config.problem import problems
from pimsim.config.system import DramConfig, SystemConfig
from pimsim.config.workload import WorkloadConfig
from pimsim.errors import InputError, Problem

_WORKLOAD = "workload."

M = TypeVar("M", DramConfig, SystemConfig, WorkloadConfig)


def load_system(name_or_path: str | Path, overrides: Sequence[str] = ()) -> SystemConfig:
    """The system of a shipped name or a YAML file, with its parts and the overrides that are not ``workload.*``.

    Raises :class:`InputError` with every problem found.
    """
    file = assets.find("system", name_or_path)
    mine = [text for text in overrides if not text.strip().startswith(_WORKLOAD)]
    document = layer.compose(yaml.read(file), layer.PART_SECTIONS, mine)
    return _validated(SystemConfig, document, file.stem)


def load_dram(part: str | Path, overrides: Sequence[str] = ()) -> DramConfig:
    """The DRAM part of a shipped name or a YAML file. Raises :class:`InputError` with every problem found."""
    file = assets.find("dram", part)
    mine = [text for text in overrides if not text.strip().startswith(_WORKLOAD)]
    document = layer.compose(yaml.read(file), (), mine)
    memory = document.data.get("memory")
    if isinstance(memory, dict):
        memory.setdefault("part", file.stem)
    return _validated(DramConfig, document, file.stem)


def load_workload(name_or_path: str | Path, overrides: Sequence[str] = ()) -> WorkloadConfig:
    """The workload of a shipped name, a YAML file, a model's name or a Hugging Face config.json; overrides ``workload.*``.

    A model alone is run as the PIM-GPT paper does: batch 1, prompt 1, 1,024 tokens.
    Raises :class:`InputError` with every problem found.
    """
    name = str(name_or_path)
    if name.endswith(".json"):
        assets.find("model", name)
        own, stem = _of_model(name), Path(name).parent.name or "model"
    elif name in assets.list_assets("model") and name not in assets.list_assets("workload"):
        own, stem = _of_model(name), name
    else:
        file = assets.find("workload", name)
        own, stem = yaml.read(file), file.stem
    mine = [text.strip()[len(_WORKLOAD):] for text in overrides if text.strip().startswith(_WORKLOAD)]
    document = layer.compose(own, (), mine)
    if mine:
        document = _prefixed(document)
    _resolve_files(document)
    return _validated(WorkloadConfig, document, stem)


def load(
    system: str | Path, workload: str | Path, overrides: Sequence[str] = ()
) -> tuple[SystemConfig, WorkloadConfig]:
    """Both at once, so that the problems of both are reported together. Raises :class:`InputError`."""
    found: list[Problem] = []
    loaded: list[Any] = []
    for read, name in ((load_system, system), (load_workload, workload)):
        try:
            loaded.append(read(name, overrides))
        except InputError as error:
            found += error.problems
    if found:
        raise InputError(dict.fromkeys(found))
    return loaded[0], loaded[1]


def _of_model(name: str) -> Document:
    return Document({"model": name}, {(): Place(name), ("model",): Place(name)})


def _prefixed(document: Document) -> Document:
    """``--set tokens`` read as ``--set workload.tokens`` in the places, as the user wrote it."""
    flag = "--set "

    def prefixed(place: Place) -> Place:
        return Place(flag + _WORKLOAD + place.file[len(flag) :]) if place.file.startswith(flag) else place

    return Document(document.data, {path: prefixed(place) for path, place in document.places.items()})


def _resolve_files(document: Document) -> None:
    """Paths in a workload are relative to the file that mentions them."""
    for key in ("model", "requests"):
        value = document.data.get(key)
        if isinstance(value, str):
            document.data[key] = assets.beside(value, document.place((key,)).file)


def _validated(model: type[M], document: Document, name: str) -> M:
    document.data.setdefault("name", name)
    try:
        config = model.model_validate(document.data)
    except ValidationError as error:
        raise InputError(problems(error, model, document)) from None
    config._document = document
    return config


def resolved(config: Config) -> dict[str, Any]:
    """Plain data, every quantity with its unit again; reading it back gives an equal configuration."""
    return config.model_dump(mode="json", exclude_none=True)


_SCHEMAS: dict[str, tuple[type[BaseModel], Iterable[str]]] = {
    "system": (SystemConfig, ("kind", "memory", "mapping")),
    "dram": (DramConfig, ("memory",)),
    "asic": (SystemConfig, ("asic",)),
    "npu": (SystemConfig, ("npu",)),
    "workload": (WorkloadConfig, ("model",)),
}


def schema(kind: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of the YAML files of a kind: system, dram, asic, npu, workload. Raises :class:`InputError`.

    A section whose values come from a part (``memory: {part: ...}``) requires no keys of its own.
    """
    if kind not in _SCHEMAS:
        raise InputError(Problem(f"no schema for '{kind}'", f"known: {', '.join(_SCHEMAS)}"))
    model, required = _SCHEMAS[kind]
    made = model.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = f"pimsim {kind}"
    if kind in layer.PART_SECTIONS:
        keep = {"name", "description", *layer.PART_SECTIONS[kind]}
        made["properties"] = {key: value for key, value in made["properties"].items() if key in keep}
    made["required"] = list(required)
    if kind == "system":
        for definition in made.get("$defs", {}).values():
            definition.pop("required", None)
    return made
