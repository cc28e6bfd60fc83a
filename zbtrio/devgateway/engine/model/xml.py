"""BPMN files as trees of nodes, read without entities: a document type is refused as Zeebe does."""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

import attrs

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"
_REFERENCES = {
    "sequenceFlow": ("sourceRef", "targetRef"),
    "exclusiveGateway": ("default",),
    "inclusiveGateway": ("default",),
    "boundaryEvent": ("attachedToRef",),
}
MAX_DEPTH = 150
_PREFIXES = {BPMN: "", ZEEBE: "zeebe:"}


class XmlError(Exception):
    """The file is no BPMN document; the text is worded as Zeebe's XML parser words it."""


@attrs.define(eq=False)
class Node:
    """An element of the file.

    Args:
        tag: the local name of BPMN's elements, with `zeebe:` before Zeebe's, `?:` before others.
        attributes: those without a namespace, by name.
        line: where it begins.
        text: the character data directly in it, stripped.
    """

    tag: str
    attributes: dict[str, str]
    line: int
    parent: Node | None = None
    children: list[Node] = attrs.Factory(list["Node"])
    text: str = ""

    def get(self, name: str) -> str:
        """An attribute, or an empty text."""
        return self.attributes.get(name, "")

    @property
    def id(self) -> str:
        """The element's id, or an empty text."""
        return self.get("id")

    def all(self, *tags: str) -> list[Node]:
        """The children with one of these tags, in the file's order."""
        return [child for child in self.children if child.tag in tags]

    def first(self, tag: str) -> Node | None:
        """The first child with this tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def extensions(self, tag: str) -> list[Node]:
        """Zeebe's extension elements of this tag, without its prefix."""
        around = self.first("extensionElements")
        return around.all(f"zeebe:{tag}") if around else []

    def extension(self, tag: str) -> Node | None:
        """The first of Zeebe's extension elements of this tag."""
        return next(iter(self.extensions(tag)), None)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    @property
    def path(self) -> str:
        """How Zeebe names the node in an error: its id, else the way from the nearest id."""
        if self.parent is None or self.id:
            return self.id if self.parent else self.name
        return f"{self.parent.path} > {self.name}"

    @property
    def name(self) -> str:
        """The tag without a prefix."""
        return self.tag.rpartition(":")[2]


def parse(content: bytes) -> Node:
    """The root of a BPMN document; raises XmlError."""
    root = _Builder().build(content)
    _check_references(root, _check_ids(root))
    return root


def _check_root(root: Node) -> None:
    if root.tag != "definitions":
        unknown = f"Cannot find the declaration of element '{root.name}'."
        raise XmlError(_error(root.line, f"cvc-elt.1.a: {unknown}"))
    if "targetNamespace" not in root.attributes:
        missing = "Attribute 'targetNamespace' must appear on element 'bpmn:definitions'."
        raise XmlError(_error(root.line, f"cvc-complex-type.4: {missing}"))


def _error(line: int, text: str, kind: str = "Error") -> str:
    return f"{kind}: URI=null Line={line}: {text}"


def _check_ids(root: Node) -> set[str]:
    seen: set[str] = set()
    for node in root.walk():
        if not node.id or node.tag.startswith("?:"):
            continue
        if node.id in seen:
            twice = f"There are multiple occurrences of ID value '{node.id}'."
            raise XmlError(_error(node.line, f"cvc-id.2: {twice}"))
        if not _is_name(node.id):
            wrong = f"'{node.id}' is not a valid value for 'NCName'."
            raise XmlError(_error(node.line, f"cvc-datatype-valid.1.2.1: {wrong}"))
        seen.add(node.id)
    return seen


def _check_references(root: Node, ids: set[str]) -> None:
    for node in root.walk():
        if node.tag == "boundaryEvent" and not node.get("attachedToRef"):
            missing = "Attribute 'attachedToRef' must appear on element 'bpmn:boundaryEvent'."
            raise XmlError(_error(node.line, f"cvc-complex-type.4: {missing}"))
        for name in _REFERENCES.get(node.tag, ()):
            if (target := node.get(name)) and target not in ids:
                lost = f"There is no ID/IDREF binding for IDREF '{target}'."
                raise XmlError(_error(node.line, f"cvc-id.1: {lost}"))


def _is_name(text: str) -> bool:
    first_ok = text[0].isalpha() or text[0] == "_"
    return first_ok and all(letter.isalnum() or letter in "_-." for letter in text)


class _Builder:
    """Collects expat's events into nodes."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._node: Node | None = None
        self._root: Node | None = None
        self._depth = 0

    def build(self, content: bytes) -> Node:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            raise XmlError(_error(error.lineno, _reason(error), "Fatal Error")) from None
        assert self._root is not None  # expat refuses a document without a root
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            text = f"The elements are nested more than {MAX_DEPTH} deep."
            raise XmlError(_error(self._parser.CurrentLineNumber, text, "Fatal Error"))
        plain = {key: value for key, value in attributes.items() if " " not in key}
        node = Node(_tag(name), plain, self._parser.CurrentLineNumber, self._node)
        if self._node is not None:
            self._node.children.append(node)
        else:
            _check_root(node)
            self._root = node
        self._node = node

    def _end(self, name: str) -> None:
        assert self._node is not None
        self._depth -= 1
        self._node.text = self._node.text.strip()
        self._node = self._node.parent

    def _text(self, data: str) -> None:
        assert self._node is not None
        self._node.text += data

    def _doctype(self, *declaration: object) -> None:
        feature = "http://apache.org/xml/features/disallow-doctype-decl"
        text = f'DOCTYPE is disallowed when the feature "{feature}" set to true.'
        raise XmlError(_error(self._parser.CurrentLineNumber, text, "Fatal Error"))


def _tag(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return _PREFIXES.get(namespace, "?:") + local


def _reason(error: expat.ExpatError) -> str:
    codes = expat.errors.codes
    if error.code == codes[expat.errors.XML_ERROR_NO_ELEMENTS]:
        return "Premature end of file."
    if error.code == codes[expat.errors.XML_ERROR_SYNTAX]:
        return "Content is not allowed in prolog."
    return f"{expat.ErrorString(error.code)} (column {error.offset + 1})."
