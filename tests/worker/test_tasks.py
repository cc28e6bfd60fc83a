from __future__ import annotations

import functools
from typing import Any

import pytest

from zbtrio import HandlerError, Limiter, Tasks, Worker


async def handler() -> None: ...


async def other() -> None: ...


def test_the_function_comes_back_unchanged() -> None:
    tasks = Tasks()
    assert tasks.task("work", concurrency=3, retry="x")(handler) is handler
    (task,) = tasks
    assert (task.type, task.handler, task.concurrency) == ("work", handler, 3)
    assert task.options == {"retry": "x"}
    assert "work" in tasks
    assert len(tasks) == 1


def test_two_handlers_for_one_type_are_refused() -> None:
    tasks = Tasks()
    tasks.task("work")(handler)
    with pytest.raises(HandlerError, match=r"'work' has two handlers, .*\.handler and .*\.other"):
        tasks.task("work")(other)


def test_a_registry_is_included_once() -> None:
    tasks, app = Tasks(), Worker()
    tasks.task("work")(handler)
    app.include(tasks)
    app.include(tasks)
    assert [task.type for task in app] == ["work"]
    more = Tasks()
    more.task("work")(other)
    with pytest.raises(HandlerError, match="two handlers"):
        app.include(more)


@pytest.mark.parametrize(
    ("type", "options", "why"),
    [
        ("", {}, "not blank"),
        ("  ", {}, "not blank"),
        (1, {}, "is a text"),
        ("a", {"concurrency": 0}, "concurrency is 0; it must be at least 1"),
        ("a", {"timeout": 0.0001}, "timeout is 0.0001 s; the gateway takes whole milliseconds"),
        ("a", {"poll": 0}, "poll is 0 s"),
        ("a", {"poll": "fast"}, 'poll is \'fast\'; it is "long", "stream" or seconds'),
        ("a", {"rate": 1, "limit": Limiter(rate=1)}, "both rate= and limit="),
    ],
)
def test_impossible_options_are_refused(type: Any, options: dict[str, Any], why: str) -> None:
    with pytest.raises(HandlerError, match=why):
        Tasks().task(type, **options)(handler)


def test_what_is_no_handler_is_refused() -> None:
    async def yields():
        yield 1

    for wrong, why in [(yields, "yields; a handler returns"), (3, "is no function")]:
        with pytest.raises(HandlerError, match=why):
            Tasks().task("work")(wrong)  # type: ignore[type-var]


def test_sync_and_async_handlers_are_told_apart() -> None:
    def sync() -> None: ...

    class Async:
        async def __call__(self) -> None: ...

        async def method(self) -> None: ...

    class Sync:
        def __call__(self) -> None: ...

    for wanted, function in [
        (True, sync),
        (True, Sync()),
        (True, functools.partial(sync)),
        (False, handler),
        (False, Async()),
        (False, Async().method),
        (False, functools.partial(handler)),
        (False, functools.wraps(handler)(lambda: handler())),
    ]:
        tasks = Tasks()
        tasks.task("work")(function)
        assert tasks["work"].is_sync is wanted, function
