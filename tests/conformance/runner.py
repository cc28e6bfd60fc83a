"""Runs a recorded scenario against a gateway, and says what each step was answered.

A case is a folder with resources, `scenario.json` and `expected.json`: what a real Zeebe 8.6.0
answered. Steps:

  deploy             files
  create             process, version (-1), definition: n (the n-th deployed process, by its key),
                     variables | variables_raw (a text sent as it is), start_at: [element id...]
  create_with_result as create, and fetch, request_timeout (ms), background: true, as: name
  await              of: name (the answer of a background create_with_result)
  activate           type or types, max (32), expect (1), wait (ms, 5000), fetch, timeout (ms),
                     worker, request_timeout (ms; then exactly one call is made)
  complete           job, variables | variables_raw
  fail               job, retries, message, backoff (ms), variables | variables_raw
  throw_error        job, code, message, variables
  update_retries     job, retries
  update_timeout     job, timeout (ms)
  publish_message    name, key, ttl (ms), variables, id
  broadcast_signal   name, variables
  set_variables      instance | job (its element instance), variables | variables_raw, local
  resolve_incident   incident
  cancel_instance    instance
  evaluate_decision  decision, definition: n (the n-th deployed decision, by its key), variables
  modify             instance, activate: [{element, ancestor, variables}], terminate: [where...]
  migrate            instance, definition (the n-th deployed process), mapping: [[from, to]...]
  delete             resource: n (the n-th deployed process, DMN file or form)
  sleep              ms

job, instance and incident are numbers, counted in the order in which they appear; jobs of one
activate are sorted by element and variables. `raw_key` sends a key as it is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import trio

from .gateway import Activation, Creation, Gateway, Refused
from .normal import Labels, in_order, tidy

TOKEN = "golden_"
Answer = dict[str, Any]


def _json(variables: Any, raw: str | None) -> str:
    if raw is not None:
        return raw
    return "" if variables is None else json.dumps(variables, ensure_ascii=False)


class Run:
    """One run of a case; its global names carry a token of their own, so that runs don't meet."""

    def __init__(self, case: Path, gateway: Gateway, nursery: trio.Nursery) -> None:
        self.case = case
        self.gateway = gateway
        self.nursery = nursery
        self.token = f"g{secrets.token_hex(3)[:5]}_"
        self.labels = Labels()
        self.jobs: list[Any] = []
        self.instances: list[int] = []
        self.definitions: list[int] = []
        self.decisions: list[int] = []
        self.deployed: list[int] = []
        self.incidents: list[int] = []
        self.on_steps_done: Callable[[], None] = lambda: None
        self.background: dict[str, trio.MemoryReceiveChannel[Any]] = {}

    # -- names

    def named(self, text: str) -> str:
        """A text with this run's token."""
        return text.replace(TOKEN, self.token)

    def plain(self, value: Any) -> Any:
        """A value with the cases' own token again."""
        if isinstance(value, str):
            return value.replace(self.token, TOKEN)
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {self.plain(key): self.plain(item) for key, item in value.items()}
        return value

    # -- running

    async def run(self) -> Answer:
        """The answers of all steps, and how each known instance ended."""
        text = self.named((self.case / "scenario.json").read_text(encoding="utf-8"))
        steps = [await self.step(step) for step in json.loads(text)["steps"]]
        await trio.sleep(0.25)
        self.on_steps_done()
        return tidy(self.plain({"steps": steps, "end": await self.clean_up()}))

    async def step(self, step: dict[str, Any]) -> Answer:
        """One step's answer."""
        arguments = {k: v for k, v in step.items() if k not in ("do", "note")}
        do = cast("Callable[..., Any]", getattr(self, f"do_{step['do']}"))
        try:
            answer = await do(**arguments)
        except Refused as refused:
            text = in_order(self.labels.text(refused.text))
            return {"do": step["do"], "code": refused.status, "error": text}
        except IndexError:
            return {"do": step["do"], "code": "NO_SUCH_ITEM"}
        return {"do": step["do"], "code": "OK", **(answer or {})}

    async def clean_up(self) -> Answer:
        """Cancel what still runs, delete what was deployed."""
        ends: Answer = {}
        for key in self.instances:
            ends[str(self.labels.of(key))] = await self._end(key)
        for key in dict.fromkeys(self.deployed):
            try:
                await self.gateway.delete(key)
            except Refused:
                continue
        return ends

    async def _end(self, key: int) -> str:
        try:
            await self.gateway.cancel(key)
        except Refused as refused:
            return "ended" if refused.status == "NOT_FOUND" else refused.status
        return "active"

    # -- resources

    async def do_deploy(self, files: tuple[str, ...] = ("process.bpmn",)) -> Answer:
        resources = [(name, self._read(name)) for name in files]
        key, deployed = await self.gateway.deploy(resources)
        self.labels.of(key)
        decisions = iter(
            sorted(
                (fields for kind, fields in deployed if kind == "decision"),
                key=lambda fields: (fields["decisionRequirementsKey"], fields["dmnDecisionId"]),
            )
        )
        items = [
            self._deployed(kind, next(decisions) if kind == "decision" else fields)
            for kind, fields in deployed
        ]
        return {"deployments": items}

    def _read(self, name: str) -> bytes:
        content = (self.case / name).read_bytes()
        return content.replace(TOKEN.encode(), self.token.encode())

    def _deployed(self, kind: str, fields: Answer) -> Answer:
        if kind == "process":
            self.definitions.append(fields["processDefinitionKey"])
            self.deployed.append(fields["processDefinitionKey"])
        elif kind == "decision":
            self.decisions.append(fields["decisionKey"])
        elif kind == "decisionRequirements":
            self.deployed.append(fields["decisionRequirementsKey"])
        else:
            self.deployed.append(fields["formKey"])
        labelled = {k: self.labels.of(v) if k.endswith("Key") else v for k, v in fields.items()}
        return {kind: labelled}

    async def do_delete(self, resource: int = 0, raw_key: int | None = None) -> None:
        await self.gateway.delete(self.deployed[resource] if raw_key is None else raw_key)

    # -- process instances

    def _creation(
        self,
        process: str = "",
        version: int = -1,
        definition: int | None = None,
        variables: Any = None,
        variables_raw: str | None = None,
        start_at: tuple[str, ...] = (),
        raw_key: int | None = None,
    ) -> Creation:
        key = 0
        if raw_key is not None:
            key, process, version = raw_key, "", 0
        elif definition is not None:
            key, process, version = self.definitions[definition], "", 0
        return Creation(process, version, key, _json(variables, variables_raw), start_at)

    def _created(self, answer: Any) -> Answer:
        self.instances.append(answer.process_instance_key)
        return {
            "processDefinitionKey": self.labels.of(answer.process_definition_key),
            "bpmnProcessId": answer.bpmn_process_id,
            "version": answer.version,
            "processInstanceKey": self.labels.of(answer.process_instance_key),
        }

    async def do_create(self, **arguments: Any) -> Answer:
        return self._created(await self.gateway.create(self._creation(**arguments)))

    async def do_create_with_result(
        self,
        fetch: tuple[str, ...] = (),
        request_timeout: int = 10_000,
        background: bool = False,
        **arguments: Any,
    ) -> Answer:
        name = arguments.pop("as", None)
        creation = self._creation(**arguments)
        send, receive = trio.open_memory_channel[Any](1)
        self.nursery.start_soon(self._with_result, creation, fetch, request_timeout, send)
        if not background:
            return await self._result(receive)
        self.background[name] = receive
        await trio.sleep(0.05)
        return {"code": "PENDING"}

    async def _with_result(
        self,
        creation: Creation,
        fetch: tuple[str, ...],
        request_timeout: int,
        send: trio.MemorySendChannel[Any],
    ) -> None:
        try:
            answer = await self.gateway.create_with_result(creation, fetch, request_timeout)
        except Refused as refused:
            answer = refused
        send.send_nowait(answer)

    async def _result(self, receive: trio.MemoryReceiveChannel[Any]) -> Answer:
        answer = await receive.receive()
        if isinstance(answer, Refused):
            raise answer
        return {**self._created(answer), "variables": json.loads(answer.variables)}

    async def do_await(self, of: str) -> Answer:
        return await self._result(self.background.pop(of))

    async def do_cancel_instance(self, instance: int = 0, raw_key: int | None = None) -> None:
        await self.gateway.cancel(self.instances[instance] if raw_key is None else raw_key)

    async def do_modify(
        self,
        instance: int = 0,
        activate: tuple[dict[str, Any], ...] = (),
        terminate: tuple[Any, ...] = (),
        raw_key: int | None = None,
    ) -> None:
        key = self.instances[instance] if raw_key is None else raw_key
        elements = [
            {
                "element": each["element"],
                "ancestor": self._scope(each.get("ancestor")),
                "variables": [
                    (json.dumps(v["set"]), v.get("scope", "")) for v in each.get("variables", ())
                ],
            }
            for each in activate
        ]
        await self.gateway.modify(key, elements, [self._scope(each) for each in terminate])

    def _scope(self, where: Any) -> int:
        """An element instance: a key, a job's, or a process instance."""
        if where is None or isinstance(where, int):
            return where or 0
        if "job" in where:
            return self.jobs[where["job"]].element_instance_key
        return self.instances[where["instance"]]

    async def do_migrate(
        self,
        instance: int = 0,
        definition: int = 0,
        mapping: tuple[tuple[str, str], ...] = (),
        raw_key: int | None = None,
        raw_definition: int | None = None,
    ) -> None:
        key = self.instances[instance] if raw_key is None else raw_key
        target = self.definitions[definition] if raw_definition is None else raw_definition
        await self.gateway.migrate(key, target, mapping)

    async def do_set_variables(
        self,
        instance: int | None = None,
        job: int | None = None,
        variables: Any = None,
        variables_raw: str | None = None,
        local: bool = False,
        raw_key: int | None = None,
    ) -> Answer:
        if raw_key is None:
            by_job = job is not None
            raw_key = (
                self.jobs[job].element_instance_key if by_job else self.instances[instance or 0]
            )
        key = await self.gateway.set_variables(raw_key, _json(variables, variables_raw), local)
        return {"key": self.labels.of(key)}

    # -- jobs

    async def do_activate(
        self,
        type: str | None = None,
        types: list[str] | None = None,
        max: int = 32,
        expect: int = 1,
        wait: int = 5000,
        fetch: tuple[str, ...] = (),
        timeout: int = 60_000,
        worker: str = "golden",
        request_timeout: int | None = None,
    ) -> Answer:
        got: list[Any] = []
        until = trio.current_time() + wait / 1000
        while True:
            left = int((until - trio.current_time()) * 1000)
            for each in types or [type or ""]:
                if got and len(got) >= max:
                    break
                if request_timeout is not None:
                    held = request_timeout
                else:
                    held = -1 if types or expect == 0 else min(left, 2000)
                asked = Activation(each, worker, timeout, max - len(got), fetch, held)
                jobs = await self.gateway.activate(asked)
                got += [job for job in jobs if self.token in job.bpmn_process_id]
            if len(got) >= expect or request_timeout is not None or trio.current_time() > until:
                break
            await trio.sleep(0.05 if types else 0.01)
        got.sort(key=lambda job: (job.element_id, _sorted_json(job.variables)))
        return {"jobs": [self._job(job) for job in got]}

    def _job(self, job: Any) -> Answer:
        self.jobs.append(job)
        if job.process_instance_key not in self.instances:
            self.instances.append(job.process_instance_key)
        return {
            "key": self.labels.of(job.key),
            "type": job.type,
            "bpmnProcessId": job.bpmn_process_id,
            "processDefinitionVersion": job.process_definition_version,
            "processDefinitionKey": self.labels.of(job.process_definition_key),
            "processInstanceKey": self.labels.of(job.process_instance_key),
            "elementId": job.element_id,
            "elementInstanceKey": self.labels.of(job.element_instance_key),
            "customHeaders": json.loads(self.labels.text(job.custom_headers)),
            "retries": job.retries,
            "worker": job.worker,
            "variables": json.loads(job.variables),
        }

    def _job_key(self, job: int, raw_key: int | None) -> int:
        return self.jobs[job].key if raw_key is None else raw_key

    async def do_complete(
        self,
        job: int = 0,
        variables: Any = None,
        variables_raw: str | None = None,
        raw_key: int | None = None,
    ) -> None:
        document = _json(variables, variables_raw)
        await self.gateway.complete(self._job_key(job, raw_key), document)

    async def do_fail(
        self,
        job: int = 0,
        retries: int = 0,
        message: str = "",
        backoff: int = 0,
        variables: Any = None,
        variables_raw: str | None = None,
        raw_key: int | None = None,
    ) -> None:
        document = _json(variables, variables_raw)
        key = self._job_key(job, raw_key)
        await self.gateway.fail(key, retries, message, backoff, document)

    async def do_throw_error(
        self,
        job: int = 0,
        code: str = "",
        message: str = "",
        variables: Any = None,
        raw_key: int | None = None,
    ) -> None:
        key = self._job_key(job, raw_key)
        await self.gateway.throw_error(key, code, message, _json(variables, None))

    async def do_update_retries(
        self, job: int = 0, retries: int = 1, raw_key: int | None = None
    ) -> None:
        await self.gateway.update_retries(self._job_key(job, raw_key), retries)

    async def do_update_timeout(
        self, job: int = 0, timeout: int = 1000, raw_key: int | None = None
    ) -> None:
        await self.gateway.update_timeout(self._job_key(job, raw_key), timeout)

    # -- messages, signals, decisions, incidents, time

    async def do_publish_message(
        self, name: str = "", key: str = "", ttl: int = 0, variables: Any = None, id: str = ""
    ) -> Answer:
        got = await self.gateway.publish(name, key, ttl, id, _json(variables, None))
        return {"key": self.labels.of(got)}

    async def do_broadcast_signal(self, name: str = "", variables: Any = None) -> Answer:
        return {"key": self.labels.of(await self.gateway.broadcast(name, _json(variables, None)))}

    async def do_evaluate_decision(
        self,
        decision: str = "",
        definition: int | None = None,
        variables: Any = None,
        raw_key: int | None = None,
    ) -> Answer:
        key = raw_key or 0
        if definition is not None:
            key = self.decisions[definition]
        answer = await self.gateway.evaluate(decision, key, _json(variables, None))
        return {
            "decisionId": answer.decision_id,
            "decisionName": answer.decision_name,
            "decisionVersion": answer.decision_version,
            "decisionKey": self.labels.of(answer.decision_key),
            "decisionRequirementsId": answer.decision_requirements_id,
            "decisionOutput": _parsed(answer.decision_output),
            "failedDecisionId": answer.failed_decision_id,
            "failureMessage": self.labels.text(answer.failure_message),
            "evaluatedDecisions": [_evaluated(each) for each in answer.evaluated_decisions],
        }

    async def do_resolve_incident(self, incident: int = 0, raw_key: int | None = None) -> Any:
        if raw_key is None:
            keys = self.gateway.incident_keys()
            if keys is None and incident >= len(self.incidents):
                return await self._probe_incident()
            raw_key = (self.incidents if keys is None else keys)[incident]
        await self.gateway.resolve_incident(raw_key)
        return None

    async def _probe_incident(self) -> Answer:
        """The gateway tells no incident keys, but keys only grow.

        So those are tried that lie between the last incident's, or the first instance's, and the
        key of a message that is published now.
        """
        mark = await self.gateway.publish(f"{self.token}mark", "m", 0, "", "")
        start = max(self.incidents or [min(self.instances)]) + 1
        for key in range(start, min(mark, start + 5000)):
            try:
                await self.gateway.resolve_incident(key)
            except Refused as refused:
                if "no such incident" in refused.text:
                    continue
                self.incidents.append(key)
                raise
            self.incidents.append(key)
            return {}
        return {"code": "NO_SUCH_ITEM"}

    async def do_sleep(self, ms: int = 100) -> None:
        await trio.sleep(ms / 1000)


def _parsed(text: str) -> Any:
    return json.loads(text) if text else None


def _sorted_json(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _evaluated(decision: Any) -> Answer:
    return {
        "decisionId": decision.decision_id,
        "decisionType": decision.decision_type,
        "decisionOutput": _parsed(decision.decision_output),
        "inputs": [[i.input_name, _parsed(i.input_value)] for i in decision.evaluated_inputs],
        "rules": [
            [
                rule.rule_index,
                [[o.output_name, _parsed(o.output_value)] for o in rule.evaluated_outputs],
            ]
            for rule in decision.matched_rules
        ],
    }
