"""What ModifyProcessInstance can do to a process instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from zbtrio._proto import gateway_protocol as proto

ToJson = Callable[[Any], str]


def _no_scopes() -> Mapping[str, Any]:
    return {}


def _variable_instructions(
    variables: Any, scoped: Mapping[str, Any], to_json: ToJson
) -> list[proto.ModifyProcessInstanceRequestVariableInstruction]:
    scopes = {"": variables, **scoped} if variables is not None else scoped
    return [
        proto.ModifyProcessInstanceRequestVariableInstruction(
            variables=to_json(values), scope_id=scope
        )
        for scope, values in scopes.items()
    ]


@frozen
class Activate:
    """Activate an element.

    Attributes:
        element_id: which.
        variables: set in the process instance before that.
        scoped_variables: set in the scopes that are activated on the way, by their element ids.
        ancestor_element_instance_key: the scope to activate it in, where there is more than one.
    """

    element_id: str
    variables: Any = None
    scoped_variables: Mapping[str, Any] = field(factory=_no_scopes, kw_only=True)
    ancestor_element_instance_key: int = field(default=0, kw_only=True)

    def to_message(self, to_json: ToJson) -> proto.ModifyProcessInstanceRequestActivateInstruction:
        """The gateway's message."""
        return proto.ModifyProcessInstanceRequestActivateInstruction(
            element_id=self.element_id,
            ancestor_element_instance_key=self.ancestor_element_instance_key,
            variable_instructions=_variable_instructions(
                self.variables, self.scoped_variables, to_json
            ),
        )


@frozen
class Terminate:
    """Terminate one element instance by its key, or (newer versions) all of an element by id."""

    element_instance_key: int = 0
    element_id: str = ""

    def to_message(self) -> proto.ModifyProcessInstanceRequestTerminateInstruction:
        """The gateway's message."""
        return proto.ModifyProcessInstanceRequestTerminateInstruction(
            element_instance_key=self.element_instance_key, element_id=self.element_id
        )


@frozen
class Move:
    """Terminate an element (by its id or one instance's key) and activate another in its place.

    The scope of the new one is `ancestor_element_instance_key`, or found from the source's: among
    its ancestors (`infer_ancestor`), or its parent itself (`use_parent`). Needs Zeebe 8.8 or newer.
    """

    target_element_id: str
    source_element_id: str = field(default="", kw_only=True)
    source_element_instance_key: int = field(default=0, kw_only=True)
    variables: Any = field(default=None, kw_only=True)
    scoped_variables: Mapping[str, Any] = field(factory=_no_scopes, kw_only=True)
    ancestor_element_instance_key: int = field(default=0, kw_only=True)
    infer_ancestor: bool = field(default=False, kw_only=True)
    use_parent: bool = field(default=False, kw_only=True)

    def to_message(self, to_json: ToJson) -> proto.ModifyProcessInstanceRequestMoveInstruction:
        """The gateway's message."""
        return proto.ModifyProcessInstanceRequestMoveInstruction(
            source_element_instance_key=self.source_element_instance_key,
            source_element_id=self.source_element_id,
            target_element_id=self.target_element_id,
            variable_instructions=_variable_instructions(
                self.variables, self.scoped_variables, to_json
            ),
            ancestor_element_instance_key=self.ancestor_element_instance_key,
            infer_ancestor_scope_from_source_hierarchy=self.infer_ancestor,
            use_source_parent_key_as_ancestor_scope_key=self.use_parent,
        )
