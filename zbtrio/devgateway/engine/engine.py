"""The engine's face: one method for each call of the gateway, and time.

    engine = Engine(time.time)
    engine.deploy_resources([("order.bpmn", content)])
    created = engine.create_process_instance("order", variables='{"id": 1}')
    [job] = engine.activate_jobs("charge-card", "me", timeout=60_000, max_jobs=1)
    engine.complete_job(job.key, '{"paid": true}')

Each method does at once all that follows from it. What is due later is done by `advance`, which is
to be called when the instant of `next_due` has come. Variables are JSON texts; times milliseconds.
A command that is refused raises Rejection, with the gRPC status and text of a real gateway.
"""

from __future__ import annotations

from collections.abc import Sequence

from .decisions import DecisionOutcome
from .documents import read_document
from .instance_commands import InstanceCommands
from .job_commands import JobCommands
from .jobs import AvailableListener
from .records import RecordLog
from .views import Deployment

VERSION = "8.6.0"


class Engine(JobCommands, InstanceCommands):
    """A Zeebe-compatible engine in memory: no I/O, one thread, no clock but the one it is given.

    Args:
        now: the time in seconds since the epoch.
        log_limit: how many records the log keeps, the newest; None for all.
    """

    # -- time and what others want to know

    @property
    def log(self) -> RecordLog:
        """What was asked, what happened, what was refused."""
        return self._core.log

    @property
    def on_jobs_available(self) -> AvailableListener | None:
        """Called with a type and keys when jobs have become activatable, after each command."""
        return self._core.jobs.on_available

    @on_jobs_available.setter
    def on_jobs_available(self, listener: AvailableListener | None) -> None:
        self._core.jobs.on_available = listener

    def next_due(self) -> int | None:
        """The instant (epoch ms) at which `advance` has something to do; None for never."""
        if self._core.has_more:
            return self._core.time
        return self._core.agenda.next_due()

    def advance(self) -> None:
        """Do what is due by now: timers, deadlines and backoffs of jobs, messages that expire."""
        core = self._core
        core.tick()
        core.run()
        while not core.has_more and (action := core.agenda.take(core.time)):
            action()
            core.run()

    # -- deployments

    def deploy_resources(self, resources: Sequence[tuple[str, bytes]]) -> Deployment:
        """DeployResource: files by name and content."""
        value = {"resources": [name for name, _ in resources]}
        with self._command("DEPLOYMENT", "CREATE", -1, value):
            return self._core.deployments.deploy(resources)

    def delete_resource(self, key: int) -> None:
        """DeleteResource: a process, a DMN file or a form by its key."""
        with self._command("RESOURCE_DELETION", "DELETE", -1, {"resourceKey": key}):
            self._core.deployments.delete(key)

    # -- messages, signals, decisions

    def publish_message(
        self,
        name: str,
        correlation_key: str,
        *,
        time_to_live: int = 0,
        message_id: str = "",
        variables: str = "",
    ) -> int:
        """PublishMessage; returns the message's key."""
        document = read_document(variables)
        value = {"name": name, "correlationKey": correlation_key, "messageId": message_id}
        with self._command("MESSAGE", "PUBLISH", -1, value):
            return self._core.messages.publish(
                name, correlation_key, time_to_live, message_id, document
            )

    def broadcast_signal(self, name: str, variables: str = "") -> int:
        """BroadcastSignal; returns the signal's key."""
        document = read_document(variables)
        with self._command("SIGNAL", "BROADCAST", -1, {"signalName": name}):
            return self._core.signals.broadcast(name, document)

    def evaluate_decision(
        self, decision_id: str = "", *, decision_key: int = 0, variables: str = ""
    ) -> DecisionOutcome:
        """EvaluateDecision: by id, or by key if no id is given."""
        document = read_document(variables)
        value = {"decisionId": decision_id, "decisionKey": decision_key}
        with self._command("DECISION_EVALUATION", "EVALUATE", -1, value):
            decision = self._core.decisions.find(decision_id, decision_key)
            return self._core.decisions.evaluate(decision, document, None)
