"""Changing a layer's graph after it is built: what every option of decoding has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pimsim.model.graph import Node

Nodes = tuple[Node, ...]


def change(nodes: Nodes, chosen: Callable[[Node], bool], changed: Callable[[Node], Node]) -> Nodes:
    """The graph with some of its nodes changed; what they depend on stays."""
    return tuple(changed(node) if chosen(node) else node for node in nodes)


def insert(nodes: Nodes, at: int, node: Node, instead_of: int | None = None) -> Nodes:
    """The graph with a node more, at index ``at``; its deps are among those before it.

    ``instead_of``: whoever behind it depended on this node depends on the new one.
    """
    moved = []
    for index, old in enumerate(nodes):
        deps = tuple(at if index >= at and dep == instead_of else dep + (dep >= at) for dep in old.deps)
        moved.append(replace(old, deps=tuple(dict.fromkeys(deps))))
    return (*moved[:at], node, *moved[at:])


def places(nodes: Nodes, chosen: Callable[[Node], bool]) -> list[int]:
    """Indices of some nodes, the last first: so that inserting behind one leaves the others where they are."""
    return [index for index, node in enumerate(nodes) if chosen(node)][::-1]


def named(name: str) -> Callable[[Node], bool]:
    """Whether a node is called so, in the layer, in a shared expert or in a routed one."""
    return lambda node: node.name.rpartition(".")[2] == name
