"""What a plugin set makes of the hooks of its plugins."""

import logging
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import ClassVar

import pytest
import trio
import trio.lowlevel

from zbtrio.errors import PluginError
from zbtrio.hooks import STAGES, PluginSet, hookimpl
from zbtrio.hooks.check import Plugin

SUBSCRIPTION = SimpleNamespace(type="charge-card")


def around(stage: str, trail: list[str], label: str = "") -> object:
    class Around:
        @hookimpl
        def around_job(self, subscription):
            async def middleware(job, call_next):
                trail.append(f"> {label or stage}")
                outcome = await call_next(job)
                trail.append(f"< {label or stage}")
                return outcome

            return middleware

    Around.stage = stage
    return Around()


async def echo(job):
    return job


async def run(plugins: PluginSet, handler) -> object:
    wrap = plugins.middleware_for(SUBSCRIPTION)
    assert wrap is not None
    return await wrap(handler)("job")


async def test_middlewares_nest_by_stage_then_name() -> None:
    trail: list[str] = []
    plugins = PluginSet.of(
        z_first=around("observe", trail, "observe z"),
        **{stage: around(stage, trail) for stage in reversed(STAGES)},
    )

    async def handler(job):
        trail.append(f"handler {job}")
        return "outcome"

    assert await run(plugins, handler) == "outcome"
    inward = ["observe", "observe z", "dedupe", "retry", "transform", "call"]
    assert trail == [
        *(f"> {stage}" for stage in inward),
        "handler job",
        *(f"< {stage}" for stage in reversed(inward)),
    ]


async def test_the_order_setting_comes_before_stages() -> None:
    trail: list[str] = []
    plugins = [Plugin(name, around(name, trail)) for name in ("observe", "retry", "call")]
    await run(PluginSet(plugins, order=["call", "retry"]), echo)
    assert trail[:3] == ["> call", "> retry", "> observe"]


async def test_a_middleware_may_short_circuit_repeat_and_replace() -> None:
    calls = []

    class Twice:
        stage: ClassVar = "retry"

        @hookimpl
        def around_job(self):
            async def middleware(job, call_next):
                return [await call_next(f"{job}1"), await call_next(f"{job}2")]

            return middleware

    async def handler(job):
        calls.append(job)
        return job

    assert await run(PluginSet.of(twice=Twice()), handler) == ["job1", "job2"]
    assert calls == ["job1", "job2"]


async def test_what_a_handler_raises_comes_through_as_it_was() -> None:
    error = LookupError("as it was")

    async def handler(job):
        raise error

    with pytest.raises(LookupError) as caught:
        await run(PluginSet.of(observe=around("observe", [])), handler)
    assert caught.value is error


async def test_cancellation_goes_through_every_middleware(autojump_clock) -> None:
    async def sleep(job):
        await trio.sleep_forever()

    trail: list[str] = []
    with trio.move_on_after(1) as scope:
        await run(PluginSet.of(observe=around("observe", trail)), sleep)
    assert scope.cancelled_caught
    assert trail == ["> observe"]


def test_no_middleware_is_none() -> None:
    class Picky:
        stage: ClassVar = "call"

        @hookimpl
        def around_job(self, subscription):
            return None

    assert PluginSet().middleware_for(SUBSCRIPTION) is None
    assert PluginSet.of(picky=Picky()).middleware_for(SUBSCRIPTION) is None


@pytest.mark.parametrize("given", [lambda job, call_next: None, 3])
def test_a_middleware_that_is_not_async_is_refused(given) -> None:
    class Wrong:
        stage: ClassVar = "call"

        @hookimpl
        def around_job(self):
            return given

    with pytest.raises(PluginError, match=r"plugin 'wrong': around_job returned .* no `async def"):
        PluginSet.of(wrong=Wrong()).middleware_for(SUBSCRIPTION)


async def test_an_object_with_an_async_call_is_a_middleware() -> None:
    class Called:
        stage: ClassVar = "call"

        @hookimpl
        def around_job(self):
            return self

        async def __call__(self, job, call_next):
            return await call_next(job)

    assert await run(PluginSet.of(called=Called()), echo) == "job"


def test_a_hook_that_raises_at_start_is_named() -> None:
    class Failing:
        stage: ClassVar = "call"

        @hookimpl
        def around_job(self, subscription):
            raise KeyError("policy")

    failing = PluginSet([Plugin("failing", Failing(), "zbtrio-failing 3")])
    with pytest.raises(PluginError, match="plugin 'failing' of zbtrio-failing 3 failed in around_"):
        failing.middleware_for(SUBSCRIPTION)


def test_fetched_names_go_from_the_handler_outwards() -> None:
    seen = []

    def adding(stage: str, name: str | None) -> object:
        class Adding:
            @hookimpl
            def fetch_names(self, subscription, names):
                seen.append((stage, sorted(names)))
                return None if name is None else names | {name}

            @hookimpl
            def around_job(self): ...

        Adding.stage = stage
        return Adding()

    plugins = PluginSet.of(
        a=adding("observe", "traceparent"), b=adding("retry", None), c=adding("call", "order")
    )
    assert plugins.fetch_names(SUBSCRIPTION, ["id"]) == ("id", "order", "traceparent")
    assert seen == [("call", ["id"]), ("retry", ["id", "order"]), ("observe", ["id", "order"])]
    assert plugins.fetch_names(SUBSCRIPTION, None) is None
    assert PluginSet().fetch_names(SUBSCRIPTION, ("b", "a")) == ("a", "b")


def living(trail: list[str], label: str, value: object = None, stage: str = "call") -> object:
    class Living:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, worker):
            trail.append(f"in {label} {worker}")
            try:
                yield value
            finally:
                trail.append(f"out {label}")

        @hookimpl
        def around_job(self): ...

    Living.stage = stage
    return Living()


async def test_lifespans_are_entered_in_order_and_left_in_reverse() -> None:
    trail: list[str] = []
    plugins = PluginSet.of(
        a=living(trail, "a", 1.5),
        b=living(trail, "b", "text", stage="observe"),
        c=living(trail, "c"),
    )
    async with plugins.lifespans("worker") as provided:
        assert provided == {float: 1.5, str: "text"}
        assert trail == ["in b worker", "in a worker", "in c worker"]
    assert trail[3:] == ["out c", "out a", "out b"]


async def test_two_lifespans_that_give_one_type_are_refused() -> None:
    trail: list[str] = []
    plugins = PluginSet.of(a=living(trail, "a", 1), b=living(trail, "b", 2))
    with pytest.raises(PluginError, match="plugin 'a' and plugin 'b' both give a int"):
        async with plugins.lifespans("worker"):
            raise AssertionError("must not start")
    assert trail[2:] == ["out b", "out a"]


async def test_a_lifespan_that_fails_is_named_and_others_are_left() -> None:
    trail: list[str] = []

    class Failing:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self):
            raise OSError("port 9000 is in use")
            yield

    plugins = PluginSet.of(a=living(trail, "a"), failing=Failing())
    with pytest.raises(PluginError, match="plugin 'failing' can't start: OSError: port 9000 is"):
        async with plugins.lifespans("worker"):
            raise AssertionError("must not start")
    assert trail == ["in a worker", "out a"]


def test_an_observer_that_raises_is_logged_once_counted_and_disabled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = []

    class Failing:
        @hookimpl
        def job_activated(self, job):
            seen.append("failing")
            raise ZeroDivisionError

        @hookimpl
        def job_extended(self, job, seconds):
            seen.append(("extended", seconds))

    class Fine:
        @hookimpl
        def job_activated(self, job):
            seen.append(job)

    plugins = PluginSet.of(failing=Failing(), fine=Fine())
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            plugins.observers.job_activated("job")
    assert seen == ["failing", "job", "job", "job"]
    (record,) = caplog.records
    assert "'failing' raised in job_activated" in record.getMessage()
    (failure,) = plugins.observers.failures
    assert (failure.plugin, failure.hook) == ("failing", "job_activated")
    plugins.observers.job_extended("job", 2.0)  # its other observers go on
    assert seen[-1] == ("extended", 2.0)


def test_an_observer_takes_the_arguments_it_names() -> None:
    seen = []

    class Few:
        @hookimpl
        def job_finished(self, seconds, job):
            seen.append((seconds, job))

        @hookimpl
        def report_finished(self, outcome):
            seen.append(outcome)

        @hookimpl
        def poll_finished(self):
            seen.append("poll")

    observers = PluginSet.of(few=Few()).observers
    observers.job_finished("job", "outcome", 1.0, 2.0)
    observers.report_finished("job", "outcome", 1.0, None)
    observers.poll_finished("subscription", 1, 1.0, None)
    assert seen == [(2.0, "job"), "outcome", "poll"]
    assert not observers.job_activated
    assert observers.job_finished


def test_the_first_codec_counts_and_is_asked_for_once_per_type() -> None:
    asked = []

    class Numbers:
        @hookimpl
        def variable_codec(self, annotation):
            asked.append(annotation)
            return self if annotation is complex else None

        def decode(self, value):
            return complex(value)

        def encode(self, value):
            return str(value)

    class Never:
        @hookimpl
        def variable_codec(self, annotation):
            assert annotation is not complex

    codecs = PluginSet.of(a=Numbers(), b=Never()).codecs
    assert codecs.decode(complex, "1j") == 1j
    assert codecs.encode(2j) == "2j"
    assert asked == [complex]
    assert codecs.find(int) is None
    with pytest.raises(NotImplementedError, match="range is no type that variables have"):
        codecs.encode(range(3))
    with pytest.raises(TypeError, match="range is no type that variables have"):
        codecs.decode(range, [1])


def test_the_first_mapping_of_an_exception_counts(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        @hookimpl
        def map_exception(self, job, error):
            raise RuntimeError("in the mapping")

    class Mapping:
        @hookimpl
        def map_exception(self, error):
            return "outcome" if isinstance(error, LookupError) else None

    plugins = PluginSet.of(a=Failing(), b=Mapping())
    job = SimpleNamespace(key=7)
    assert plugins.map_exception(job, KeyError()) == "outcome"
    assert plugins.map_exception(job, OSError()) is None
    assert "exception of job 7 is not mapped by plugin 'a'" in caplog.text


def test_tasks_are_collected() -> None:
    class Bringing:
        @hookimpl
        def register_tasks(self):
            return ["a registry"]

    assert PluginSet.of(bringing=Bringing()).tasks() == [["a registry"]]
    assert PluginSet().tasks() == []
