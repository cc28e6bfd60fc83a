"""DMN decisions as Zeebe 8.6 evaluates them.

    graph = dmn.parse(content)
    result = graph.evaluate("dish", {"season": "Winter", "guests": 4}, now=clock)
    result.output, result.evaluated_decisions, result.failure_message

Decision tables, literal expressions, contexts, lists, relations and invocations of business
knowledge models are evaluated; anything else is refused when the file is parsed. There is no I/O
and no clock in here.
"""

from .errors import DmnError
from .graph import Decision, DecisionRequirements
from .reader import parse
from .results import (
    DecisionResult,
    EvaluatedDecision,
    EvaluatedInput,
    EvaluatedOutput,
    MatchedRule,
)

__all__ = [
    "Decision",
    "DecisionRequirements",
    "DecisionResult",
    "DmnError",
    "EvaluatedDecision",
    "EvaluatedInput",
    "EvaluatedOutput",
    "MatchedRule",
    "parse",
]
