"""The gateway's RPCs about messages, signals, conditions and decisions."""

from __future__ import annotations

from typing import Any

from zbtrio import gateway
from zbtrio._proto import gateway_protocol as proto
from zbtrio.client.calls import Caller, milliseconds
from zbtrio.client.results import DecisionResult
from zbtrio.client.retry import ONCE, OVERWRITING

TIME_TO_LIVE = 3600.0
"""Seconds that a message waits for its process instance, where a call doesn't say."""


class MessageCalls(Caller):
    """Tell process instances that something has happened; have decisions evaluated."""

    async def publish_message(
        self,
        name: str,
        correlation_key: str,
        variables: Any = None,
        *,
        time_to_live: float = TIME_TO_LIVE,
        message_id: str = "",
        business_id: str | None = None,
        tenant_id: str | None = None,
        timeout: float | None = None,
    ) -> proto.PublishMessageResponse:
        """Publish a message for the process instance that waits for it, or will.

        With a message_id it can be sent again without harm, and is after a lost answer; without
        one it is never sent twice.

        Args:
            name: the message's name in the model.
            correlation_key: which instance it is for; may be empty for a start event.
            variables: given to the instance.
            time_to_live: seconds that the broker keeps it for an instance still to come; 0: not.
            message_id: refuses another message of this id while this one is kept.
            business_id: given to an instance that it starts (8.10).
            tenant_id: None: the setting default_tenant_id.
            timeout: seconds with all retries.

        Raises:
            AlreadyExists: a message with this id is kept; after a retry it may be this very one.
            VariablesError: the variables can't be JSON.
            OutcomeUnknown: the answer was lost.

        RPC: PublishMessage.
        """
        request = proto.PublishMessageRequest(
            name=name,
            correlation_key=correlation_key,
            time_to_live=milliseconds(time_to_live),
            message_id=message_id,
            variables=self.to_json(variables),
            tenant_id=self.tenant(tenant_id),
            business_id=business_id,
        )
        rule = OVERWRITING if message_id else ONCE
        return await self.call(gateway.PUBLISH_MESSAGE, request, timeout=timeout, rule=rule)

    async def broadcast_signal(
        self,
        signal_name: str,
        variables: Any = None,
        *,
        tenant_id: str | None = None,
        timeout: float | None = None,
    ) -> proto.BroadcastSignalResponse:
        """Send a signal to all process instances that wait for it now. It is never sent twice.

        Args:
            variables: given to each of them.
            tenant_id: None: the setting default_tenant_id.
            timeout: seconds with all retries.

        Raises:
            VariablesError: the variables can't be JSON.
            OutcomeUnknown: the answer was lost.

        RPC: BroadcastSignal.
        """
        request = proto.BroadcastSignalRequest(
            signal_name=signal_name,
            variables=self.to_json(variables),
            tenant_id=self.tenant(tenant_id),
        )
        return await self.call(gateway.BROADCAST_SIGNAL, request, timeout=timeout)

    async def evaluate_conditional(
        self,
        variables: Any = None,
        *,
        process_definition_key: int | None = None,
        tenant_id: str | None = None,
        timeout: float | None = None,
    ) -> proto.EvaluateConditionalResponse:
        """Start an instance of each process whose conditional start event these variables fulfil.

        Args:
            variables: what the conditions see, and the instances' first variables.
            process_definition_key: only this process; None: all.
            tenant_id: None: the setting default_tenant_id.
            timeout: seconds with all retries.

        Raises:
            Unimplemented: the gateway is older than 8.9.
            VariablesError: the variables can't be JSON.
            OutcomeUnknown: the answer was lost; it is not sent again.

        RPC: EvaluateConditional.
        """
        request = proto.EvaluateConditionalRequest(
            tenant_id=self.tenant(tenant_id),
            process_definition_key=process_definition_key,
            variables=self.to_json(variables),
        )
        return await self.call(gateway.EVALUATE_CONDITIONAL, request, timeout=timeout)

    async def evaluate_decision(
        self,
        decision_id: str = "",
        variables: Any = None,
        *,
        decision_key: int = 0,
        tenant_id: str | None = None,
        timeout: float | None = None,
    ) -> DecisionResult:
        """Evaluate a decision that was deployed (DMN).

        A decision that fails is no error of the call: see the result's failure_message.

        Args:
            decision_id: the latest version of the decision with this id; or give decision_key.
            variables: the decision's inputs.
            tenant_id: None: the setting default_tenant_id.
            timeout: seconds with all retries.

        Raises:
            InvalidArgument: no such decision, or neither id nor key.
            VariablesError: the variables can't be JSON.

        RPC: EvaluateDecision.
        """
        request = proto.EvaluateDecisionRequest(
            decision_key=decision_key,
            decision_id=decision_id,
            variables=self.to_json(variables),
            tenant_id=self.tenant(tenant_id),
        )
        message = await self.call(gateway.EVALUATE_DECISION, request, timeout=timeout)
        return DecisionResult.from_message(message)
