from __future__ import annotations

import dataclasses
import math
from typing import Any

import attrs
import msgspec
import pytest

from tests.worker.jobs import make_job
from zbtrio import BpmnError, Complete, Fail, Release, VariablesError, camel_case, gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.worker.results import MAX_MESSAGE, Requests, outcome_of_exception, outcome_of_result


def test_variables_mean_completion() -> None:
    assert outcome_of_result(None) == Complete()
    assert outcome_of_result({"a": 1}) == Complete({"a": 1})
    assert outcome_of_result(Release(2)) == Release(2)
    assert outcome_of_result(BpmnError("A")) == BpmnError("A")


def test_an_exception_fails_the_job_with_where_it_came_from() -> None:
    def inner() -> None:
        raise ValueError("no such card")

    with pytest.raises(ValueError, match="no such card") as caught:
        inner()
    outcome = outcome_of_exception(caught.value)
    assert isinstance(outcome, Fail)
    assert outcome.cause is caught.value
    assert outcome.message.startswith("ValueError: no such card\n\nTraceback")
    assert 'raise ValueError("no such card")' in outcome.message
    assert outcome.retries is None


def test_a_long_message_keeps_its_beginning_and_the_end_of_the_trace() -> None:
    outcome = outcome_of_exception(ValueError("x" * 20_000))
    assert isinstance(outcome, Fail)
    assert len(outcome.message) <= MAX_MESSAGE + 2
    outcome = outcome_of_exception(ValueError("short\n" + "y" * 7_000))
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith("ValueError: short\nyyy")
    assert outcome.message.endswith("yyy")


def test_groups_of_one_kind_count_as_that() -> None:
    error = BpmnError("A", variables={"x": 1})
    nested = ExceptionGroup("outer", [ExceptionGroup("inner", [error, BpmnError("A")])])
    assert outcome_of_exception(nested) is error
    assert outcome_of_exception(ExceptionGroup("", [Fail("f", retries=1)])) == Fail("f", retries=1)
    mixed = outcome_of_exception(ExceptionGroup("both", [error, ValueError("other")]))
    assert isinstance(mixed, Fail)
    assert "both" in mixed.message
    assert "ValueError: other" in mixed.message
    two_kinds = outcome_of_exception(ExceptionGroup("two", [error, Fail("f")]))
    assert isinstance(two_kinds, Fail)
    assert two_kinds.message.startswith("ExceptionGroup: two")


def request(outcome: Any, **options: Any) -> tuple[Any, Any]:
    return Requests(**options).of(make_job(key=7, retries=3), outcome)


def test_requests() -> None:
    assert request(Complete()) == (gateway.COMPLETE_JOB, proto.CompleteJobRequest(job_key=7))
    result = proto.JobResult(denied=True)
    assert request(Complete({"a": 1}, result=result)) == (
        gateway.COMPLETE_JOB,
        proto.CompleteJobRequest(job_key=7, variables='{"a":1}', result=result),
    )
    assert request(BpmnError("A", "why", variables={"a": 1})) == (
        gateway.THROW_ERROR,
        proto.ThrowErrorRequest(
            job_key=7, error_code="A", error_message="why", variables='{"a":1}'
        ),
    )
    assert request(Release(1.5)) == (
        gateway.FAIL_JOB,
        proto.FailJobRequest(
            job_key=7, retries=3, error_message="Released by the worker.", retry_back_off=1500
        ),
    )


@pytest.mark.parametrize(("given", "sent"), [(None, 2), (0, 0), (5, 5), (-1, 0)])
def test_retries_of_a_failure(given: int | None, sent: int) -> None:
    method, message = request(Fail("x" * 20_000, retries=given, backoff=0.25))
    assert method is gateway.FAIL_JOB
    assert (message.retries, message.retry_back_off) == (sent, 250)
    assert len(message.error_message) == MAX_MESSAGE


def test_the_lease_token_is_sent_back() -> None:
    job = make_job(job_lease_token="token")
    for outcome in (Complete(), Fail(), BpmnError("A")):
        _, message = Requests().of(job, outcome)
        assert message.job_lease_token == "token"


def test_names_apply_to_what_is_sent_at_the_top() -> None:
    @dataclasses.dataclass
    class Data:
        card_number: str
        _secret: int = 1
        unset: Any = msgspec.UNSET

    @attrs.define
    class Attrs:
        card_number: str

    named = Requests(camel_case)
    wanted = '{"cardNumber":"1"}'
    assert named.text({"card_number": "1"}) == wanted
    assert named.text({"cardNumber": "1"}) == wanted
    assert named.text(Data("1")) == wanted
    assert named.text(Attrs("1")) == wanted
    assert named.text({"a_b": {"c_d": 1}}) == '{"aB":{"c_d":1}}'
    assert Requests().text({"a_b": 1}) == '{"a_b":1}'
    assert named.text(None) == ""


@pytest.mark.parametrize("result", [1, "x", [1], {"a": math.nan}, {"a": object()}, {1: 2}])
@pytest.mark.parametrize("names", [None, camel_case])
def test_what_is_no_json_is_refused(result: Any, names: Any) -> None:
    with pytest.raises(VariablesError):
        request(Complete(result), names=names)
