"""Contexts."""

from __future__ import annotations

from collections.abc import Sequence

from zbtrio.devgateway.feel.values import Value, entries, ordered_entries

from .library import Library, illegal

contexts = Library()

_Context = dict[str, Value]


@contexts.define(
    "get entries(context: context)",
    "get entries(m: context)",
)
def get_entries(context: _Context) -> Value:
    return [{"key": key, "value": value} for key, value in ordered_entries(context)]


@contexts.define(
    "get value(context: context, key: any)",
    "get value(context: context, keys: any)",
    "get value(m: context, key: any)",
)
def get_value(context: _Context, key: Value) -> Value:
    if isinstance(key, str):
        return entries(context).get(key)
    if not isinstance(key, list):
        raise illegal(context, key)
    return _at_path(context, key)


def _at_path(context: _Context, keys: Sequence[Value]) -> Value:
    value: Value = context if keys else None
    for key in keys:
        if not isinstance(value, dict) or not isinstance(key, str):
            return None
        value = entries(value).get(key)
    return value


@contexts.define(
    "context put(context: context, key: any, value: any)",
    "context put(context: context, keys: any, value: any)",
    "put(context: context, key: any, value: any)",
)
def context_put(context: _Context, key: Value, value: Value) -> Value:
    keys = [key] if isinstance(key, str) else key
    if not isinstance(keys, list):
        raise illegal(context, key, value)
    if not keys:
        return None
    names = [name for name in keys if isinstance(name, str)]
    if len(names) < len(keys):
        raise illegal(context, key, value)
    return _put(context, names, value)


def _put(context: _Context, keys: Sequence[str], value: Value) -> Value:
    """A copy with the value at the path; what isn't a context on the way is replaced by one."""
    key, *rest = keys
    if not rest:
        return {**context, key: value}
    inner = context.get(key)
    return {**context, key: _put(inner if isinstance(inner, dict) else {}, rest, value)}


@contexts.define(
    "context merge(contexts...)",
    "put all(contexts...)",
)
def context_merge(parts: list[Value]) -> Value:
    merged: _Context = {}
    for part in parts:
        if not isinstance(part, dict):
            return None
        merged |= entries(part)
    return merged


@contexts.define("context(entries: any)")
def context_of(pairs: Value) -> Value:
    result: _Context = {}
    for pair in pairs if isinstance(pairs, list) else [None]:
        key = pair.get("key") if isinstance(pair, dict) else None
        if not isinstance(pair, dict) or not isinstance(key, str) or "value" not in pair:
            return None
        result[key] = pair["value"]
    return result
