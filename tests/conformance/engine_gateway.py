"""The engine without a service around it, on trio's clock: long polls and results by events."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from zbtrio.devgateway.engine import Activation as PlaceAt
from zbtrio.devgateway.engine import Engine, Rejection
from zbtrio.devgateway.engine.documents import write_json

from .gateway import Activation, Creation, Refused

START = 1_800_000_000.0  # when virtual time begins, seconds since 1970


def _refusing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Rejections become Refused."""

    @functools.wraps(method)
    async def call(self: EngineGateway, *arguments: Any) -> Any:
        try:
            return await method(self, *arguments)
        except Rejection as rejection:
            raise Refused(rejection.status, rejection.text) from None
        finally:
            self._wake()

    return call


def _refusing_class(cls: type) -> type:
    for name, method in list(vars(cls).items()):
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            setattr(cls, name, _refusing(method))
    return cls


@attrs.frozen
class Result:
    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int
    variables: str


@attrs.frozen
class Evaluation:
    """An evaluation as the gateway's message has it: values are JSON texts."""

    decision_id: str
    decision_name: str
    decision_version: int
    decision_key: int
    decision_requirements_id: str
    decision_output: str
    failed_decision_id: str
    failure_message: str
    evaluated_decisions: list[Any]


@_refusing_class
class EngineGateway:
    """A gateway by direct calls."""

    def __init__(self) -> None:
        self.engine = Engine(lambda: START + trio.current_time())
        self.engine.on_jobs_available = self._available
        self._changed = trio.Event()
        self._new_jobs = trio.Event()

    def _available(self, type: str, keys: list[int]) -> None:
        self._new_jobs.set()
        self._new_jobs = trio.Event()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _pump(self) -> None:
        """Do what is due, and sleep until something is."""
        while True:
            self.engine.advance()
            due = self.engine.next_due()
            at = math.inf if due is None else due / 1000 - START
            with trio.move_on_at(at):
                await self._changed.wait()

    async def deploy(self, resources: Sequence[tuple[str, bytes]]) -> tuple[int, list[Any]]:
        done = self.engine.deploy_resources(resources)
        found: list[Any] = []
        for p in done.processes:
            fields = {
                "bpmnProcessId": p.bpmn_process_id,
                "version": p.version,
                "processDefinitionKey": p.process_definition_key,
                "resourceName": p.resource_name,
            }
            found.append(("process", fields))
        for d in done.decisions:
            fields = {
                "dmnDecisionId": d.decision_id,
                "dmnDecisionName": d.decision_name,
                "version": d.version,
                "decisionKey": d.decision_key,
                "dmnDecisionRequirementsId": d.requirements_id,
                "decisionRequirementsKey": d.requirements_key,
            }
            found.append(("decision", fields))
        for r in done.requirements:
            fields = {
                "dmnDecisionRequirementsId": r.requirements_id,
                "dmnDecisionRequirementsName": r.requirements_name,
                "version": r.version,
                "decisionRequirementsKey": r.requirements_key,
                "resourceName": r.resource_name,
            }
            found.append(("decisionRequirements", fields))
        for f in done.forms:
            fields = {
                "formId": f.form_id,
                "version": f.version,
                "formKey": f.form_key,
                "resourceName": f.resource_name,
            }
            found.append(("form", fields))
        return done.key, found

    async def create(self, creation: Creation) -> Any:
        return self.engine.create_process_instance(
            creation.process,
            version=creation.version,
            definition_key=creation.definition_key,
            variables=creation.variables,
            start_at=creation.start_at,
        )

    async def create_with_result(
        self, creation: Creation, fetch: Sequence[str], request_timeout: int
    ) -> Any:
        got: list[str] = []
        done = trio.Event()

        def on_result(variables: str) -> None:
            got.append(variables)
            done.set()

        created = self.engine.create_process_instance_with_result(
            on_result,
            creation.process,
            version=creation.version,
            definition_key=creation.definition_key,
            variables=creation.variables,
            start_at=creation.start_at,
            fetch=fetch,
        )
        self._wake()
        with trio.move_on_after(request_timeout / 1000):
            await done.wait()
        if not got:
            raise Refused("DEADLINE_EXCEEDED", "Time out between gateway and broker")
        return Result(
            created.process_definition_key,
            created.bpmn_process_id,
            created.version,
            created.process_instance_key,
            got[0],
        )

    async def activate(self, activation: Activation) -> list[Any]:
        held = activation.request_timeout / 1000 or 10.0
        with trio.move_on_after(max(0.0, held)):
            while True:
                new_jobs = self._new_jobs
                jobs = self.engine.activate_jobs(
                    activation.type,
                    activation.worker,
                    timeout=activation.timeout,
                    max_jobs=activation.max_jobs,
                    fetch_variables=activation.fetch,
                )
                self._wake()
                if jobs or held < 0:
                    return jobs
                await new_jobs.wait()
        return []

    async def complete(self, key: int, variables: str) -> None:
        self.engine.complete_job(key, variables)

    async def fail(
        self, key: int, retries: int, message: str, backoff: int, variables: str
    ) -> None:
        self.engine.fail_job(key, retries, message, backoff=backoff, variables=variables)

    async def throw_error(self, key: int, code: str, message: str, variables: str) -> None:
        self.engine.throw_error(key, code, message, variables)

    async def update_retries(self, key: int, retries: int) -> None:
        self.engine.update_job_retries(key, retries)

    async def update_timeout(self, key: int, timeout: int) -> None:
        self.engine.update_job_timeout(key, timeout)

    async def publish(self, name: str, key: str, ttl: int, id: str, variables: str) -> int:
        return self.engine.publish_message(
            name, key, time_to_live=ttl, message_id=id, variables=variables
        )

    async def broadcast(self, name: str, variables: str) -> int:
        return self.engine.broadcast_signal(name, variables)

    async def set_variables(self, key: int, variables: str, local: bool) -> int:
        return self.engine.set_variables(key, variables, local=local)

    async def resolve_incident(self, key: int) -> None:
        self.engine.resolve_incident(key)

    async def cancel(self, key: int) -> None:
        self.engine.cancel_process_instance(key)

    async def evaluate(self, decision: str, key: int, variables: str) -> Any:
        done = self.engine.evaluate_decision(decision, decision_key=key, variables=variables)
        return Evaluation(
            decision_id=done.decision.id,
            decision_name=done.decision.name,
            decision_version=done.decision.version,
            decision_key=done.decision.key,
            decision_requirements_id=done.decision.requirements.graph.id,
            decision_output=write_json(done.output),
            failed_decision_id=done.result.failed_decision_id,
            failure_message=done.failure,
            evaluated_decisions=[_as_message(each) for each in done.result.evaluated_decisions],
        )

    async def modify(
        self, key: int, activate: Sequence[dict[str, Any]], terminate: Sequence[int]
    ) -> None:
        instructions = [
            PlaceAt(each["element"], each["ancestor"], each["variables"]) for each in activate
        ]
        self.engine.modify_process_instance(key, instructions, terminate)

    async def migrate(self, key: int, target: int, mapping: Sequence[Sequence[str]]) -> None:
        pairs = [(source, to) for source, to in mapping]
        self.engine.migrate_process_instance(key, target, pairs)

    async def delete(self, key: int) -> None:
        self.engine.delete_resource(key)

    def incident_keys(self) -> list[int] | None:
        records = self.engine.log.since()
        return list(
            dict.fromkeys(
                record.key
                for record in records
                if record.value_type == "INCIDENT" and record.intent == "CREATED"
            )
        )


class _Message:
    """A value under the names of the gateway's message, with JSON texts for its values."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._value, name)
        if name in ("decision_output", "input_value", "output_value"):
            return write_json(found)
        return [_Message(item) for item in found] if isinstance(found, list | tuple) else found


def _as_message(decision: Any) -> Any:
    return _Message(decision)


@asynccontextmanager
async def open_engine() -> AsyncGenerator[EngineGateway, None]:
    """A gateway whose engine does what is due."""
    gateway = EngineGateway()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway._pump)
        yield gateway
        nursery.cancel_scope.cancel()
