"""The paths of a configuration: what ``--set`` and the axes of a sweep may name, and the nearest one to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from pimsim.config.document import dotted
from pimsim.config.problem import model_in
from pimsim.config.workload import WorkloadConfig

ANY = "*"
"""Stands for keys that another table knows, such as timing names."""


@cache
def paths(model: type[BaseModel]) -> tuple[str, ...]:
    """Every path below a configuration model; one that ends in ``.*`` has keys that the model does not list."""
    return tuple(dotted(path) for path in _below(model, ()))


def _below(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        here = (*above, name)
        inner = model_in(field.annotation)
        yield here
        if _is_mapping(field.annotation):
            yield (*here, ANY)
        elif inner is not None:
            yield from _below(inner, here)


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(_is_mapping(argument) for argument in get_args(annotation))


def is_known(path: str, models: Iterable[type[BaseModel]]) -> bool:
    """Whether any of the systems' models, or a workload (below ``workload.``), has this path."""
    keys = path.split(".")
    if keys[0] == "workload":
        models, path = (WorkloadConfig,), ".".join(keys[1:])
    beginnings = {".".join([*path.split(".")[:depth], ANY]) for depth in range(1, path.count(".") + 1)}
    return any(path in paths(model) or not beginnings.isdisjoint(paths(model)) for model in models)


def nearest_path(path: str, models: Iterable[type[BaseModel]], names: Iterable[str] = ()) -> str:
    """``did you mean 'memory.channels'?``; ``names``: paths that there are besides those of the models, such as timing names."""
    known = [known for model in models for known in paths(model) if not known.endswith(ANY)] + list(names)
    known += [f"workload.{inner}" for inner in paths(WorkloadConfig) if not inner.endswith(ANY)]
    last = path.rpartition(".")[2]
    close = difflib.get_close_matches(path, known, n=1, cutoff=0.8)
    if not close:
        ends: dict[str, str] = {}
        for one in known:
            ends.setdefault(one.rpartition(".")[2], one)
        close = [ends[end] for end in difflib.get_close_matches(last, ends, n=1, cutoff=0.7)]
    close = close or difflib.get_close_matches(path, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else "pimsim schema system and pimsim schema workload list what there is"
