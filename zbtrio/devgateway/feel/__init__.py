"""FEEL, the expression language of BPMN and DMN, as Zeebe 8.6 evaluates it.

    expression = feel.parse_expression("price * 1.2 > limit")
    result = expression.evaluate({"price": 10, "limit": 11}, now=clock)
    feel.to_json_value(result.value), result.warnings, result.failure

Expressions are parsed once and evaluated as often as needed. There is no I/O and no clock in here.

Where it differs from Zeebe, as far as is known: years lie between 1 and 9999, fractions of a second
have six digits, numbers 34 digits even where a literal has more; expressions nest at most 40 levels
and an iteration takes at most a million steps; regular expressions know no sets within sets.
"""

from .errors import FeelSyntaxError
from .expression import Expression, Result, UnaryTests, parse_expression, parse_unary_tests
from .json_values import from_json_value, to_json_value
from .scope import Warning
from .temporal import YearsMonths, ZonedTime
from .values import Function, Range, Value, to_text
from .zeebe import Static, parse_zeebe, result_type

__all__ = [
    "Expression",
    "FeelSyntaxError",
    "Function",
    "Range",
    "Result",
    "Static",
    "UnaryTests",
    "Value",
    "Warning",
    "YearsMonths",
    "ZonedTime",
    "from_json_value",
    "parse_expression",
    "parse_unary_tests",
    "parse_zeebe",
    "result_type",
    "to_json_value",
    "to_text",
]
