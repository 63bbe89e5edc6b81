"""Reading a Hugging Face ``config.json``, offline and as plain JSON, into an :class:`Architecture`.

One file a family translates that family's keys; defaults for absent keys are those of the family's configuration class
in the transformers library (5.23). Multimodal configs are read through their ``text_config``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pimsim import assets
from pimsim.errors import nearest
from pimsim.model.architecture import Architecture
from pimsim.model.importer import deepseek, gpt2, gpt_neo, gpt_neox, llama, moe, opt
from pimsim.model.importer.fields import Fields, read_json
from pimsim.model.importer.shape import SHAPES

FAMILIES: dict[str, Callable[[Fields, str], Architecture]] = {
    "gpt2": gpt2.gpt2,
    "gpt_neo": gpt_neo.gpt_neo,
    "gpt_neox": gpt_neox.gpt_neox,
    "opt": opt.opt,
    "llama": llama.llama,
    "mistral": llama.mistral,
    "qwen2": llama.qwen2,
    "qwen3": llama.qwen3,
    "gemma": llama.gemma,
    "phi3": llama.phi3,
    "mixtral": moe.mixtral,
    "qwen3_moe": moe.qwen3_moe,
    "deepseek_v2": deepseek.deepseek_v2,
    "deepseek_v3": deepseek.deepseek_v3,
}


def load_architecture(name_or_path: str | Path) -> Architecture:
    """The architecture of a shipped model (``gpt2-xl``) or of a config.json by its path.

    Raises InputError with everything that is wrong: unknown name or model_type (with the known ones), missing or
    contradictory keys, each with file, line and key.
    """
    path = assets.find("model", name_or_path)
    data, places = read_json(path)
    name = path.resolve().parent.name if path.name == "config.json" else path.stem
    return from_fields(Fields(data, str(path), places), name)


def from_dict(data: dict[str, object], name: str = "model") -> Architecture:
    """The architecture in the already parsed config ``data``. Raises InputError like :func:`load_architecture`."""
    return from_fields(Fields(dict(data)), name)


def from_fields(fields: Fields, name: str) -> Architecture:
    """The architecture that ``fields`` describe. Raises InputError like :func:`load_architecture`."""
    text = fields.nested("text_config")
    fields.check()
    if text is not None:
        outer: dict[str, Any] = {key: fields.data[key] for key in ("dtype", "torch_dtype", "quantization_config") if key in fields.data}
        text.data = {**SHAPES.get(str(text.data.get("model_type")), {}), **outer, **text.data}
        fields = text
    model_type = fields.data.get("model_type")
    if model_type is None:
        fields.problem("model_type", "missing", "known: " + ", ".join(sorted(FAMILIES)))
    elif not isinstance(model_type, str) or model_type not in FAMILIES:
        fields.problem("model_type", f"unknown model_type {model_type!r}", _suggestion(str(model_type)))
    fields.check()
    architecture = FAMILIES[str(model_type)](fields, name)
    fields.check()
    return architecture


def _suggestion(model_type: str) -> str:
    known = "known: " + ", ".join(sorted(FAMILIES))
    hint = nearest(model_type, list(FAMILIES))
    return known if hint.startswith("known") else f"{hint} {known}"

