import dataclasses
import enum
import json
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import attrs
import msgspec
import pytest

from zbtrio.errors import VariablesError
from zbtrio.variables import MAX_DEPTH, MAX_INT, MIN_INT, dumps, loads


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()


class Pair(NamedTuple):
    left: int
    right: int


class Address(TypedDict):
    city: str


@dataclasses.dataclass
class Order:
    id: str
    address: Address
    _secret: str = "hidden"
    items: list["Item"] = dataclasses.field(default_factory=list)


@attrs.define
class Item:
    sku: str
    price: Decimal = Decimal("1.5")
    _stock: set[int] = attrs.field(factory=set)


class Payment(msgspec.Struct, rename="camel", omit_defaults=True, tag_field="kind", tag="card"):
    card_number: str
    paid_at: datetime | None = None
    extra: Any = None
    note: str | msgspec.UnsetType = msgspec.UNSET


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "{}"),
        ({}, "{}"),
        ({"a": None, "b": [True, 1, 1.5, "x", {}], "c": (1, 2)}, None),
        ({"a": MIN_INT, "b": MAX_INT}, '{"a":-9223372036854775808,"b":18446744073709551615}'),
        ({"name": "Zoë 🚚"}, '{"name":"Zoë 🚚"}'),
        (OrderedDict(a=1), '{"a":1}'),
        (MappingProxyType({"a": {"b": MappingProxyType({})}}), '{"a":{"b":{}}}'),
        ({Name("a"): Name("b"), "pair": Pair(1, 2)}, '{"a":"b","pair":[1,2]}'),
        ({"a": Colour.RED, "b": Level.HIGH}, '{"a":"red","b":3}'),
        ({"a": Decimal("19.90"), "b": Decimal(7)}, '{"a":19.90,"b":7}'),
        ({"a": Decimal("9007199254740993")}, '{"a":9007199254740993}'),
        ({"at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}, '{"at":"2026-01-02T03:04:05Z"}'),
        ({"at": datetime(2026, 1, 2, 3, 4)}, '{"at":"2026-01-02T03:04:00"}'),  # noqa: DTZ001
        (
            {"at": datetime(1900, 1, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32)))},
            '{"at":"1900-01-01T00:40:28Z"}',
        ),
        ({"on": date(2026, 1, 2), "time": time(3, 4)}, '{"on":"2026-01-02","time":"03:04:00"}'),
        ({"for": timedelta(days=1, minutes=5)}, '{"for":"P1DT300S"}'),
        ({"id": UUID(int=1)}, '{"id":"00000000-0000-0000-0000-000000000001"}'),
        ({"raw": msgspec.Raw(b'{"n":1.10}')}, '{"raw":{"n":1.10}}'),
        (msgspec.Raw(b' {"n":1.10}'), ' {"n":1.10}'),
        (
            Order("7", {"city": "Bern"}, items=[Item("x")]),
            '{"id":"7","address":{"city":"Bern"},"items":[{"sku":"x","price":1.5}]}',
        ),
        (Payment("42"), '{"kind":"card","cardNumber":"42"}'),
        (Payment("42", extra=(Name("q"),)), '{"kind":"card","cardNumber":"42","extra":["q"]}'),
    ],
)
def test_dumps(value: Any, text: str | None) -> None:
    if text is None:
        text = json.dumps(value, separators=(",", ":"))
    assert dumps(value) == text


@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        ({"a": float("nan")}, "a", "JSON has no nan"),
        ({"a": [1.0, {"b": float("inf")}]}, "a[1].b", "JSON has no inf"),
        ({"a": MAX_INT + 1}, "a", "65 bits"),
        ({"order": {"items": [1, MIN_INT - 1]}}, "order.items[1]", "send it as text"),
        ({"a": 10**5000}, "a", "an integer of 16610 bits"),
        ({"a": {1, 2}}, "a", "JSON has no set: send a list"),
        ({"a": b"x"}, "a", "JSON has no bytes: send text"),
        ({"a": bytearray(b"x")}, "a", "JSON has no bytearray"),
        ({"a": SimpleNamespace()}, "a", "JSON has no SimpleNamespace"),
        ({"a": 1j}, "a", "JSON has no complex"),
        ({"a": Order}, "a", "JSON has no type"),
        ({1: 2}, "", "the key 1 is of type int"),
        ({"a": {None: 2}}, "a", "the key None is of type NoneType"),
        ({"a b": {"c": {b"k": 2}}}, "['a b'].c", "the key b'k'"),
        ({"a": "x\ud800"}, "a", "character 1 of the text is half a surrogate pair"),
        ({"\ud800": 1}, "", "half a surrogate pair"),
        ({"a": Payment("\udfff")}, "a.card_number", "half a surrogate pair"),
        ({"a": Payment("1", extra={1})}, "a.extra", "JSON has no set"),
        (Order("7", {"city": 1j}), "address.city", "JSON has no complex"),  # type: ignore
        ({"a": Decimal("0.12345678901234567890")}, "a", "64-bit floats"),
        ({"a": Decimal("sNaN")}, "a", "JSON has no sNaN"),
        ({"a": Decimal("1e400")}, "a", "64-bit floats"),
        ({"a": Decimal(2**64)}, "a", "65 bits"),
        ({"a": msgspec.UNSET}, "a", "JSON has no UnsetType"),
        ([1], "", "must be a JSON object, from a dict or a class with fields, not list"),
        ("x", "", "not str"),
        (Colour.RED, "", "must be a JSON object"),
        (msgspec.Raw(b"[]"), "", "must be a JSON object"),
    ],
)
def test_refused(value: Any, path: str, says: str) -> None:
    with pytest.raises(VariablesError) as caught:
        dumps(value)
    assert caught.value.path == path
    assert says in str(caught.value)


def nested(depth: int, kind: type) -> Any:
    value: Any = {} if kind is dict else kind()
    for _ in range(depth - 1):
        value = {"a": value} if kind is dict else kind((value,))
    return value


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_depth_is_bounded(kind: type) -> None:
    deepest = {"root": nested(MAX_DEPTH - 1, kind)}
    assert dumps(deepest).count("root") == 1
    with pytest.raises(VariablesError, match=f"nested more than {MAX_DEPTH} deep"):
        dumps({"root": nested(MAX_DEPTH, kind)})


def test_a_cycle_is_too_deep() -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    with pytest.raises(VariablesError, match="deep"):
        dumps(cycle)


def test_hook_names_what_json_lacks() -> None:
    def hook(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, set):
            return sorted(value)  # type: ignore
        raise NotImplementedError

    value = {"b": b"\x01", "s": {2, 1}, "d": Decimal("1.5"), "p": Payment("1", extra=b"\x02")}
    assert dumps(value, enc_hook=hook) == (
        '{"b":"01","s":[1,2],"d":1.5,"p":{"kind":"card","cardNumber":"1","extra":"02"}}'
    )
    with pytest.raises(VariablesError, match="Variable c: JSON has no complex"):
        dumps({"c": 1j}, enc_hook=hook)


def test_what_a_hook_gives_is_checked_too() -> None:
    with pytest.raises(VariablesError, match="Variable a: JSON has no nan"):
        dumps({"a": b""}, enc_hook=lambda value: float("nan"))
    with pytest.raises(VariablesError, match="nested too deep"):
        dumps({"a": b""}, enc_hook=lambda value: value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        (b"", {}),
        ("null", {}),
        ("{}", {}),
        (' {"a": 1}\n', {"a": 1}),
        (b'{"a": "Zo\xc3\xab"}', {"a": "Zoë"}),
        ('{"a":1,"a":2}', {"a": 2}),
        ('{"a":9007199254740993,"b":123456789012345678901234567890}', None),
        ('{"a":1.0,"b":[null,true,"\\ud83d\\ude9a"]}', None),
    ],
)
def test_loads(text: str | bytes, value: Any) -> None:
    assert loads(text) == (json.loads(text) if value is None else value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "must hold an object"),
        ("1", "must hold an object"),
        ("{", "no valid JSON"),
        ('{"a":NaN}', "no valid JSON"),
        ('{"a":"\\ud800"}', "half a surrogate pair"),
        ('{"a":"\\udc00"}', "half a surrogate pair"),
        ('{"a":"\ud800"}', "half a surrogate pair"),
        (b'{"a":"\xff"}', "broken Unicode"),
        ('{"a":' * 100_000, "nested too deep"),
    ],
)
def test_unreadable(text: str | bytes, says: str) -> None:
    with pytest.raises(VariablesError, match=says):
        loads(text)
