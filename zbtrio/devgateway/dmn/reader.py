"""DMN files to decisions. All faults of a file are found before it is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from zbtrio.devgateway import feel

from .errors import DmnError
from .graph import Decision, DecisionRequirements, KnowledgeModel
from .logic import (
    ContextLogic,
    FunctionLogic,
    Invocation,
    ListLogic,
    LiteralExpression,
    Logic,
    RelationLogic,
)
from .tables import DecisionTable, Input, Output, Rule
from .xml import Element, read

T = TypeVar("T", feel.Expression, feel.UnaryTests)

_CYCLE = "Invalid DMN model: Cyclic dependencies between {} detected."
_LANGUAGES = frozenset(
    {
        "feel",
        "http://www.omg.org/spec/feel/20140401",
        "http://www.omg.org/spec/dmn/20180521/feel/",
        "https://www.omg.org/spec/dmn/20191111/feel/",
    }
)
_LOGIC = (
    "decisionTable",
    "literalExpression",
    "context",
    "list",
    "relation",
    "invocation",
    "functionDefinition",
)
_NOTHING = feel.parse_expression("null")


def parse(content: bytes) -> DecisionRequirements:
    """A DMN file (versions 1.1 to 1.5) as its decisions.

    Raises:
        DmnError: with the text that Zeebe answers to the deployment, behind the file's name.
    """
    root = read(content)
    reader = _Reader(root)
    try:
        decisions = [reader.decision(each) for each in root.all("decision")]
    except RecursionError:
        raise DmnError(
            "The decisions of this file are nested too deeply, or require one another through too"
            " many steps. Split the file"
        ) from None
    if reader.failures:
        raise DmnError("\n".join(reader.failures))
    return DecisionRequirements(root.get("id"), root.get("name"), root.get("namespace"), decisions)


class _Reader:
    """Reads one file; every decision and knowledge model once, however often it is required."""

    def __init__(self, root: Element) -> None:
        self.failures: list[str] = []
        self._elements = {each.get("id"): each for each in root.walk() if each.get("id")}
        self._decisions: dict[str, Decision] = {}
        self._models: dict[str, KnowledgeModel] = {}
        self._expressions: dict[str, feel.Expression] = {}
        self._tests: dict[str, feel.UnaryTests] = {}
        self._reading: list[Element] = []

    def decision(self, element: Element) -> Decision:
        """The decision with all that it requires; raises DmnError when it requires itself."""
        key = element.get("id") or element.get("name")
        if key not in self._decisions:
            self._enter(element, "decisions")
            self._decisions[key] = self._new_decision(element)
            self._reading.pop()
        return self._decisions[key]

    def _enter(self, element: Element, what: str) -> None:
        if element in self._reading:
            raise DmnError(_CYCLE.format(what))
        self._reading.append(element)

    def _new_decision(self, element: Element) -> Decision:
        required = self._required(element, "informationRequirement", "requiredDecision")
        decisions = [self.decision(each) for each in required]
        models = self._models_of(element)
        variable = element.first("variable")
        return Decision(
            element.get("id"),
            element.get("name"),
            variable.get("name") if variable else element.get("id") or element.get("name"),
            variable.get("typeRef") if variable else "",
            self._logic_of(element, "decision expression", models),
            decisions,
            models,
        )

    def _required(self, element: Element, requirement: str, reference: str) -> list[Element]:
        found: list[Element] = []
        for each in element.all(requirement):
            target = each.first(reference)
            if target is not None:
                found.append(self._referred(target.get("href")))
        return found

    def _referred(self, href: str) -> Element:
        target = href.rpartition("#")[2]
        if target not in self._elements:
            raise DmnError(f"Unable to find a model element instance for id {target}")
        return self._elements[target]

    def _models_of(self, element: Element) -> list[KnowledgeModel]:
        required = self._required(element, "knowledgeRequirement", "requiredKnowledge")
        return [self._model(each) for each in required]

    def _model(self, element: Element) -> KnowledgeModel:
        name = element.get("name")
        if name not in self._models:
            self._enter(element, "BKMs")
            self._models[name] = self._new_model(element)
            self._reading.pop()
        return self._models[name]

    def _new_model(self, element: Element) -> KnowledgeModel:
        models = self._models_of(element)
        body = element.first("encapsulatedLogic")
        logic: Logic = LiteralExpression(_NOTHING)
        parameters: list[tuple[str, str]] = []
        if body is not None:
            logic = self._logic_of(body, "business knowledge model logic found", models)
            parameters = [
                (each.get("name"), each.get("typeRef")) for each in body.all("formalParameter")
            ]
        return KnowledgeModel(element.get("id"), element.get("name"), parameters, logic, models)

    # Logic

    def _logic_of(self, parent: Element, what: str, models: Sequence[KnowledgeModel]) -> Logic:
        element = parent.first(*_LOGIC)
        if element is None or element.tag == "functionDefinition":
            found = "null" if element is None else element.tag
            return self._fail(f"unsupported {what} '{found}'")
        return self._logic(element, models)

    def _fail(self, message: str) -> Logic:
        if message not in self.failures:
            self.failures.append(message)
        return LiteralExpression(_NOTHING)

    def _logic(self, element: Element, models: Sequence[KnowledgeModel]) -> Logic:
        readers: dict[str, Callable[[Element, Sequence[KnowledgeModel]], Logic]] = {
            "decisionTable": lambda each, _: self._table(each),
            "literalExpression": lambda each, _: LiteralExpression(self._expression(each)),
            "context": self._context,
            "list": self._list,
            "relation": self._relation,
            "invocation": self._invocation,
            "functionDefinition": lambda each, _: self._function(each),
        }
        return readers[element.tag](element, models)

    def _context(self, element: Element, models: Sequence[KnowledgeModel]) -> Logic:
        entries: list[tuple[str, Logic]] = []
        result: Logic | None = None
        for entry in element.all("contextEntry"):
            logic = self._part(entry, models)
            variable = entry.first("variable")
            if variable is not None:
                entries.append((variable.get("name"), logic))
            else:
                result = logic
        if not entries and result is None:
            return self._fail(f"The context '{element.get('id')}' must not be empty.")
        return ContextLogic(entries, result)

    def _part(self, parent: Element, models: Sequence[KnowledgeModel]) -> Logic:
        element = parent.first(*_LOGIC)
        if element is None:
            return self._fail("unsupported expression found 'null'")
        return self._logic(element, models)

    def _list(self, element: Element, models: Sequence[KnowledgeModel]) -> Logic:
        return ListLogic([self._logic(each, models) for each in element.all(*_LOGIC)])

    def _relation(self, element: Element, models: Sequence[KnowledgeModel]) -> Logic:
        names = [column.get("name") for column in element.all("column")]
        rows: list[Sequence[tuple[str, Logic]]] = []
        for row in element.all("row"):
            cells = [self._logic(each, models) for each in row.all(*_LOGIC)]
            if len(cells) != len(names):
                wanted = f"expected row with '{len(names)}' elements but found '{len(cells)}'"
                self._fail(wanted)
            rows.append(list(zip(names, cells, strict=False)))
        return RelationLogic(rows)

    def _invocation(self, element: Element, models: Sequence[KnowledgeModel]) -> Logic:
        called = element.first("literalExpression")
        text = called and called.first("text")
        name = text.text if text else ""
        model = next((each for each in models if each.name == name), None)
        if model is None:
            return self._fail(f"no BKM found with name '{name}'")
        return Invocation(model, [self._binding(each) for each in element.all("binding")])

    def _binding(self, element: Element) -> tuple[str, feel.Expression]:
        parameter, value = element.first("parameter"), element.first("literalExpression")
        if parameter is None or value is None:
            self._fail("expected binding with literal expression but found 'null'")
            return "", _NOTHING
        return parameter.get("name"), self._expression(value)

    def _function(self, element: Element) -> Logic:
        body = element.first("literalExpression")
        if body is None:
            return self._fail("expected literal expression but found 'null'")
        names = [each.get("name") for each in element.all("formalParameter")]
        return FunctionLogic(names, self._expression(body))

    # Decision tables

    def _table(self, element: Element) -> DecisionTable:
        policy, aggregation = element.get("hitPolicy") or "UNIQUE", element.get("aggregation")
        outputs = element.all("output")
        if len(outputs) > 1 and policy == "COLLECT" and aggregation:
            self._fail("hit policy 'COLLECT' with aggregator is not defined for compound output")
        return DecisionTable(
            [self._input(each) for each in element.all("input")],
            [self._output(each) for each in outputs],
            [self._rule(each, index) for index, each in enumerate(element.all("rule"), 1)],
            policy,
            aggregation if policy == "COLLECT" else "",
        )

    def _input(self, element: Element) -> Input:
        column = element.first("inputExpression")
        expression = self._expression(column) if column else _NOTHING
        return Input(element.get("id"), element.get("label") or expression.text, expression)

    def _output(self, element: Element) -> Output:
        values, default = element.first("outputValues"), element.first("defaultOutputEntry")
        text = values and values.first("text")
        return Output(
            element.get("id"),
            element.get("label") or element.get("name"),
            element.get("name"),
            _priorities(text.text) if text else (),
            self._expression(default) if default else None,
        )

    def _rule(self, element: Element, index: int) -> Rule:
        tests = [self._unary_tests(each) for each in element.all("inputEntry")]
        values = [self._expression(each) for each in element.all("outputEntry")]
        return Rule(element.get("id"), index, tests, values)

    # FEEL

    def _expression(self, element: Element) -> feel.Expression:
        text = element.first("text")
        if text is None:
            self._fail(f"The expression '{element.get('id')}' must not be empty.")
            return _NOTHING
        found = self._feel(element, text.text, self._expressions, feel.parse_expression)
        return found or _NOTHING

    def _unary_tests(self, element: Element) -> feel.UnaryTests | None:
        text = element.first("text")
        if text is None or not text.text:
            return None
        return self._feel(element, text.text, self._tests, feel.parse_unary_tests)

    def _feel(
        self, element: Element, text: str, known: dict[str, T], parser: Callable[[str], T]
    ) -> T | None:
        """The parsed text; None, with a failure noted, when that isn't possible."""
        language = element.get("expressionLanguage")
        if language and language.lower() not in _LANGUAGES:
            self._fail(f"Expression language '{language.lower()}' is not supported")
            return None
        if text not in known:
            try:
                known[text] = parser(text)
            except feel.FeelSyntaxError as error:
                what = "expression" if known is self._expressions else "unary-tests"
                self._fail(f"FEEL {what}: {error}")
                return None
        return known[text]


def _priorities(text: str) -> list[str]:
    """Output values as texts, without quotes."""
    return [each.strip().replace('"', "").replace("'", "") for each in text.split(",")]
