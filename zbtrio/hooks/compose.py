"""Middlewares nested once per subscription, so that a job costs one coroutine for each and no more.

The nesting is a lambda that hands on the middleware's own coroutine. Measured with five
middlewares that do nothing (`python -m bench.hooks`, Python 3.11, CPU time): 1.2 us per job; an
`async def` between them 1.9 us, functools.partial with a keyword 2.5 us, calling pluggy 5.3 us.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial

from zbtrio.hooks.types import Handler, Middleware, Wrap


def compose(middlewares: Sequence[Middleware]) -> Wrap | None:
    """What wraps a handler in all of them, the first outermost. None for none."""
    return partial(_wrapped, tuple(reversed(middlewares))) if middlewares else None


def _wrapped(innermost_first: Sequence[Middleware], handler: Handler) -> Handler:
    for middleware in innermost_first:
        handler = _step(middleware, handler)
    return handler


def _step(middleware: Middleware, call_next: Handler) -> Handler:
    return lambda job: middleware(job, call_next)


def is_async(function: Callable[..., object]) -> bool:
    """Whether it is an `async def` function, a partial of one, or an object with such a call."""
    call = getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
