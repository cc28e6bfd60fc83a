"""When a failed call is sent again, and what is raised when it is not."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import trio
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st

from tests.client.fake_channel import (
    Answer,
    Attempt,
    FakeChannel,
    lost,
    ok,
    received,
    unprocessed,
)
from zbtrio import errors, gateway
from zbtrio._proto.gateway_protocol import GatewayBase
from zbtrio.client import ClientSettings, ZeebeClient
from zbtrio.client.retry import ONCE, RULES, Backoff
from zbtrio.rpc import Method
from zbtrio.rpc.codec import DecodeError

Call = Callable[[ZeebeClient], Awaitable[Any]]


async def create(client: ZeebeClient) -> Any:
    return await client.create_process_instance("order", {"a": 1})


async def complete(client: ZeebeClient) -> Any:
    return await client.complete_job(7, {"a": 1})


async def set_variables(client: ZeebeClient) -> Any:
    return await client.set_variables(7, {"a": 1})


async def publish(client: ZeebeClient) -> Any:
    return await client.publish_message("paid", "7")


async def publish_with_id(client: ZeebeClient) -> Any:
    return await client.publish_message("paid", "7", message_id="m7")


CAREFUL: list[Call] = [
    create,
    lambda client: client.create_process_instance_with_result("order"),
    publish,
    lambda client: client.broadcast_signal("stop"),
    lambda client: client.modify_process_instance(7),
    lambda client: client.evaluate_conditional({}),
]


async def run(call: Call, *answers: Answer, **settings: Any) -> tuple[FakeChannel, Any]:
    """The outcome of one call, an exception as a value."""
    channel = FakeChannel(answers)
    client = ZeebeClient(channel=channel, settings=ClientSettings(**settings))  # type: ignore
    async with client:
        try:
            return channel, await call(client)
        except errors.ZbtrioError as error:
            return channel, error


def test_each_unary_rpc_has_a_rule() -> None:
    routes = GatewayBase.__mapping__(GatewayBase())
    known = {value.route for value in vars(gateway).values() if isinstance(value, Method)}
    assert known == set(routes)
    assert set(RULES) | {"StreamActivatedJobs"} == {route.rpartition("/")[2] for route in routes}


@pytest.mark.parametrize("call", [*CAREFUL, complete, set_variables, publish_with_id])
@pytest.mark.parametrize(
    "failure",
    [
        unprocessed(),
        unprocessed(Status.DEADLINE_EXCEEDED),
        received(Status.UNAVAILABLE),
        received(Status.RESOURCE_EXHAUSTED),
    ],
)
async def test_what_the_gateway_took_nothing_of_is_sent_again(
    call: Call, failure: Answer, autojump_clock: Any
) -> None:
    channel, outcome = await run(call, failure, failure, ok())
    assert not isinstance(outcome, Exception)
    assert len(channel.attempts) == 3


@pytest.mark.parametrize("call", CAREFUL)
async def test_a_create_is_not_sent_again_after_a_lost_answer(
    call: Call, autojump_clock: Any
) -> None:
    channel, outcome = await run(call, lost(carried_out=True), ok())
    assert isinstance(outcome, errors.OutcomeUnknown)
    assert outcome.status is Status.UNAVAILABLE
    assert len(channel.attempts) == 1


@pytest.mark.parametrize("call", CAREFUL)
async def test_a_create_that_got_no_answer_in_time_is_not_sent_again(
    call: Call, autojump_clock: Any
) -> None:
    channel, outcome = await run(call, ok(after=1000))
    assert isinstance(outcome, errors.OutcomeUnknown)
    assert outcome.status is Status.DEADLINE_EXCEEDED
    assert len(channel.attempts) == 1


@pytest.mark.parametrize("call", [*CAREFUL, set_variables, publish_with_id])
async def test_what_took_the_broker_too_long_is_not_sent_again(
    call: Call, autojump_clock: Any
) -> None:
    channel, outcome = await run(call, received(Status.DEADLINE_EXCEEDED, carried_out=True), ok())
    assert isinstance(outcome, errors.DeadlineExceeded)
    assert "may still carry it out" in str(outcome)
    assert len(channel.attempts) == 1


@pytest.mark.parametrize("call", [complete, set_variables, publish_with_id])
async def test_repeatable_calls_survive_a_lost_connection(call: Call, autojump_clock: Any) -> None:
    channel, outcome = await run(call, lost(carried_out=True), ok())
    assert not isinstance(outcome, Exception)
    assert len(channel.attempts) == 2


async def test_a_completion_survives_a_slow_broker(autojump_clock: Any) -> None:
    channel, outcome = await run(complete, received(Status.DEADLINE_EXCEEDED), ok(after=1000), ok())
    assert outcome is None
    assert len(channel.attempts) == 3


@pytest.mark.parametrize("doubt", [lost(carried_out=True), received(Status.DEADLINE_EXCEEDED)])
async def test_not_found_after_an_attempt_in_doubt_is_done(
    doubt: Answer, autojump_clock: Any
) -> None:
    channel, outcome = await run(complete, doubt, received(Status.NOT_FOUND))
    assert outcome is None
    assert len(channel.attempts) == 2


@pytest.mark.parametrize("first", [unprocessed(), received(Status.RESOURCE_EXHAUSTED)])
async def test_not_found_after_a_refusal_is_not_found(first: Answer, autojump_clock: Any) -> None:
    _, outcome = await run(complete, first, received(Status.NOT_FOUND))
    assert isinstance(outcome, errors.NotFound)


async def test_an_attempt_in_doubt_outweighs_later_failures(autojump_clock: Any) -> None:
    _, outcome = await run(complete, lost(carried_out=True), unprocessed())
    assert isinstance(outcome, errors.OutcomeUnknown)
    assert "connection lost" in str(outcome)


async def test_a_lost_topology_is_no_unknown_outcome(autojump_clock: Any) -> None:
    _, outcome = await run(lambda client: client.topology(), lost(carried_out=True))
    assert isinstance(outcome, errors.Unavailable)


@pytest.mark.parametrize("call", [create, complete])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.INVALID_ARGUMENT, errors.InvalidArgument),
        (Status.NOT_FOUND, errors.NotFound),
        (Status.ALREADY_EXISTS, errors.AlreadyExists),
        (Status.FAILED_PRECONDITION, errors.FailedPrecondition),
        (Status.PERMISSION_DENIED, errors.PermissionDenied),
        (Status.UNAUTHENTICATED, errors.Unauthenticated),
        (Status.UNIMPLEMENTED, errors.Unimplemented),
        (Status.INTERNAL, errors.InternalError),
        (Status.UNKNOWN, errors.GatewayError),
    ],
)
async def test_other_answers_are_raised_at_once(
    call: Call, status: Status, kind: type[errors.GatewayError], autojump_clock: Any
) -> None:
    channel, outcome = await run(call, received(status, "the gateway's text"), ok())
    assert type(outcome) is kind
    assert outcome.status is status
    assert outcome.text == "the gateway's text"
    assert "the gateway's text" in str(outcome)
    assert str(outcome).startswith(f"{channel.attempts[0].method.name} answered {status.name}")
    assert len(channel.attempts) == 1


async def test_a_message_too_large_is_not_sent_again(autojump_clock: Any) -> None:
    text = "gRPC message exceeds maximum size 4194304: 5000000"
    channel, outcome = await run(create, received(Status.RESOURCE_EXHAUSTED, text))
    assert isinstance(outcome, errors.MessageTooLarge)
    assert len(channel.attempts) == 1


async def test_an_answer_that_cant_be_read(autojump_clock: Any) -> None:
    broken = Answer(DecodeError("CreateProcessInstanceResponse: cut short"), carried_out=True)
    channel, outcome = await run(create, broken)
    assert isinstance(outcome, errors.OutcomeUnknown)
    assert "can't be read: CreateProcessInstanceResponse: cut short" in str(outcome)
    assert len(channel.attempts) == 1
    _, outcome = await run(lambda client: client.topology(), broken)
    assert isinstance(outcome, errors.InternalError)


async def test_the_total_time_ends_the_retries(autojump_clock: Any) -> None:
    started = trio.current_time()
    channel, outcome = await run(create, received(Status.RESOURCE_EXHAUSTED), timeout=20.0)
    assert isinstance(outcome, errors.ResourceExhausted)
    assert trio.current_time() - started <= 20.0 + 1e-6
    gaps = [b.at - a.at for a, b in zip(channel.attempts, channel.attempts[1:], strict=False)]
    assert 0.05 <= gaps[0] <= 0.1
    assert 2.5 <= gaps[-1] <= 5.0
    assert len(gaps) > 5


async def test_each_attempt_has_its_own_time_limit(autojump_clock: Any) -> None:
    started = trio.current_time()
    channel, outcome = await run(complete, ok(after=1000), timeout=12.0, request_timeout=5.0)
    assert isinstance(outcome, errors.OutcomeUnknown)
    assert trio.current_time() - started <= 12.0 + 1e-6
    assert [attempt.timeout for attempt in channel.attempts[:2]] == pytest.approx([5.0, 5.0])
    assert all(attempt.timeout and attempt.timeout <= 5.0 + 1e-9 for attempt in channel.attempts)


async def test_waiting_for_a_result_takes_longer_than_other_calls(autojump_clock: Any) -> None:
    async def call(client: ZeebeClient) -> Any:
        return await client.create_process_instance_with_result("order", request_timeout=100)

    channel, outcome = await run(call, ok(after=99.0), deadline_offset=3.0)
    assert not isinstance(outcome, Exception)
    assert channel.attempts[0].timeout == pytest.approx(103.0)
    assert channel.attempts[0].request.request_timeout == 100_000


async def test_a_cancelled_call_is_cancelled(autojump_clock: Any) -> None:
    with trio.move_on_after(3) as scope:
        await run(create, received(Status.RESOURCE_EXHAUSTED))
    assert scope.cancelled_caught


def test_backoff_grows_with_jitter_to_its_most() -> None:
    pauses = [pause for pause, _ in zip(Backoff(0.1, 5.0, 3.0).pauses(), range(8), strict=False)]
    for pause, most in zip(pauses, [0.1, 0.3, 0.9, 2.7, 5.0, 5.0, 5.0, 5.0], strict=True):
        assert most / 2 <= pause <= most


statuses = st.sampled_from([status for status in Status if status is not Status.OK])
answers = st.builds(
    Answer,
    error=st.none(),
    after=st.floats(0, 30),
    carried_out=st.just(True),
) | st.one_of(
    st.builds(received, statuses, after=st.floats(0, 30), carried_out=st.just(False)),
    st.builds(unprocessed, statuses, after=st.floats(0, 30)),
    st.builds(lost, carried_out=st.booleans(), after=st.floats(0, 30)),
)


@given(
    script=st.lists(answers, min_size=1, max_size=6),
    call=st.sampled_from([*CAREFUL, complete, set_variables, publish_with_id]),
    total=st.floats(0.1, 60),
    each=st.floats(0.1, 60),
)
def test_whatever_happens(script: Sequence[Answer], call: Call, total: float, each: float) -> None:
    """A careful call has at most one effect, none takes too long, no good answer is lost."""

    async def main() -> None:
        started = trio.current_time()
        channel, outcome = await run(call, *script, **settings)
        result_waits = each + 0.001 if is_with_result(channel) else 0.0
        assert trio.current_time() - started <= max(total, result_waits) + 0.01
        *earlier, last = channel.attempts
        for attempt in earlier:
            assert not answered_well(attempt)
            if RULES[last.method.name] is ONCE and call is not publish_with_id:
                assert surely_without_effect(attempt)
        if not isinstance(outcome, Exception):
            error = last.answer.error
            assert answered_well(last) or (error and error.status is Status.NOT_FOUND)

    settings = {"timeout": total, "request_timeout": each, "deadline_offset": 0.001}
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def is_with_result(channel: FakeChannel) -> bool:
    return channel.attempts[0].method is gateway.CREATE_PROCESS_INSTANCE_WITH_RESULT


def in_time(attempt: Attempt) -> bool:
    return attempt.timeout is None or attempt.answer.after < attempt.timeout


def answered_well(attempt: Attempt) -> bool:
    return attempt.answer.error is None and in_time(attempt)


def surely_without_effect(attempt: Attempt) -> bool:
    error = attempt.answer.error
    if error is None or not in_time(attempt):
        return False
    took_nothing_on = error.status in (Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED)
    return error.unprocessed or (error.received and took_nothing_on)
