"""The constructors that protos/generate.py writes do what a dataclass's own would."""

import dataclasses
import inspect

import pytest
from betterproto2 import Message

from tests.proto.messages import CLASSES, contents
from zbtrio._proto.gateway_protocol import Partition, PartitionPartitionBrokerRole, StringList


@pytest.mark.parametrize("cls", CLASSES)
def test_parameters_are_the_fields(cls: type[Message]) -> None:
    parameters = list(inspect.signature(cls).parameters)
    assert parameters == [field.name for field in dataclasses.fields(cls)]


@pytest.mark.parametrize("cls", CLASSES)
def test_defaults_are_the_fields_own(cls: type[Message]) -> None:
    expected = {field.name: contents(field.default_factory()) for field in dataclasses.fields(cls)}
    found = {name: contents(value) for name, value in vars(cls()).items()}
    assert found == expected | {"_unknown_fields": contents(b"")}


def test_arguments_are_kept() -> None:
    names = ["a"]
    assert StringList(names).values is names
    assert Partition(role=PartitionPartitionBrokerRole.FOLLOWER).role == 1


def test_lists_are_not_shared() -> None:
    StringList().values.append("x")
    assert StringList().values == []
