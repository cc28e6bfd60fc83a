"""Variables in their scopes: looked up outwards, created at the root, changed where they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from .documents import Document, write_json
from .state import DEFAULT_TENANT, ElementInstance, Variable

if TYPE_CHECKING:
    from .core import Core


class ScopeView(Mapping[str, object]):
    """The variables that a scope sees, for expressions; read when they are asked for."""

    def __init__(self, scope: ElementInstance) -> None:
        self._scope = scope

    def __getitem__(self, name: str) -> object:
        scope: ElementInstance | None = self._scope
        while scope is not None:
            variable = scope.variables.get(name)
            if variable is not None:
                return variable.value
            scope = scope.scope
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for s in self._scope.chain() for name in s.variables))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class VariableRoom:
    """Writes variables and their records."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def document(self, scope: ElementInstance, names: Iterable[str] = ()) -> Document:
        """What a scope sees, or of that only the named variables."""
        wanted = frozenset(names)
        found: Document = {}
        for level in scope.chain():
            for name, variable in level.variables.items():
                if name not in found and (not wanted or name in wanted):
                    found[name] = variable.value
        return found

    def local_document(self, scope: ElementInstance) -> Document:
        """The variables of this very scope."""
        return {name: variable.value for name, variable in scope.variables.items()}

    def set_local(self, scope: ElementInstance, name: str, value: object) -> None:
        """Create or change a variable of this very scope."""
        variable = scope.variables.get(name)
        if variable is None:
            variable = scope.variables[name] = Variable(self._core.next_key(), value)
            self._record("CREATED", scope, name, variable)
        elif not _same(variable.value, value):
            self._update(scope, name, variable, value)

    def merge_local(self, scope: ElementInstance, document: Document) -> None:
        """Create or change variables of this very scope."""
        for name, value in document.items():
            self.set_local(scope, name, value)

    def merge(self, scope: ElementInstance, document: Document) -> None:
        """Change each variable in the nearest scope that has it, create it at the root.

        A scope whose variable has the same value already is passed by: Zeebe goes on outwards.
        """
        left = dict(document)
        while scope.scope is not None and left:
            for name in list(left):
                variable = scope.variables.get(name)
                if variable is not None and not _same(variable.value, left[name]):
                    self._update(scope, name, variable, left.pop(name))
            scope = scope.scope
        self.merge_local(scope, left)

    def _update(self, scope: ElementInstance, name: str, variable: Variable, value: object) -> None:
        variable.value = value
        self._record("UPDATED", scope, name, variable)

    def _record(self, intent: str, scope: ElementInstance, name: str, variable: Variable) -> None:
        self._core.log.event(
            "VARIABLE", intent, variable.key, variable_value(scope, name, variable.value)
        )


def variable_value(scope: ElementInstance, name: str, value: object) -> Document:
    """What a variable's records say, under Zeebe's names."""
    definition = scope.definition
    return {
        "name": name,
        "value": value,
        "scopeKey": scope.key,
        "processInstanceKey": scope.root.key,
        "processDefinitionKey": definition.key,
        "bpmnProcessId": definition.id,
        "tenantId": DEFAULT_TENANT,
    }


def _same(left: object, right: object) -> bool:
    """Equality as of JSON texts: 1, 1.0 and true differ."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if type(left) in (list, dict):
        return write_json(left) == write_json(right)
    return left == right
