"""What hooks give back. Jobs, outcomes and subscriptions themselves are the worker's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

if TYPE_CHECKING:
    from zbtrio.worker.job import Job
    from zbtrio.worker.outcomes import Outcome

Stage = Literal["observe", "dedupe", "retry", "transform", "call"]
"""Where a plugin's middleware stands, outermost first; within a stage by the plugin's name."""

STAGES: tuple[Stage, ...] = get_args(Stage)


class Handler(Protocol):
    """What a middleware wraps: the next middleware, or at last binding and the user's handler.

    It returns an outcome. What the user's handler raised comes out of it as it was raised.
    """

    def __call__(self, job: Job, /) -> Coroutine[Any, Any, Outcome]: ...


class Middleware(Protocol):
    """`async def (job, call_next) -> Outcome`.

    It may call `call_next` once, never or again, change `job.variables` before and the outcome
    after. It runs inside the job's cancel scope and sees its end in `job.deadline`.
    """

    def __call__(self, job: Job, call_next: Handler, /) -> Coroutine[Any, Any, Outcome]: ...


Wrap = Callable[[Handler], Handler]
"""All middlewares of one subscription, composed."""


class VariableCodec(Protocol):
    """How values of one Python type are made from plain JSON data, and back."""

    def decode(self, value: Any, /) -> object:
        """Plain data -> a value of the type. ValueError says why it doesn't fit."""
        ...

    def encode(self, value: Any, /) -> object:
        """A value of the type -> plain data."""
        ...
