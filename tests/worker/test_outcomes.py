import pytest

from zbtrio import BpmnError, Complete, Detach, Fail, Outcome, Release


def test_outcomes_compare_by_value() -> None:
    assert Complete({"a": 1}) == Complete({"a": 1}) != Complete({"a": 2})
    assert Fail("x", retries=1) == Fail("x", retries=1) != Fail("x", retries=2)
    assert BpmnError("A") == BpmnError("A") != BpmnError("B")
    assert BpmnError("A") != Fail("A")
    assert Release(2) == Release(2.0)
    assert Detach() == Detach()
    assert all(isinstance(o, Outcome) for o in (Complete(), Fail(), BpmnError("A"), Release()))


def test_a_raised_outcome_says_what_it_is() -> None:
    assert str(BpmnError("NO_MONEY", "card declined")) == "NO_MONEY: card declined"
    assert str(BpmnError("NO_MONEY")) == "NO_MONEY"
    assert str(Fail("the API is down")) == "the API is down"
    assert repr(Fail("x", retries=2)) == (
        "Fail(message='x', retries=2, backoff=0.0, variables=None, cause=None)"
    )


def test_raising_does_not_change_the_value() -> None:
    with pytest.raises(BpmnError) as caught:
        raise BpmnError("A", variables={"b": 1}) from ValueError("why")
    assert caught.value == BpmnError("A", variables={"b": 1})
