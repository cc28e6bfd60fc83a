"""What an error tells: the call, the answer, and what to do next."""

import pytest
from grpclib.const import Status

from zbtrio import errors
from zbtrio.errors import from_rpc_error
from zbtrio.rpc import RpcError


def test_a_received_status() -> None:
    text = "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job was found"
    error = from_rpc_error("CompleteJob", RpcError(Status.NOT_FOUND, text, received=True))
    assert isinstance(error, errors.NotFound)
    assert (error.rpc, error.status, error.text) == ("CompleteJob", Status.NOT_FOUND, text)
    assert error.received
    assert str(error) == (
        f"CompleteJob answered NOT_FOUND: {text}. Check the key or id: what it names has ended, "
        "was never there, or belongs to another tenant."
    )


def test_a_status_without_text() -> None:
    error = from_rpc_error("Topology", RpcError(Status.DATA_LOSS, received=True))
    assert type(error) is errors.GatewayError
    assert str(error).startswith("Topology answered DATA_LOSS: no text. See the gateway's log")


def test_nothing_was_sent() -> None:
    failure = RpcError(Status.UNAVAILABLE, "no connection to a:1: refused", unprocessed=True)
    error = from_rpc_error("CreateProcessInstance", failure)
    assert isinstance(error, errors.Unavailable)
    assert not error.received
    assert "failed with UNAVAILABLE: no connection to a:1: refused. Check that a gateway" in str(
        error
    )


@pytest.mark.parametrize("rpc", ["CreateProcessInstance", "CompleteJob", "PublishMessage"])
def test_an_outcome_that_nobody_knows(rpc: str) -> None:
    error = from_rpc_error(rpc, RpcError(Status.UNAVAILABLE, "connection lost"))
    assert isinstance(error, errors.OutcomeUnknown)
    assert isinstance(error, errors.ZbtrioError)
    assert not isinstance(error, errors.GatewayError)
    assert f"{rpc} was sent, but no usable answer came (UNAVAILABLE: connection lost)" in str(error)


@pytest.mark.parametrize("rpc", ["Topology", "ActivateJobs", "StreamActivatedJobs"])
def test_calls_without_effect_have_no_unknown_outcome(rpc: str) -> None:
    error = from_rpc_error(rpc, RpcError(Status.DEADLINE_EXCEEDED, "no answer in time"))
    assert isinstance(error, errors.DeadlineExceeded)


def test_a_large_answer_is_not_a_large_request() -> None:
    too_large = RpcError(Status.RESOURCE_EXHAUSTED, "a message of 9 bytes was sent, the limit is 8")
    error = from_rpc_error("ActivateJobs", too_large)
    assert type(error) is errors.ResourceExhausted
    assert "max_message_size" in str(error)
