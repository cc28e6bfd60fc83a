"""Input and output mappings: Zeebe makes one FEEL context of all mappings of an element.

Dotted targets nest. An output mapping into an object that is there keeps its other entries, by
`context merge`. The text is Zeebe's, since incidents quote it.
"""

from __future__ import annotations

from typing import TypeAlias, cast

from zbtrio.devgateway import feel

from .xml import Node

_Tree: TypeAlias = "dict[str, str | _Tree]"


def input_mappings(node: Node) -> feel.Expression | None:
    """All `zeebe:input` of an element as one expression; None without any."""
    tree = _tree(_mappings(node, "zeebe:input"))
    return feel.parse_expression(_context(tree)) if tree else None


def output_mappings(node: Node) -> feel.Expression | None:
    """All `zeebe:output` of an element as one expression; None without any."""
    tree = _tree(_mappings(node, "zeebe:output"))
    return feel.parse_expression(_merging_context(tree, ())) if tree else None


def _mappings(node: Node, tag: str) -> list[Node]:
    around = node.extension("ioMapping")
    return around.all(tag) if around else []


def _tree(mappings: list[Node]) -> _Tree:
    root: _Tree = {}
    for mapping in mappings:
        *way, last = mapping.get("target").split(".")
        level = root
        for name in way:
            if not isinstance(level.get(name), dict):
                level[name] = {}
            level = cast("_Tree", level[name])
        level[last] = _feel_text(mapping.get("source"))
    return root


def _feel_text(source: str) -> str:
    parsed = feel.parse_zeebe(source)
    if isinstance(parsed, feel.Static):
        return '"' + source.replace('"', '\\"') + '"'
    return parsed.text


def _context(tree: _Tree) -> str:
    entries = (
        f"{name}:{_context(value) if isinstance(value, dict) else value}"
        for name, value in tree.items()
    )
    return "{" + ",".join(entries) + "}"


def _merging_context(tree: _Tree, path: tuple[str, ...]) -> str:
    entries = (
        f"{name}:{_merged(value, (*path, name)) if isinstance(value, dict) else value}"
        for name, value in tree.items()
    )
    return "{" + ",".join(entries) + "}"


def _merged(tree: _Tree, path: tuple[str, ...]) -> str:
    there = ".".join(path)
    inner = _merging_context(tree, path)
    return f"if ({there} != null) then context merge({there},{inner}) else {inner}"
