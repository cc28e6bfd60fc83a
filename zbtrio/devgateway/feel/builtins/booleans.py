"""`not`, `is defined`, `get or else`, `assert`."""

from __future__ import annotations

from zbtrio.devgateway.feel.errors import FunctionFailure
from zbtrio.devgateway.feel.values import Value

from .library import Library, illegal

booleans = Library()


@booleans.define("not(negand: any)")
def negate(negand: Value) -> Value:
    return not negand if isinstance(negand, bool) else None


@booleans.define("is defined(value: any)")
def is_defined(value: Value) -> Value:
    return value is not None


@booleans.define("get or else(value: any, default: any)")
def get_or_else(value: Value, default: Value) -> Value:
    return default if value is None else value


@booleans.define("assert(value: any, condition: any)")
def assert_(value: Value, condition: Value) -> Value:
    if condition is True:
        return value
    raise FunctionFailure("The condition is not fulfilled")


@booleans.define("assert(value: any, condition: any, cause: any)")
def assert_for_cause(value: Value, condition: Value, cause: Value) -> Value:
    if condition is True:
        return value
    if isinstance(cause, str):
        raise FunctionFailure(cause)
    raise illegal(value, condition, cause)
