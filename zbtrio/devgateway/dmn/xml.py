"""DMN files as trees of elements, and the part of DMN's schema that a file must keep to.

Zeebe checks a file against the whole schema and answers any fault with the same words. What is
checked here: well-formed XML without a document type, a DMN namespace, elements of DMN's own where
they may stand, attributes and children that an evaluation can't do without, ids that occur once.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

import attrs

from .errors import DmnError

_UNREADABLE = (
    "Failed to parse DMN: org.camunda.bpm.model.dmn.DmnModelException: Unable to parse model"
)
_NAMESPACES = frozenset(
    {
        "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
        "http://www.omg.org/spec/DMN/20180521/MODEL/",
        "https://www.omg.org/spec/DMN/20191111/MODEL/",
        "https://www.omg.org/spec/DMN/20211108/MODEL/",
        "https://www.omg.org/spec/DMN/20230324/MODEL/",
    }
)
_TOP = frozenset(
    {
        "association",
        "businessContextElement",
        "businessKnowledgeModel",
        "decision",
        "decisionService",
        "description",
        "elementCollection",
        "extensionElements",
        "group",
        "import",
        "inputData",
        "itemDefinition",
        "knowledgeSource",
        "organizationUnit",
        "performanceIndicator",
        "textAnnotation",
    }
)
_REQUIRED_ATTRIBUTES = {
    "definitions": ("name", "namespace"),
    "decision": ("name",),
    "businessKnowledgeModel": ("name",),
    "inputData": ("name",),
}
_REQUIRED_CHILDREN = {
    "decisionTable": ("output",),
    "input": ("inputExpression",),
    "inputEntry": ("text",),
    "outputValues": ("text",),
}
_ALLOWED_VALUES = {
    "hitPolicy": frozenset(
        {
            "UNIQUE",
            "FIRST",
            "PRIORITY",
            "ANY",
            "COLLECT",
            "RULE ORDER",
            "OUTPUT ORDER",
        }
    ),
    "aggregation": frozenset({"SUM", "COUNT", "MIN", "MAX"}),
}


@attrs.define(eq=False)
class Element:
    """An element: one in a namespace other than its root's has a tag that begins with `?`."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = attrs.Factory(list["Element"])
    text: str = ""

    def get(self, name: str) -> str:
        """An attribute, or an empty text."""
        return self.attributes.get(name, "")

    def all(self, *tags: str) -> list[Element]:
        """The children with one of these tags."""
        return [child for child in self.children if child.tag in tags]

    def first(self, *tags: str) -> Element | None:
        """The first child with one of these tags."""
        return next(iter(self.all(*tags)), None)

    def walk(self) -> Iterator[Element]:
        """This element and all below it."""
        stack: list[Element] = [self]
        while stack:
            element = stack.pop()
            yield element
            stack.extend(reversed(element.children))


def read(content: bytes) -> Element:
    """The root of a DMN file; raises DmnError."""
    try:
        root = _Builder().build(content)
    except (expat.ExpatError, LookupError, ValueError):  # the latter two: an unknown encoding
        raise DmnError(_UNREADABLE) from None
    if not _is_valid(root):
        raise DmnError(_UNREADABLE)
    return root


def _is_valid(root: Element) -> bool:
    known = all(child.tag in _TOP or child.tag.startswith("?") for child in root.children)
    elements = list(root.walk())
    ids = [element.get("id") for element in elements if element.get("id")]
    return (
        root.tag == "definitions"
        and known
        and len(ids) == len(set(ids))
        and all(map(_is_complete, elements))
    )


def _is_complete(element: Element) -> bool:
    attributes = all(
        name in element.attributes for name in _REQUIRED_ATTRIBUTES.get(element.tag, ())
    )
    children = all(element.first(tag) for tag in _REQUIRED_CHILDREN.get(element.tag, ()))
    return attributes and children and _has_allowed_values(element)


def _has_allowed_values(element: Element) -> bool:
    if element.tag != "decisionTable":
        return True
    return all(
        element.attributes.get(name, next(iter(values))) in values
        for name, values in _ALLOWED_VALUES.items()
    )


class _Builder:
    """Collects expat's events into elements."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._open: list[Element] = []
        self._root = Element("", {})
        self._namespace = ""

    def build(self, content: bytes) -> Element:
        """The root; raises ExpatError."""
        self._parser.Parse(content, True)
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if not self._open and namespace in _NAMESPACES:
            self._namespace = namespace
        own = self._namespace and namespace == self._namespace
        element = Element(local if own else f"?{local}", attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        element = self._open.pop()
        element.text = element.text.strip()

    def _text(self, data: str) -> None:
        self._open[-1].text += data

    def _doctype(self, *declaration: object) -> None:
        raise DmnError(_UNREADABLE)
