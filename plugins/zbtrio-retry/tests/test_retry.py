"""The plugin around a handler that fails, with time that jumps."""

import random
from itertools import pairwise
from types import SimpleNamespace

import pytest
import trio
from zbtrio_retry import Retry

import zbtrio
from zbtrio.errors import SettingsError
from zbtrio.hooks import PluginSet
from zbtrio.settings import SettingsFile, load


class FakeJob:
    """What the plugin uses of a job."""

    def __init__(self, deadline: float = 60.0, variables: str = '{"a": {"b": 1}}') -> None:
        self.key = 1
        self.deadline = trio.current_time() + deadline
        self.draining = trio.Event()
        self.message = SimpleNamespace(variables=variables)
        self._variables = None

    @property
    def variables_read(self) -> bool:
        return self._variables is not None

    @property
    def variables(self):
        if self._variables is None:
            self._variables = zbtrio.variables.loads(self.message.variables)
        return self._variables

    @variables.setter
    def variables(self, variables) -> None:
        self._variables = variables


class Failing:
    """A handler that raises the given errors, then completes; remembers when it ran."""

    def __init__(self, *errors: Exception, takes: float = 0.0) -> None:
        self.errors = list(errors)
        self.takes = takes
        self.times: list[float] = []

    async def __call__(self, job):
        self.times.append(trio.current_time())
        await trio.sleep(self.takes)
        if self.errors:
            raise self.errors.pop(0)
        return zbtrio.Complete({"runs": len(self.times)})


def subscription(type: str = "charge-card", **options: object):
    return SimpleNamespace(type=type, task=SimpleNamespace(options=options))


def wrapped(handler, *, retry: object = True, **options: object):
    plugin = load(Retry, "plugins.retry", arguments=options, environ={})
    wrap = PluginSet.of(retry=plugin).middleware_for(subscription(retry=retry))
    return handler if wrap is None else wrap(handler)


@pytest.fixture
def longest_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)


async def test_a_failed_attempt_is_repeated(autojump_clock) -> None:
    handler = Failing(OSError("down"), OSError("down"))
    assert await wrapped(handler)(FakeJob()) == zbtrio.Complete({"runs": 3})


async def test_pauses_grow_up_to_their_limit(autojump_clock, longest_delays) -> None:
    handler = Failing(*[OSError()] * 5)
    await wrapped(handler, attempts=6, first_delay=1.0, factor=3.0, max_delay=10.0)(FakeJob())
    pauses = [after - before for before, after in pairwise(handler.times)]
    assert pauses == pytest.approx([1, 3, 9, 10, 10])


async def test_pauses_are_spread_from_zero(autojump_clock) -> None:
    pauses = []
    for _ in range(200):
        handler = Failing(OSError())
        await wrapped(handler, first_delay=1.0)(FakeJob())
        pauses.append(handler.times[1] - handler.times[0])
    assert 0 <= min(pauses) < 0.1
    assert 0.9 < max(pauses) <= 1


async def test_the_last_failure_goes_to_zeebe_with_backoff(autojump_clock) -> None:
    error = OSError("card service is down")
    handler = Failing(*[error] * 3)
    outcome = await wrapped(handler, backoff=20.0)(FakeJob())
    assert len(handler.times) == 3
    assert isinstance(outcome, zbtrio.Fail)
    assert outcome.retries is None  # one less than the job had
    assert 20 <= outcome.backoff <= 30
    assert outcome.cause is error
    assert outcome.message.startswith("OSError: card service is down\n\nAfter 3 attempt(s), no ")
    assert "in __call__" in outcome.message


async def test_no_attempt_is_begun_that_the_deadline_would_cut(
    autojump_clock, longest_delays
) -> None:
    handler = Failing(*[OSError()] * 9, takes=4.0)
    outcome = await wrapped(handler, attempts=10, first_delay=1.0, factor=1.0)(FakeJob(10.5))
    assert len(handler.times) == 2  # 4 s, 1 s pause, 4 s; a third would need 14 s
    assert "After 2 attempt(s), the job's deadline is too near." in outcome.message
    assert trio.current_time() < 10.5


@pytest.mark.parametrize(
    "raised",
    [
        zbtrio.BpmnError("DECLINED"),
        zbtrio.Fail("as the handler wants it", retries=7),
        ExceptionGroup("", [zbtrio.BpmnError("DECLINED")]),
        ExceptionGroup("", [OSError(), zbtrio.BpmnError("DECLINED")]),
    ],
)
async def test_outcomes_that_are_raised_are_never_repeated(autojump_clock, raised) -> None:
    handler = Failing(raised)
    with pytest.raises(type(raised)) as caught:
        await wrapped(handler)(FakeJob())
    assert caught.value is raised
    assert len(handler.times) == 1


async def test_an_outcome_that_is_returned_is_never_repeated(autojump_clock) -> None:
    calls = []

    async def handler(job):
        calls.append(job)
        return zbtrio.Fail("explicit", retries=2)

    assert await wrapped(handler)(FakeJob()) == zbtrio.Fail("explicit", retries=2)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("on", "never", "error", "again"),
    [
        (["OSError"], [], ConnectionResetError(), True),
        (["OSError"], [], KeyError(), False),
        (["OSError"], ["ConnectionError"], ConnectionResetError(), False),
        (["OSError"], ["ConnectionError"], TimeoutError(), True),
        (["trio.TooSlowError", "zbtrio.errors.Unavailable"], [], trio.TooSlowError(), True),
        (["OSError"], [], ExceptionGroup("", [OSError(), ExceptionGroup("", [OSError()])]), True),
        (["OSError"], [], ExceptionGroup("", [OSError(), KeyError()]), False),
    ],
)
async def test_which_exceptions_are_repeated(autojump_clock, on, never, error, again) -> None:
    handler = Failing(error)
    call = wrapped(handler, on=on, never=never)
    if again:
        assert await call(FakeJob()) == zbtrio.Complete({"runs": 2})
    else:
        with pytest.raises(type(error)):
            await call(FakeJob())
        assert len(handler.times) == 1


@pytest.mark.parametrize("takes", [0.0, 5.0])
async def test_cancellation_passes_while_it_pauses_and_while_it_runs(
    autojump_clock, longest_delays, takes: float
) -> None:
    handler = Failing(*[OSError()] * 2, takes=takes)
    with trio.move_on_after(1) as scope:
        await wrapped(handler, first_delay=3.0)(FakeJob())
    assert scope.cancelled_caught
    assert len(handler.times) == 1


async def test_a_draining_worker_starts_no_further_attempt(autojump_clock, longest_delays) -> None:
    handler = Failing(*[OSError()] * 2)
    job = FakeJob()

    async def drain() -> None:
        await trio.sleep(1)
        job.draining.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        outcome = await wrapped(handler, first_delay=5.0)(job)
    assert trio.current_time() == pytest.approx(1)
    assert "After 1 attempt(s), the worker is draining." in outcome.message


@pytest.mark.parametrize("read_outside", [False, True])
async def test_each_attempt_gets_the_variables_of_the_first(
    autojump_clock, read_outside: bool
) -> None:
    seen = []

    async def handler(job):
        seen.append(repr(job.variables))
        job.variables["a"]["b"] = "spoilt"
        job.variables = {"spoilt": job.variables.pop("a")}
        if len(seen) < 3:
            raise OSError
        return zbtrio.Complete()

    job = FakeJob()
    if read_outside:
        job.variables["outer"] = True
    await wrapped(handler)(job)
    assert seen == [seen[0]] * 3
    assert ("outer" in seen[0]) == read_outside


async def test_one_task_has_its_own_rules(autojump_clock, tmp_path) -> None:
    path = tmp_path / "zbtrio.toml"
    path.write_text(
        "[plugins.retry]\nattempts = 2\nbackoff = 1\n"
        '[plugins.retry.tasks.charge-card]\nattempts = 4\non = ["OSError"]\n'
    )
    plugin = load(Retry, "plugins.retry", environ={}, file=SettingsFile.read(path))
    plugins = PluginSet.of(retry=plugin)
    for type, options, runs in [
        ("ship", {}, 2),
        ("charge-card", {}, 4),
        ("charge-card", {"retry": {"attempts": 3}}, 3),
    ]:
        handler = Failing(*[OSError()] * 9)
        wrap = plugins.middleware_for(subscription(type, **options))
        assert wrap is not None
        outcome = await wrap(handler)(FakeJob())
        assert len(handler.times) == runs
        assert outcome.backoff < 2


def test_a_task_may_do_without() -> None:
    plugins = PluginSet.of(retry=load(Retry, "plugins.retry", environ={}))
    assert plugins.middleware_for(subscription(retry=False)) is None


@pytest.mark.parametrize(
    ("options", "retry", "message"),
    [
        ({"on": ["no.such.Error"]}, True, "on: there is no exception 'no.such.Error'"),
        ({"on": ["OSErorr"]}, True, "on: there is no exception 'OSErorr'"),
        ({"never": ["trio.Cancelled"]}, True, "'trio.Cancelled' is no subclass of Exception"),
        ({"on": ["trio.sleep"]}, True, "'trio.sleep' is no subclass of Exception"),
        ({}, 3, "retry=3 is neither False nor a dict"),
        ({}, {"atempts": 3}, r"retry.tasks.charge-card. has no setting 'atempts'. .*'attempts'"),
        ({"attempts": 0}, True, "'attempts' must be >= 1"),
        ({"tasks": {"ship": {"atempts": 3}}}, True, "has no setting 'atempts'"),
    ],
)
def test_what_is_wrong_is_named_before_the_worker_starts(options, retry, message) -> None:
    async def handler(job): ...

    with pytest.raises(SettingsError, match=message):
        wrapped(handler, retry=retry, **options)
