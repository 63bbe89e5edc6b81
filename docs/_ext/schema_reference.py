"""The directive ``{yaml-schema} KIND``: every key of a kind of YAML file as tables, from the schema that validates it."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pimsim.config import schema


class SchemaReference(SphinxDirective):
    """Renders a table a section: key, type, default, meaning."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """The tables as nodes."""
        kind = self.arguments[0]
        found = schema(kind)
        lines: list[str] = []
        _section(lines, found, found, "", kind)
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source=f"schema of {kind}"), self.content_offset, container)
        return container.children


def _section(lines: list[str], node: dict[str, Any], root: dict[str, Any], path: str, title: str) -> None:
    """The table of a section's keys, then those of the sections in it."""
    required = node.get("required", [])
    lines += [f"**{title}**" + (f": {_text(node['description'])}" if path and node.get("description") else ""), "",
              "| key | type | default | meaning |", "|---|---|---|---|"]  # fmt: skip
    below = []
    for name, given in node.get("properties", {}).items():
        prop = _followed(given, root)
        kind = _type(prop, root)
        default = "**required**" if name in required else _default(given)
        lines.append(f"| `{path}{name}` | {kind} | {default} | {_text(given.get('description') or prop.get('description', ''))} |")
        if prop.get("properties"):
            below.append((name, prop))
    lines.append("")
    for name, prop in below:
        _section(lines, prop, root, f"{path}{name}.", f"{path}{name}")


def _followed(prop: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A property with its reference, or the one alternative that is not null, followed."""
    options = [option for option in prop.get("anyOf", []) if option.get("type") != "null"]
    if len(options) == 1:
        prop = options[0]
    if "$ref" in prop:
        return root["$defs"][prop["$ref"].rsplit("/", 1)[1]]  # type: ignore[no-any-return]
    return prop


def _type(prop: dict[str, Any], root: dict[str, Any]) -> str:
    if "enum" in prop:
        return ", ".join(f"`{value}`" for value in prop["enum"])
    if "const" in prop:
        return f"`{prop['const']}`"
    if prop.get("properties"):
        return "section"
    options = prop.get("anyOf") or prop.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_type(_followed(option, root), root) for option in options if option.get("type") != "null"))
    if prop.get("type") == "array":
        return f"list of {_type(_followed(prop.get('items', {}), root), root)}"
    if prop.get("type") == "object":
        of = prop.get("additionalProperties")
        return f"name → {_type(_followed(of, root), root)}" if isinstance(of, dict) else "section"
    example = prop.get("examples")
    if example:
        return f"quantity, as `{example[0]}`"
    kind = prop.get("type", "anything")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _default(prop: dict[str, Any]) -> str:
    value = prop.get("default")
    return "" if value is None or value == "" else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _text(words: str) -> str:
    """A description without what a table cannot hold, or what is meant for the API reference."""
    flat = " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
    return flat.replace(":class:", "").replace(":mod:", "").replace(":func:", "").replace("``", "`")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("yaml-schema", SchemaReference)
    return {"parallel_read_safe": True}
