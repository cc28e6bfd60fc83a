"""Registries of handlers: which function does the jobs of which type, and how."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar

import attrs

from zbtrio.errors import HandlerError
from zbtrio.worker.limiter import Limiter

__all__ = ["Poll", "Task", "Tasks"]

F = TypeVar("F", bound=Callable[..., Any])

Poll = Literal["long", "stream"] | float
"""How a subscription asks for jobs: "long" holds a request open at the gateway; "stream" has them
pushed (StreamActivatedJobs) and polls for the backlog; a number asks again after so many seconds.
"""


@attrs.frozen(eq=False, kw_only=True)
class Task:
    """A job type and the handler that does it. What is None is the worker's setting."""

    type: str
    handler: Callable[..., Any] = attrs.field(repr=False)
    concurrency: int | None = None
    max_jobs_active: int | None = None
    timeout: float | None = None
    poll: Poll | None = None
    tenants: tuple[str, ...] | None = None
    fetch: Literal["all"] | tuple[str, ...] = ()
    auto_extend: bool = False
    limit: Limiter | None = None
    options: Mapping[str, object] = attrs.field(factory=dict[str, object])
    namespace: Mapping[str, Any] | None = attrs.field(default=None, repr=False)

    @property
    def is_sync(self) -> bool:
        """Whether the handler is a plain function, which is run in a thread."""
        return not is_async(self.handler)

    @property
    def handler_name(self) -> str:
        """Where the handler is, for messages: "shop.charge_card"."""
        function = unwrapped(self.handler)
        return f"{function.__module__}.{function.__qualname__}"


class Tasks:
    """Handlers by job type. A worker is one; a library has its own, for `app.include(tasks)`."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def task(
        self,
        type: str,
        *,
        concurrency: int | None = None,
        max_jobs_active: int | None = None,
        timeout: float | None = None,
        poll: Poll | None = None,
        tenants: Iterable[str] | None = None,
        fetch: Literal["all"] | Iterable[str] = (),
        auto_extend: bool = False,
        rate: float | None = None,
        limit: Limiter | None = None,
        **options: object,
    ) -> Callable[[F], F]:
        """Make a function the handler of a job type; the function itself is returned unchanged.

        type: the job type, as in the process model's task definition.
        concurrency: how many jobs of this type are worked on at once.
        max_jobs_active: how many are held here, running or waiting; at least `concurrency`.
        timeout: seconds until the gateway gives a job to another worker, and the handler ends.
        poll: how jobs are asked for, see `Poll`.
        tenants: tenant ids whose jobs are wanted.
        fetch: names of variables wanted beside those that the signature names, or "all".
        auto_extend: keep extending the job's timeout while the handler runs.
        rate: at most so many jobs are begun per second.
        limit: a `Limiter`, which several tasks may share.
        options: what plugins know of, such as `retry=` of zbtrio-retry.

        Raises HandlerError for a value that can't be, and when the type has a handler already.
        """
        if rate is not None and limit is not None:
            raise HandlerError(
                f"Task {type!r} has both rate= and limit=: give the rate to the Limiter."
            )
        namespace = _caller_locals()

        def register(handler: F) -> F:
            self._add(
                _checked(
                    Task(
                        type=type,
                        handler=handler,
                        concurrency=concurrency,
                        max_jobs_active=max_jobs_active,
                        timeout=timeout,
                        poll=poll,
                        tenants=None if tenants is None else tuple(tenants),
                        fetch="all" if fetch == "all" else tuple(fetch),
                        auto_extend=auto_extend,
                        limit=Limiter(rate=rate) if rate is not None else limit,
                        options=options,
                        namespace=namespace,
                    )
                )
            )
            return handler

        return register

    def include(self, tasks: Tasks) -> None:
        """Take over all handlers of another registry, as they are now."""
        for task in tasks:
            self._add(task)

    def _add(self, task: Task) -> None:
        other = self._tasks.get(task.type)
        if other is not None and other is not task:
            raise HandlerError(
                f"Job type {task.type!r} has two handlers, {other.handler_name} and "
                f"{task.handler_name}: remove one, or give it another type."
            )
        self._tasks[task.type] = task

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.values()))

    def __getitem__(self, type: str) -> Task:
        return self._tasks[type]

    def __contains__(self, type: str) -> bool:
        return type in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)


def unwrapped(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind decorators, partials, methods and objects with `__call__`."""
    while True:
        handler = inspect.unwrap(handler)
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif inspect.ismethod(handler):
            handler = handler.__func__
        elif inspect.isroutine(handler) or isinstance(handler, type):
            return handler
        else:
            handler = type(handler).__call__


def is_async(handler: Callable[..., Any]) -> bool:
    """Whether calling the handler gives something to await."""
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(unwrapped(handler)):
        return True
    return inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def _checked(task: Task) -> Task:
    complaint = _complaint(task)
    if complaint:
        raise HandlerError(f"Task {task.type!r}: {complaint}")
    return task


def _complaint(task: Task) -> str | None:
    if not callable(task.handler):
        return f"its handler {task.handler!r} is no function."
    if not isinstance(task.type, str) or not task.type.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        return "a job type is a text that is not blank."
    if inspect.isasyncgenfunction(unwrapped(task.handler)):
        return f"{task.handler_name} yields; a handler returns its result."
    if task.concurrency is not None and task.concurrency < 1:
        return f"concurrency is {task.concurrency}; it must be at least 1."
    if task.timeout is not None and task.timeout < 0.001:
        return f"timeout is {task.timeout} s; the gateway takes whole milliseconds above 0."
    return None if task.poll is None else _complaint_about_poll(task.poll)


def _complaint_about_poll(poll: Poll) -> str | None:
    if poll in ("long", "stream"):
        return None
    if isinstance(poll, str):
        return f'poll is {poll!r}; it is "long", "stream" or seconds.'
    return None if poll > 0 else f"poll is {poll:g} s between two requests; it must be above 0."


def _caller_locals() -> Mapping[str, Any] | None:
    """The variables of the function in which `task()` was called, or None at module level.

    Annotations that are text may name classes that are local to it.
    """
    frame = inspect.currentframe()
    for _ in range(2):
        frame = None if frame is None else frame.f_back
    return None if frame is None or frame.f_locals is frame.f_globals else frame.f_locals
