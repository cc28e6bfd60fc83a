from __future__ import annotations

import dataclasses
import functools
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, Unpack

import attrs
import msgspec
import pytest

from tests.worker.jobs import make_job
from zbtrio import BindingError, HandlerError, Job, Tasks, Var, camel_case, hookimpl
from zbtrio.hooks import PluginSet
from zbtrio.worker.binding import NO_VARIABLE, Binding

if TYPE_CHECKING:
    from fractions import Fraction


def bound(handler: Any, variables: Any = None, *, fetch: Any = (), **options: Any) -> Any:
    """The keyword arguments that a handler would get."""
    return binding(handler, fetch=fetch, **options).arguments(make_job(variables))


def binding(handler: Any, *, fetch: Any = (), **options: Any) -> Binding:
    tasks = Tasks()
    tasks.task("work", fetch=fetch)(handler)
    return Binding(tasks["work"], **options)


def resolved(handler: Any, **annotations: Any) -> Any:
    """The handler with annotations that are no text: they name what only the test knows."""
    handler.__annotations__ |= annotations
    return handler


class Unprovided:
    pass


@dataclasses.dataclass
class Data:
    x: int


def test_scalars_are_bound_by_name_and_type() -> None:
    async def handler(a: str, b: int, c: float, d: bool, e: None, f: date, g: Decimal): ...

    given = {"a": "x", "b": 2**62, "c": 5, "d": True, "e": None, "f": "2024-02-29", "g": "1.10"}
    assert bound(handler, given | {"unwanted": {"deep": [1]}}) == {
        "a": "x",
        "b": 2**62,
        "c": 5.0,
        "d": True,
        "e": None,
        "f": date(2024, 2, 29),
        "g": Decimal("1.10"),
    }


def test_classes_are_made_of_objects() -> None:
    @attrs.define
    class Attrs:
        x: int
        data: Data

    class Dict(TypedDict):
        x: int

    class Struct(msgspec.Struct):
        x: int

    tasks = Tasks()

    @tasks.task("work")
    async def handler(a: Data, b: Attrs, c: Dict, d: list[Struct], e: Data | None): ...

    one = {"x": 1}
    given = {"a": one, "b": {"x": 2, "data": one}, "c": one, "d": [one], "e": None}
    assert Binding(tasks["work"]).arguments(make_job(given)) == {
        "a": Data(1),
        "b": Attrs(2, Data(1)),
        "c": {"x": 1},
        "d": [Struct(1)],
        "e": None,
    }


def test_parameters_without_annotation_take_anything() -> None:
    async def handler(a, b=2): ...

    assert bound(handler, {"a": [1, {"x": None}]}) == {"a": [1, {"x": None}]}
    assert bound(handler, {"a": 1, "b": 3}) == {"a": 1, "b": 3}


def test_a_default_makes_a_parameter_optional() -> None:
    async def handler(a: int = 7, *, b: str, c: list[str] = []): ...  # noqa: B006

    assert bound(handler, {"b": "x"}) == {"b": "x"}
    assert bound(handler, {"a": 1, "b": "x", "c": ["y"]}) == {"a": 1, "b": "x", "c": ["y"]}


def test_names_and_var() -> None:
    async def handler(order_id: str, odd: Annotated[str, Var("order-name")], n: int = 0): ...

    used = binding(handler, names=camel_case)
    assert used.fetch == ("n", "order-name", "orderId")
    job = make_job({"orderId": "1", "order-name": "x", "order_id": "no"})
    assert used.arguments(job) == {"order_id": "1", "odd": "x"}


def test_other_annotated_metadata_is_kept() -> None:
    async def handler(n: Annotated[int, msgspec.Meta(ge=1), Var("count")]): ...

    assert bound(handler, {"count": 1}) == {"n": 1}
    with pytest.raises(BindingError, match=r"'count' does not fit parameter n .* `int` >= 1"):
        bound(handler, {"count": 0})


def test_the_rest_goes_into_keyword_variables() -> None:
    async def handler(order_id: str, **variables: Any): ...

    used = binding(handler, names=camel_case)
    assert used.fetch is None
    job = make_job({"orderId": "1", "cardNumber": "2", "odd-name": 3})
    assert used.arguments(job) == {"order_id": "1", "card_number": "2", "odd-name": 3}


def test_keyword_variables_have_a_type() -> None:
    async def handler(**variables: int): ...

    assert bound(handler, {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(BindingError, match=r"'b' does not fit parameter \*\*variables"):
        bound(handler, {"a": 1, "b": "x"})


class Payload(TypedDict, total=False):
    order_id: str
    amount: float


def test_keyword_variables_of_a_typed_dict() -> None:
    async def handler(**variables: Unpack[Payload]): ...

    used = binding(handler, names=camel_case)
    assert used.fetch == ("amount", "orderId")
    assert used.arguments(make_job({"orderId": "1", "x": 2})) == {"order_id": "1"}


def test_job_and_provided_values_are_injected() -> None:
    class Database: ...

    database = Database()

    async def handler(job: Job, db: Database, n: int): ...

    used = binding(resolved(handler, db=Database), provided={Database: database})
    assert used.fetch == ("n",)
    job = make_job({"n": 1, "db": 2, "job": 3})
    assert used.arguments(job) == {"job": job, "db": database, "n": 1}


def test_what_is_fetched() -> None:
    async def nothing(job: Job): ...

    async def reads_all(job: Job):
        return [job.variables for _ in range(2)]

    async def one(a: int): ...

    assert binding(nothing).fetch == (NO_VARIABLE,)
    assert binding(reads_all).fetch is None
    assert binding(one).fetch == ("a",)
    assert binding(one, fetch=["b", "a"]).fetch == ("a", "b")
    assert binding(one, fetch="all").fetch is None


@pytest.mark.parametrize("text", ["", "null", "{}"])
def test_no_variables_at_all(text: str) -> None:
    async def handler(a: int = 1): ...

    async def needy(a: int): ...

    assert bound(handler, text) == {}
    with pytest.raises(BindingError, match="variable 'a' is missing"):
        bound(needy, text)


@pytest.mark.parametrize(
    ("annotation", "value", "why"),
    [
        (int, "1", "Expected `int`, got `str`"),
        (str, 1, "Expected `str`, got `int`"),
        (bool, 1, "Expected `bool`, got `int`"),
        (float, True, "Expected `float`, got `bool`"),
        (str, None, "Expected `str`, got `null`"),
        (list[int], [1, "x"], r"Expected `int`, got `str` - at `\$\[1\]`"),
    ],
)
def test_a_mismatch_names_type_element_and_variable(annotation: Any, value: Any, why: str) -> None:
    async def handler(a: int, order_id: Any): ...

    resolved(handler, order_id=annotation)
    where = "Job type 'work', element 'task' of 'order': variable 'orderId' does not fit parameter "
    with pytest.raises(BindingError, match=f"^{where}order_id of .*handler: {why}"):
        bound(handler, {"a": 1, "orderId": value}, names=camel_case)


def test_a_missing_variable_is_named() -> None:
    async def handler(a: int, order_id: str): ...

    with pytest.raises(BindingError, match=r"element 'task' .* 'orderId' is missing, .* order_id"):
        bound(handler, {"a": 1}, names=camel_case)


@pytest.mark.parametrize("text", ["[]", "1", "{", '{"a": "\\ud800"}'])
def test_variables_that_are_no_object(text: str) -> None:
    async def handler(a: str): ...

    with pytest.raises(BindingError, match="Job type 'work', element 'task'"):
        bound(handler, text)


def test_what_a_middleware_left_in_the_variables_is_bound() -> None:
    async def handler(a: int, b: Decimal): ...

    job = make_job({"a": 1, "x": "2.5"})
    job.variables["b"] = Decimal(job.variables.pop("x"))
    assert binding(handler).arguments(job) == {"a": 1, "b": Decimal("2.5")}
    job.variables = {"a": "no", "b": "1"}
    with pytest.raises(BindingError, match="'a' does not fit"):
        binding(handler).arguments(job)


def test_variables_that_nobody_wants_are_not_parsed() -> None:
    async def handler(a: int): ...

    job = make_job('{"a": 1, "b": [1, 2, 3]}')
    binding(handler).arguments(job)
    assert not job.variables_read


def test_handlers_of_all_kinds() -> None:
    class Shop:
        async def method(self, a: int): ...

        async def __call__(self, a: int): ...

    async def two(a: int, b: int): ...

    def decorator(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any: ...

        return wrapper

    for handler in (Shop().method, Shop(), functools.partial(two, b=1), decorator(Shop().method)):
        assert bound(handler, {"a": 1})["a"] == 1


def test_what_cant_be_called_is_refused() -> None:
    async def positional(a: int, /): ...

    async def args(*args: int): ...

    async def type_checking(x: Fraction): ...

    async def unprovided(x: Unprovided): ...

    async def union(x: dict | Payload | msgspec.Struct): ...

    @dataclasses.dataclass
    class Inner: ...

    @dataclasses.dataclass
    class Outer:
        inner: Inner

    async def local(x: Any): ...

    resolved(local, x=Outer)

    for handler, why in [
        (positional, "a is positional only"),
        (args, r"\*args can't be bound"),
        (
            type_checking,
            "the annotation of parameter x names 'Fraction', which doesn't exist at run time",
        ),
        (unprovided, "nothing provides parameter x: Unprovided"),
        (union, "parameter x: .*Type unions"),
        (local, "parameter x: .*'Inner' is not defined"),
    ]:
        with pytest.raises(HandlerError, match=f"{handler.__name__} for 'work': {why}"):
            binding(handler)


def test_a_plugin_teaches_a_type() -> None:
    @attrs.define(eq=False)
    class Plugin:
        @hookimpl
        def variable_codec(self, annotation: type) -> Any:
            return Codec() if annotation is Unprovided else None

    class Codec:
        def decode(self, value: Any) -> object:
            if value != "good":
                raise ValueError(f"{value} is not good")
            return Unprovided()

        def encode(self, value: Any) -> object:
            return "good"

    codecs = PluginSet.of(p=Plugin()).codecs

    async def handler(x: Unprovided): ...

    assert isinstance(bound(handler, {"x": "good"}, codecs=codecs)["x"], Unprovided)
    with pytest.raises(BindingError, match=r"'x' does not fit parameter x .*bad is not good"):
        bound(handler, {"x": "bad"}, codecs=codecs)
