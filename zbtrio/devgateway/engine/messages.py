"""Messages: published, kept for their time to live, and correlated to what waits for them.

Zeebe keeps two sides of a subscription, on the partitions of the process and of the message, which
tell each other by commands. Here is one subscription; the commands and events are those of both
sides, in Zeebe's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .documents import Document
from .message_starts import MessageStarts
from .model.elements import Element
from .rejection import rejected
from .state import ElementInstance
from .waiting import Message, MessageSubscription

if TYPE_CHECKING:
    from .core import Core

Address: TypeAlias = tuple[str, str]  # a message's name and correlation key

_PROCESS = "PROCESS_MESSAGE_SUBSCRIPTION"
_MESSAGE = "MESSAGE_SUBSCRIPTION"


class Messages:
    """Messages that are kept, and who waits for which."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._kept: dict[Address, list[Message]] = {}
        self._waiting: dict[Address, list[MessageSubscription]] = {}
        self.starts = MessageStarts(core, self)

    # -- publishing

    def publish(
        self, name: str, correlation_key: str, time_to_live: int, id: str, variables: Document
    ) -> int:
        """Take a message in; returns its key, raises Rejection."""
        address = (name, correlation_key)
        if id and any(message.id == id for message in self._kept.get(address, ())):
            reason = f"a new message with id '{id}', but a message with that id was already"
            raise rejected("PUBLISH", "ALREADY_EXISTS", f"Expected to publish {reason} published")
        key, deadline = self._core.next_key(), self._core.time + time_to_live
        message = Message(key, name, correlation_key, id, variables, time_to_live, deadline)
        self._core.log.event("MESSAGE", "PUBLISHED", key, message.value())
        self._kept.setdefault(address, []).append(message)
        reached = self._correlate_waiting(message)
        self.starts.correlate(message)
        for subscription in reached:
            self._send(subscription)
        if time_to_live <= 0:
            self._expire(message)
        else:
            message.entry = self._core.agenda.add(deadline, lambda: self._expire(message))
        return key

    def _correlate_waiting(self, message: Message) -> list[MessageSubscription]:
        """Mark the subscriptions that a message goes to: one of each process."""
        reached: list[MessageSubscription] = []
        for subscription in self._waiting.get((message.name, message.correlation_key), ()):
            process = subscription.instance.definition.id
            if subscription.correlating is None and process not in message.correlated:
                self._mark(subscription, message)
                reached.append(subscription)
        return reached

    def _expire(self, message: Message) -> None:
        address = (message.name, message.correlation_key)
        kept = self._kept[address]
        kept.remove(message)
        if not kept:
            del self._kept[address]
        self._core.log.event("MESSAGE", "EXPIRED", message.key, message.value())

    def kept(self, name: str, correlation_key: str) -> list[Message]:
        """The messages that are waiting under a name and key, oldest first."""
        return self._kept.get((name, correlation_key), [])

    # -- subscriptions

    def open(self, instance: ElementInstance, event: Element, name: str, key: str) -> None:
        """An element instance waits for a message."""
        core = self._core
        interrupting = event.interrupting
        subscription = MessageSubscription(
            core.next_key(), -1, name, key, event, instance, interrupting
        )
        instance.waits.append(subscription)
        self._event(_PROCESS, "CREATING", subscription)
        self._command(_MESSAGE, "CREATE", subscription, self._opened)

    def _opened(self, subscription: MessageSubscription) -> None:
        subscription.message_key = self._core.next_key()
        self._event(_MESSAGE, "CREATED", subscription)
        if subscription.closed:
            return
        address = (subscription.name, subscription.correlation_key)
        self._waiting.setdefault(address, []).append(subscription)
        if not self._correlate_kept(subscription):
            self._command(_PROCESS, "CREATE", subscription, self._confirmed)

    def _confirmed(self, subscription: MessageSubscription) -> None:
        self._event(_PROCESS, "CREATED", subscription)

    def _correlate_kept(self, subscription: MessageSubscription) -> bool:
        """Give a subscription the oldest message that its process has not had."""
        process = subscription.instance.definition.id
        for message in self.kept(subscription.name, subscription.correlation_key):
            if process not in message.correlated and message.deadline > self._core.time:
                self._mark(subscription, message)
                self._send(subscription)
                return True
        return False

    def close(self, subscription: MessageSubscription) -> None:
        """Nobody waits here any more."""
        subscription.closed = True
        waiting = self._waiting.get((subscription.name, subscription.correlation_key), [])
        if subscription in waiting:
            waiting.remove(subscription)
        self._event(_PROCESS, "DELETING", subscription)
        self._command(_MESSAGE, "DELETE", subscription, self._deleted)

    def migrated(self, subscription: MessageSubscription) -> None:
        """What waits belongs to another definition now."""
        self._event(_PROCESS, "MIGRATED", subscription)
        self._command(_MESSAGE, "MIGRATE", subscription, self._moved)

    def _moved(self, subscription: MessageSubscription) -> None:
        self._event(_MESSAGE, "MIGRATED", subscription)

    def _deleted(self, subscription: MessageSubscription) -> None:
        self._event(_MESSAGE, "DELETED", subscription)
        self._command(_PROCESS, "DELETE", subscription, self._forgotten)

    def _forgotten(self, subscription: MessageSubscription) -> None:
        self._event(_PROCESS, "DELETED", subscription)

    # -- correlating

    def _mark(self, subscription: MessageSubscription, message: Message) -> None:
        subscription.correlating = message
        message.correlated.add(subscription.instance.definition.id)
        self._event(_MESSAGE, "CORRELATING", subscription)

    def _send(self, subscription: MessageSubscription) -> None:
        self._command(_PROCESS, "CORRELATE", subscription, self._arrived)

    def _arrived(self, subscription: MessageSubscription) -> None:
        instance, event = subscription.instance, subscription.element
        message = subscription.correlating
        assert message is not None  # it was marked before it was sent
        if subscription.closed or not self._core.events.can_trigger(instance, event):
            self._refused(subscription, message)
            return
        self._event(_PROCESS, "CORRELATED", subscription)
        if subscription.interrupting:
            subscription.closed = True
            instance.waits.remove(subscription)
        self._core.events.trigger(instance, event, message.variables)
        self._command(_MESSAGE, "CORRELATE", subscription, self._done)

    def _done(self, subscription: MessageSubscription) -> None:
        self._event(_MESSAGE, "CORRELATED", subscription)
        subscription.correlating = None
        if subscription.closed:
            address = (subscription.name, subscription.correlation_key)
            waiting = self._waiting.get(address, [])
            if subscription in waiting:
                waiting.remove(subscription)
        else:
            self._correlate_kept(subscription)

    def _refused(self, subscription: MessageSubscription, message: Message) -> None:
        """What waited is gone: the message may go to another instance of the process."""
        reason = "INVALID_STATE: Expected to correlate to an active element instance"
        self._core.log.rejection(
            _PROCESS, "CORRELATE", subscription.key, subscription.value(), reason
        )
        subscription.correlating = None
        message.correlated.discard(subscription.instance.definition.id)
        for other in self._correlate_waiting(message):
            self._send(other)

    # -- records

    def _event(self, side: str, intent: str, subscription: MessageSubscription) -> None:
        key = subscription.key if side == _PROCESS else subscription.message_key
        self._core.log.event(side, intent, key, subscription.value())

    def _command(
        self,
        side: str,
        intent: str,
        subscription: MessageSubscription,
        step: Callable[[MessageSubscription], None],
    ) -> None:
        self._core.queue(side, intent, -1, subscription.value(), step, subscription)
