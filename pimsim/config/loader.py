"""Read systems, parts and workloads: YAML, parts, overrides, validation; every problem at once.

``load_system("pim-gpt", ["memory.channels=4"])`` is the whole interface; ``resolved`` gives the result back as plain
data that means the same when read again, and is what run folders and caches keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pimsim import assets
from pimsim.config import document as yaml
from pimsim.config import layer
from pimsim.config.area import AreaPart
from pimsim.config.base import Config, Described
from pimsim.config.baseline import BASELINES, BaselineConfig, BaselineSystem, EfficiencyPart, IdealConfig, mark_assumed
from pimsim.config.document import Document, Place
from pimsim.config.problem import problems
from pimsim.config.sweep import SweepConfig
from pimsim.config.system import AsicPart, DramConfig, NpuPart, SystemConfig
from pimsim.config.timing import known_names
from pimsim.config.workload import WorkloadConfig
from pimsim.dram.standards import all_standards
from pimsim.errors import InputError, Problem, nearest

_MODELS: dict[str, type[Described]] = {
    "system": SystemConfig,
    "dram": DramConfig,
    "asic": AsicPart,
    "npu": NpuPart,
    "baseline": BaselineConfig,
    "ideal-non-pim": IdealConfig,
    "efficiency": EfficiencyPart,
    "area": AreaPart,
    "workload": WorkloadConfig,
    "sweep": SweepConfig,
}

M = TypeVar("M", bound=Described)


def load_system(name_or_path: str | Path, overrides: Sequence[str] = ()) -> SystemConfig:
    """The system of a shipped name or a YAML file, with its parts and the overrides that are not ``workload.*``.

    Raises :class:`InputError` with every problem found; a baseline (see :func:`load_any`) is one.
    """
    config = load_any(name_or_path, overrides)
    if not isinstance(config, SystemConfig):
        place = config._document.place(("kind",)) if config._document else Place(str(name_or_path))
        raise InputError(place.problem(("kind",), f"a system of kind '{config.kind}' has no commands to look into", "a system with PIM"))
    return config


def load_any(name_or_path: str | Path, overrides: Sequence[str] = ()) -> SystemConfig | BaselineSystem:
    """As :func:`load_system`, and of the kinds to compare with too (GPUs, CPUs, an ideal memory)."""
    file = assets.find("system", name_or_path)
    layers, found = layer.read_overrides(text for text in overrides if not _is_workload(text))
    document, lost = layer.compose(yaml.read(file), layers)
    kind = document.data.get("kind")
    if isinstance(kind, str) and kind not in BASELINES and "device" in document.data and "memory" not in document.data:
        place = document.place(("kind",))
        raise InputError(place.problem(("kind",), f"unknown kind of system '{kind}' with a device", nearest(kind, list(BASELINES))))
    model: Any = BASELINES.get(kind, SystemConfig) if isinstance(kind, str) else SystemConfig
    mark_assumed(document, str(document.data.get("name", file.stem)))
    found += lost + _dram_problems(document)
    config: SystemConfig | BaselineSystem = _validated(model, document, file.stem, found, complete=not lost)
    return config


def load_dram(part: str | Path, overrides: Sequence[str] = ()) -> DramConfig:
    """The DRAM part of a shipped name or a YAML file. Raises :class:`InputError` with every problem found."""
    return _load_part(DramConfig, "dram", part, overrides)


def load_asic(part: str | Path, overrides: Sequence[str] = ()) -> AsicPart:
    """The ASIC of a shipped name or a YAML file. Raises :class:`InputError` with every problem found."""
    return _load_part(AsicPart, "asic", part, overrides)


def load_npu(part: str | Path, overrides: Sequence[str] = ()) -> NpuPart:
    """The NPU of a shipped name or a YAML file. Raises :class:`InputError` with every problem found."""
    return _load_part(NpuPart, "npu", part, overrides)


def load_efficiency(part: str | Path, overrides: Sequence[str] = ()) -> EfficiencyPart:
    """The efficiencies of a shipped name or a YAML file. Raises :class:`InputError` with every problem found."""
    return _load_part(EfficiencyPart, "efficiency", part, overrides)


def load_area(part: str | Path, overrides: Sequence[str] = ()) -> AreaPart:
    """The areas of a shipped name or a YAML file. Raises :class:`InputError` with every problem found."""
    return _load_part(AreaPart, "area", part, overrides)


def _load_part(model: type[M], kind: str, part: str | Path, overrides: Sequence[str]) -> M:
    file = assets.find(kind, part)
    layers, found = layer.read_overrides(overrides)
    document = layer.overridden(yaml.read(file), layers)
    section = document.data.get(layer.PART_SECTIONS[kind][0])
    if isinstance(section, dict):
        section.setdefault("part", file.stem)
    return _validated(model, document, file.stem, found + (_dram_problems(document) if kind == "dram" else []))


def load_workload(name_or_path: str | Path, overrides: Sequence[str] = ()) -> WorkloadConfig:
    """The workload of a shipped name, a YAML file, a model's name or a Hugging Face config.json.

    Of the overrides, those of ``workload.*`` count. A model alone is run as the PIM-GPT paper does: batch 1, prompt 1,
    1,024 tokens. Raises :class:`InputError` with every problem found.
    """
    name = str(name_or_path)
    if name.endswith(".json"):
        assets.find("model", name)
        own, stem = _of_model(name), Path(name).parent.name or "model"
    elif assets.ships("model", name) and not assets.ships("workload", name):
        own, stem = _of_model(name), name
    else:
        file = assets.find("workload", name)
        own, stem = yaml.read(file), file.stem
    layers, found = layer.read_overrides(filter(_is_workload, overrides), below=1)
    document = layer.overridden(own, layers)
    return _validated(WorkloadConfig, document, stem, found + _file_problems(document))


def load(
    system: str | Path, workload: str | Path, overrides: Sequence[str] = ()
) -> tuple[SystemConfig, WorkloadConfig]:
    """Both at once, so that the problems of both are reported together. Raises :class:`InputError`."""
    return _both(load_system, system, workload, overrides)


def load_any_and_workload(
    system: str | Path, workload: str | Path, overrides: Sequence[str] = ()
) -> tuple[SystemConfig | BaselineSystem, WorkloadConfig]:
    """As :func:`load`, of any kind of system (see :func:`load_any`)."""
    return _both(load_any, system, workload, overrides)


def _both(read_system: Callable[..., Any], system: str | Path, workload: str | Path, overrides: Sequence[str]) -> Any:
    found: list[Problem] = []
    loaded: list[Any] = []
    for read, name in ((read_system, system), (load_workload, workload)):
        try:
            loaded.append(read(name, overrides))
        except InputError as error:
            found += error.problems
    if found:
        raise InputError(found)
    return loaded[0], loaded[1]


def refuse_foreign(overrides: Iterable[str], *, workload: bool) -> None:
    """Raise :class:`InputError` for overrides of a system where only a workload is read, or the other way round."""
    foreign = [text for text in overrides if _is_workload(text) is not workload]
    if foreign:
        allowed = "paths that begin with workload." if workload else "paths of the system"
        raise InputError(Problem(f"nothing here has '{text.partition('=')[0]}'", allowed, "--set") for text in foreign)


def _is_workload(override: str) -> bool:
    return override.lstrip().startswith("workload.")


def _of_model(name: str) -> Document:
    return Document({"model": name}, {(): Place(name), ("model",): Place(name)})


def _file_problems(document: Document) -> list[Problem]:
    """Make a workload's paths, relative to the file that mentions them, paths from here; what is not there."""
    found: list[Problem] = []
    decoding = document.data.get("decoding")
    for section, where in ((document.data, ("model",)), (document.data, ("requests",)), (document.data, ("routing",)),
                           (decoding, ("decoding", "draft_model"))):  # fmt: skip
        key = where[-1]
        if not isinstance(section, dict):
            continue
        value = section.get(key)
        if not isinstance(value, str) or (key == "routing" and not value.endswith(".csv")):
            continue
        place = document.place(where)
        section[key] = path = assets.beside(value, place.file)
        try:
            if key.endswith("model"):
                assets.find("model", path)
            elif not Path(path).is_file():
                raise InputError(Problem(f"no such file '{value}'"))
        except InputError as error:
            found += [place.problem(where, layer.words(problem), problem.allowed) for problem in error.problems]
    return found


def _dram_problems(document: Document) -> list[Problem]:
    """A standard that does not exist, timing names that neither it nor the command set has."""
    memory = document.data.get("memory")
    standard = memory.get("standard") if isinstance(memory, dict) else None
    if not isinstance(memory, dict) or not isinstance(standard, str):
        return []
    if standard not in all_standards():
        path = ("memory", "standard")
        hint = nearest(standard, list(all_standards()))
        return [document.place(path).problem(path, f"'{standard}' is not a DRAM standard", hint)]
    command_set, timing = memory.get("command_set"), memory.get("timing")
    known = known_names(standard, command_set if isinstance(command_set, str) else None)
    if not known or not isinstance(timing, dict):
        return []
    strangers = [name for name in timing if name not in known]
    return [document.unknown(("memory", "timing", name), sorted(known), "timing name") for name in strangers]


def _validated(
    model: type[M], document: Document, name: str, found: list[Problem], *, complete: bool = True
) -> M:
    """The object that ``document`` describes. Raises :class:`InputError` with what was ``found`` before and here.

    Where the document is not ``complete``, since a part of it could not be read, nothing is called missing.
    """
    document.data.setdefault("name", name)
    try:
        config = model.model_validate(document.data)
    except ValidationError as error:
        found = found + problems(error, model, document, missing=complete)
    if found:
        raise InputError(sorted(found, key=lambda problem: (problem.file, problem.line, problem.column)))
    config._document = document
    return config


def resolved(config: Config) -> dict[str, Any]:
    """Plain data, every quantity with its unit again; reading it back gives the same configuration.

    It names no part: all values of the parts are in it, so that it needs no other file.
    """
    data: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
    for section in (data.get(sections[0]) for sections in layer.PART_SECTIONS.values()):
        if isinstance(section, dict):
            section.pop("part", None)
    return data


def schema(kind: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of the YAML files of a kind: system, baseline, ideal-non-pim, dram, asic, npu, efficiency, workload, sweep.

    Raises :class:`InputError`.

    A section whose values come from a part (``memory: {part: ...}``) requires no keys of its own.
    """
    if kind not in _MODELS:
        raise InputError(Problem(f"no schema for '{kind}'", nearest(kind, list(_MODELS))))
    made = _MODELS[kind].model_json_schema()
    if kind in ("system", "baseline", "ideal-non-pim"):
        for definition in made.get("$defs", {}).values():
            definition.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": f"pimsim {kind}"}
