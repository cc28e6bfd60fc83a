"""Deployments: files become new versions, unless the newest version is the same already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from zbtrio.devgateway import dmn

from .decisions import Requirements
from .forms import Form, FormError, read_form_id
from .model.elements import Process
from .model.loops import find_loop
from .model.reader import read_processes
from .model.validation import find_errors
from .model.validation.constants import find_errors as find_constant_errors
from .model.xml import XmlError, parse
from .rejection import rejected
from .state import DEFAULT_TENANT, Definition
from .views import (
    DeployedDecision,
    DeployedForm,
    DeployedProcess,
    DeployedRequirements,
    Deployment,
)

if TYPE_CHECKING:
    from .core import Core

Resource: TypeAlias = tuple[str, bytes]  # a file's name and content

_Deployed: TypeAlias = tuple[list[Definition], list[Requirements], list[Form]]
_Version: TypeAlias = "Definition | Requirements | Form"
_T = TypeVar("_T")

_NO_RESOURCE = "Expected to deploy at least one resource, but none given"
_ERRORS = "Expected to deploy new resources, but encountered the following errors:"


class _ResourceError(Exception):
    """A file can't be deployed."""


@attrs.frozen
class _File:
    name: str
    checksum: str
    processes: list[Process] = attrs.Factory(list[Process])
    graph: dmn.DecisionRequirements | None = None
    form_id: str = ""


class Deployments:
    """Takes files in: all of a deployment or none."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def deploy(self, resources: Sequence[Resource]) -> Deployment:
        """Deploy BPMN, DMN and form files; raises Rejection."""
        if not resources:
            raise rejected("CREATE", "INVALID_ARGUMENT", _NO_RESOURCE)
        files = self._read(resources)
        key = self._core.next_key()
        if all(map(self._is_deployed, files)):
            processes, requirements, forms = self._present(files)
        else:
            processes, requirements, forms = self._add(files, key)
        deployment = Deployment(
            key,
            [_process_view(definition) for definition in processes],
            [view for each in requirements for view in self._decision_views(each)],
            [_requirements_view(each) for each in requirements],
            [_form_view(form) for form in forms],
            DEFAULT_TENANT,
        )
        value = {"deploymentKey": key, "resources": [name for name, _ in resources]}
        self._core.log.event("DEPLOYMENT", "CREATED", key, value)
        return deployment

    def _present(self, files: list[_File]) -> _Deployed:
        """What there is already."""
        core = self._core
        processes = [core.definitions.newest(p.id) for file in files for p in file.processes]
        graphs = [core.decisions.latest_requirements(f.graph.id) for f in files if f.graph]
        forms = [core.forms.latest(file.form_id) for file in files if file.form_id]
        return _there(processes), _there(graphs), _there(forms)

    def _add(self, files: list[_File], key: int) -> _Deployed:
        """New versions of everything: one file that has changed makes all of them new."""
        core = self._core
        processes = [self._add_process(p, file, key) for file in files for p in file.processes]
        graphs = [core.decisions.add(f.graph, f.name, f.checksum) for f in files if f.graph]
        forms = [core.forms.add(f.form_id, f.name, f.checksum) for f in files if f.form_id]
        return processes, graphs, forms

    # -- reading

    def _read(self, resources: Sequence[Resource]) -> list[_File]:
        files: list[_File] = []
        errors: list[str] = []
        for name, content in resources:
            try:
                file = self._read_file(name, content)
                _check_unique(file, files)
                files.append(file)
            except _ResourceError as error:
                errors.append(str(error))
        if errors:
            reason = "".join(f"\n{error}" for error in errors)
            raise rejected("CREATE", "INVALID_ARGUMENT", f"{_ERRORS}{reason}")
        return files

    def _read_file(self, name: str, content: bytes) -> _File:
        checksum = hashlib.sha256(content).hexdigest()
        if name.endswith((".bpmn", ".bpmn20.xml")):
            return _File(name, checksum, processes=self._read_bpmn(name, content))
        if name.endswith(".dmn"):
            return _File(name, checksum, graph=_read_dmn(name, content))
        if name.endswith(".form"):
            try:
                return _File(name, checksum, form_id=read_form_id(content, name))
            except FormError as error:
                raise _ResourceError(str(error)) from None
        raise _ResourceError(f"\n'{name}': unknown resource type")

    def _read_bpmn(self, name: str, content: bytes) -> list[Process]:
        core = self._core
        try:
            root = parse(content)
        except XmlError as error:
            raise _ResourceError(f"'{name}': {error}") from None
        errors = find_errors(root) or find_constant_errors(root, core.evaluator, core.time)
        if errors:
            raise _ResourceError(f"'{name}': {errors}")
        processes = read_processes(root)
        for process in processes:
            if loop := find_loop(process):
                what = "Processes are not allowed to contain a straight-through processing loop"
                text = f"- Process: {process.id}\n    - ERROR: {what}: {' > '.join(loop)}\n"
                raise _ResourceError(f"`{name}`: {text}")
        return processes

    # -- versions

    def _is_deployed(self, file: _File) -> bool:
        """Whether the newest versions of all that is in a file came from the same file."""
        newest: list[_Version | None] = [
            self._core.definitions.newest(process.id) for process in file.processes
        ]
        if file.graph:
            newest.append(self._core.decisions.latest_requirements(file.graph.id))
        if file.form_id:
            newest.append(self._core.forms.latest(file.form_id))
        same = (file.checksum, file.name)
        return all(each is not None and (each.checksum, each.resource) == same for each in newest)

    def _add_process(self, process: Process, file: _File, deployment: int) -> Definition:
        core = self._core
        latest = core.definitions.latest(process.id)
        version = core.definitions.next_version(process.id)
        definition = Definition(
            core.next_key(), version, process, file.name, file.checksum, deployment
        )
        core.definitions.add(definition)
        core.log.event("PROCESS", "CREATED", definition.key, _process_value(definition))
        if latest:
            core.definitions.close_starts(latest)
        core.definitions.open_starts(definition)
        return definition

    def _decision_views(self, requirements: Requirements) -> Iterable[DeployedDecision]:
        return (
            DeployedDecision(
                decision_id=each.id,
                decision_name=each.name,
                version=each.version,
                decision_key=each.key,
                requirements_id=requirements.graph.id,
                requirements_key=requirements.key,
            )
            for each in self._core.decisions.of(requirements)
        )

    # -- deleting

    def delete(self, key: int) -> None:
        """Delete a process, a DMN file or a form by its key; raises Rejection."""
        core = self._core
        definition = core.definitions.by_key.get(key)
        if definition is not None:
            self._check_unused(definition)
        elif key not in core.decisions.requirements and key not in core.forms.by_key:
            text = f"Expected to delete resource but no resource found with key `{key}`"
            raise rejected("DELETE", "NOT_FOUND", text)
        own = core.next_key()
        core.log.event("RESOURCE_DELETION", "DELETING", own, {"resourceKey": key})
        self._remove(key, definition)
        core.log.event("RESOURCE_DELETION", "DELETED", own, {"resourceKey": key})

    def _check_unused(self, definition: Definition) -> None:
        if definition.instances:
            what = f"resource with key `{definition.key}` but there are still running instances"
            raise rejected("DELETE", "INVALID_STATE", f"Expected to delete {what}")

    def _remove(self, key: int, definition: Definition | None) -> None:
        core = self._core
        if definition is not None:
            core.log.event("PROCESS", "DELETING", key, _process_value(definition))
            core.definitions.remove(definition)
            core.log.event("PROCESS", "DELETED", key, _process_value(definition))
        elif requirements := core.decisions.requirements.get(key):
            core.decisions.remove(requirements)
        else:
            core.forms.remove(core.forms.by_key[key])


def _there(found: Iterable[_T | None]) -> list[_T]:
    return [each for each in found if each is not None]


def _read_dmn(name: str, content: bytes) -> dmn.DecisionRequirements:
    try:
        return dmn.parse(content)
    except dmn.DmnError as error:
        raise _ResourceError(f"'{name}': {error}") from None


def _check_unique(file: _File, others: Iterable[_File]) -> None:
    for other in others:
        if set(_process_ids(file)) & set(_process_ids(other)):
            raise _ResourceError(
                f"Duplicated process id in resources '{other.name}' and '{file.name}'"
            )
        for what, ids in _IDS:
            for id in ids(file):
                if id in ids(other):
                    raise _ResourceError(
                        f"Expected the {what} ids to be unique within a deployment but found a"
                        f" duplicated id '{id}' in the resources '{other.name}' and '{file.name}'."
                    )


def _process_ids(file: _File) -> list[str]:
    return [process.id for process in file.processes]


def _decision_ids(file: _File) -> list[str]:
    return [each.id for each in file.graph.decisions] if file.graph else []


def _graph_ids(file: _File) -> list[str]:
    return [file.graph.id] if file.graph else []


def _form_ids(file: _File) -> list[str]:
    return [file.form_id] if file.form_id else []


_IDS: list[tuple[str, Callable[[_File], list[str]]]] = [
    ("decision requirements", _graph_ids),
    ("decision", _decision_ids),
    ("form", _form_ids),
]


def _process_value(definition: Definition) -> dict[str, object]:
    return {
        "bpmnProcessId": definition.id,
        "version": definition.version,
        "processDefinitionKey": definition.key,
        "resourceName": definition.resource,
        "checksum": definition.checksum,
        "deploymentKey": definition.deployment_key,
        "versionTag": definition.process.version_tag,
        "tenantId": DEFAULT_TENANT,
    }


def _process_view(definition: Definition) -> DeployedProcess:
    return DeployedProcess(definition.id, definition.version, definition.key, definition.resource)


def _requirements_view(each: Requirements) -> DeployedRequirements:
    return DeployedRequirements(
        each.graph.id, each.graph.name, each.version, each.key, each.resource
    )


def _form_view(form: Form) -> DeployedForm:
    return DeployedForm(form.id, form.version, form.key, form.resource)
