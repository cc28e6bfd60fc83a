"""The gateway's calls about process instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from .commands import Commands, check_partition
from .documents import Document, read_document, write_json
from .placement import ActivateInstruction, VariableInstruction
from .rejection import rejected
from .state import DEFAULT_TENANT, Definition, ElementInstance, ProcessInstance
from .views import CreatedInstance

LATEST = -1


@attrs.frozen
class Activation:
    """Variables for an element to activate: `variables` a JSON text, `scope_id` an element."""

    element_id: str
    ancestor_key: int = 0
    variables: Sequence[tuple[str, str]] = ()


class InstanceCommands(Commands):
    """Process instances created and changed."""

    def create_process_instance(
        self,
        process_id: str = "",
        *,
        version: int = LATEST,
        definition_key: int = 0,
        variables: str = "",
        start_at: Sequence[str] = (),
    ) -> CreatedInstance:
        """CreateProcessInstance: by id and version, or by key if no id is given."""
        document = read_document(variables)
        with self._command("PROCESS_INSTANCE_CREATION", "CREATE", -1, {"variables": document}):
            definition = self._definition(process_id, version, definition_key, "CREATE")
            instance = self._new_instance(definition, document, start_at)
            return self._created(instance)

    def create_process_instance_with_result(
        self,
        on_result: Callable[[str], None],
        process_id: str = "",
        *,
        version: int = LATEST,
        definition_key: int = 0,
        variables: str = "",
        start_at: Sequence[str] = (),
        fetch: Iterable[str] = (),
    ) -> CreatedInstance:
        """CreateProcessInstanceWithResult: the variables go to `on_result` when it completes.

        That may be before this method returns, or never: a cancelled instance has no result.
        """
        document = read_document(variables)
        intent = "CREATE_WITH_AWAITING_RESULT"
        with self._command("PROCESS_INSTANCE_CREATION", intent, -1, {"variables": document}):
            definition = self._definition(process_id, version, definition_key, intent)
            instance = self._new_instance(definition, document, start_at)
            wanted = frozenset(fetch)
            instance.on_result = lambda result: on_result(_fetched(result, wanted))
            return self._created(instance)

    def _definition(self, process_id: str, version: int, key: int, command: str) -> Definition:
        definitions = self._core.definitions
        if process_id and version < 0:
            found, name = definitions.latest(process_id), f"process ID '{process_id}'"
        elif process_id:
            found = definitions.version(process_id, version)
            name = f"process ID '{process_id}' and version '{version}'"
        else:
            found, name = definitions.by_key.get(key), f"key '{key}'"
        if found is None:
            reason = f"Expected to find process definition with {name}, but none found"
            raise rejected(command, "NOT_FOUND", reason)
        return found

    def _new_instance(
        self, definition: Definition, variables: Document, start_at: Sequence[str]
    ) -> ProcessInstance:
        core = self._core
        starts = core.placement.starts(definition.process, start_at)
        if starts is None and definition.process.root.none_start is None:
            none = "Expected to create instance of process with none start event, but there is no"
            raise rejected("CREATE", "INVALID_STATE", f"{none} such event")
        instance = core.definitions.new_instance(definition)
        instance.start_elements = starts
        core.variables.merge_local(instance, variables)
        core.lifecycle.start(instance)
        value = {**instance.value, "variables": variables}
        core.log.event("PROCESS_INSTANCE_CREATION", "CREATED", core.next_key(), value)
        return instance

    def _created(self, instance: ElementInstance) -> CreatedInstance:
        definition = instance.definition
        return CreatedInstance(
            definition.key, definition.id, definition.version, instance.key, DEFAULT_TENANT
        )

    def cancel_process_instance(self, key: int) -> None:
        """CancelProcessInstance."""
        check_partition(key)
        with self._command("PROCESS_INSTANCE", "CANCEL", key, {}):
            text = f"Expected to cancel a process instance with key '{key}', but"
            instance = self._root(key)
            if instance is None or instance.is_ending:
                reason = f"{text} no such process was found"
                raise rejected("CANCEL", "NOT_FOUND", reason)
            if instance.caller is not None:
                parent = "it is created by a parent process instance. Cancel the root process"
                root = f"instance '{_outermost(instance).key}' instead."
                raise rejected("CANCEL", "INVALID_STATE", f"{text} {parent} {root}")
            self._core.lifecycle.terminate(instance)

    def modify_process_instance(
        self, key: int, activate: Sequence[Activation] = (), terminate: Sequence[int] = ()
    ) -> None:
        """ModifyProcessInstance: activate elements, terminate element instances by key."""
        instructions = [
            ActivateInstruction(
                each.element_id,
                each.ancestor_key,
                [VariableInstruction(read_document(v), scope) for v, scope in each.variables],
            )
            for each in activate
        ]
        check_partition(key)
        with self._command("PROCESS_INSTANCE_MODIFICATION", "MODIFY", key, {}):
            root = self._root(key)
            if root is None:
                text = "Expected to modify process instance but no process instance found with key"
                raise rejected("MODIFY", "NOT_FOUND", f"{text} '{key}'")
            self._core.placement.modify(root, instructions, list(terminate))
            value = {"processInstanceKey": key}
            self._core.log.event("PROCESS_INSTANCE_MODIFICATION", "MODIFIED", key, value)

    def migrate_process_instance(
        self, key: int, target_definition_key: int, mapping: Sequence[tuple[str, str]]
    ) -> None:
        """MigrateProcessInstance: to another definition, element by element."""
        check_partition(key)
        value = {"processInstanceKey": key, "targetProcessDefinitionKey": target_definition_key}
        with self._command("PROCESS_INSTANCE_MIGRATION", "MIGRATE", -1, value):
            text = "Expected to migrate process instance"
            root = self._root(key)
            if root is None:
                reason = f"{text} but no process instance found with key '{key}'"
                raise rejected("MIGRATE", "NOT_FOUND", reason)
            target = self._core.definitions.by_key.get(target_definition_key)
            if target is None:
                what = f"no process definition found with key '{target_definition_key}'"
                reason = f"{text} to process definition but {what}"
                raise rejected("MIGRATE", "NOT_FOUND", reason)
            self._core.migration.migrate(root, target, mapping)
            self._core.log.event("PROCESS_INSTANCE_MIGRATION", "MIGRATED", key, value)

    def _root(self, key: int) -> ProcessInstance | None:
        instance = self._core.instances.get(key)
        return instance if isinstance(instance, ProcessInstance) else None

    def set_variables(self, scope_key: int, variables: str, *, local: bool = False) -> int:
        """SetVariables: in the scope of an element instance, or outwards; returns a key."""
        document = read_document(variables)
        check_partition(scope_key)
        semantics = "LOCAL" if local else "PROPAGATE"
        value = {"scopeKey": scope_key, "variables": document, "updateSemantics": semantics}
        with self._command("VARIABLE_DOCUMENT", "UPDATE", -1, value):
            scope = self._core.instances.get(scope_key)
            if scope is None:
                text = f"Expected to update variables for element with key '{scope_key}'"
                reason = f"{text}, but no such element was found"
                raise rejected("UPDATE", "NOT_FOUND", reason)
            if local:
                self._core.variables.merge_local(scope, document)
            else:
                self._core.variables.merge(scope, document)
            key = self._core.next_key()
            self._core.log.event("VARIABLE_DOCUMENT", "UPDATED", key, value)
            return key

    def resolve_incident(self, key: int) -> None:
        """ResolveIncident."""
        check_partition(key)
        with self._command("INCIDENT", "RESOLVE", key, {}):
            self._core.incidents.resolve(key)


def _fetched(variables: Document, wanted: frozenset[str]) -> str:
    """The variables that were asked for, or all."""
    return write_json({n: v for n, v in variables.items() if not wanted or n in wanted})


def _outermost(instance: ProcessInstance) -> ProcessInstance:
    while instance.caller is not None:
        instance = instance.caller.root
    return instance
