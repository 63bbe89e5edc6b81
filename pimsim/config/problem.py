"""From pydantic's list of errors to problems that a person can act on, each at its place in the YAML."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pimsim.config.document import Document, KeyPath, dotted
from pimsim.errors import Problem, nearest


def problems(
    error: ValidationError, model: type[BaseModel], document: Document, *, missing: bool = True
) -> list[Problem]:
    """One :class:`Problem` for each error of validating ``document`` as ``model``; ``missing`` ones on request."""
    details = [detail for detail in error.errors(include_url=False) if missing or detail["type"] != "missing"]
    return list(dict.fromkeys(_problem(detail, model, document) for detail in details))


def _problem(detail: Any, model: type[BaseModel], document: Document) -> Problem:
    kind: str = detail["type"]
    path = _existing(detail["loc"], document, missing=kind == "missing")
    place = document.place(path)
    if kind == "extra_forbidden":
        known = list(_model_at(model, path[:-1]).model_fields)
        return document.unknown(path, known)
    if kind == "missing":
        if place.file.startswith("--set"):  # the section is there because of an override, which is not what is missing
            return Problem(f"{dotted(path)} is missing", _description(model, path), place.file)
        return place.problem(path, "is missing", _description(model, path), at_key=True)
    message, allowed = _words(kind, detail)
    if detail.get("ctx", {}).get("related"):
        return document.problem(path, message, allowed)
    return place.problem(path, message, allowed)


def _words(kind: str, detail: Any) -> tuple[str, str]:
    context, value = detail.get("ctx", {}), detail["input"]
    if kind == "refused":
        return context["problem"], context["allowed"]
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        close = nearest(str(value), choices)
        hint = f"{close} " if close.startswith("did") else ""
        return f"{_shown(value)} is not a choice here", f"{hint}allowed: {', '.join(choices)}"
    if kind == "bool_type":
        return f"{_shown(value)} is not true or false", "true, false"
    if kind == "string_type":
        return f"{_shown(value)} is not a text", "a text"
    if kind in ("model_type", "mapping_type", "dict_type", "model_attributes_type"):
        return f"{_shown(value)} is not a section", "a mapping of keys to values"
    if kind == "less_than_equal":
        return f"{_shown(value)} is too large", f"at most {context['le']}"
    return f"{_shown(value)}: {detail['msg']}", ""


def _shown(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{value}'" if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _existing(loc: KeyPath, document: Document, *, missing: bool) -> KeyPath:
    """The part of pydantic's location that is in the document: it adds names of union members at the end."""
    for depth in range(len(loc), -1, -1):
        try:
            document.value(loc[:depth])
        except (KeyError, IndexError, TypeError):
            continue
        return loc[: depth + missing]
    return ()


def _description(model: type[BaseModel], path: KeyPath) -> str:
    field = _model_at(model, path[:-1]).model_fields.get(str(path[-1]))
    return field.description or "" if field else ""


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    """The model that describes ``path`` below ``model``."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = model_in(field.annotation) or model
    return model


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The configuration model that a field's annotation speaks of, also within unions and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        return next((found for argument in get_args(annotation) if (found := model_in(argument))), None)
    return None

