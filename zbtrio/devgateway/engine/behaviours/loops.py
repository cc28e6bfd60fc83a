"""Multi-instance: a body around an activity that is repeated for each item of a collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from zbtrio.devgateway.engine.evaluation import EvaluationError
from zbtrio.devgateway.engine.model.elements import Loop
from zbtrio.devgateway.engine.state import TERMINATING, ElementInstance, LoopState
from zbtrio.devgateway.engine.variables import ScopeView

from .base import Behaviour


class MultiInstanceBody(Behaviour):
    """Begins the activity for all items at once or for one after another."""

    # -- the body

    def activate(self, instance: ElementInstance) -> None:
        loop = _loop(instance)
        try:
            items = self.core.evaluator.array(loop.collection, ScopeView(instance))
        except EvaluationError as error:
            raise self.extracting(error) from None
        instance.loop = LoopState(items)

    def activated(self, instance: ElementInstance) -> None:
        loop, state = _loop(instance), _state(instance)
        self.core.subscriptions.open(instance, instance.element.boundaries)
        self.core.lifecycle.activated(instance)
        if loop.output_collection:
            empty = [None] * len(state.items)
            self.core.variables.set_local(instance, loop.output_collection, empty)
        if not state.items:
            self.core.lifecycle.complete(instance)
        elif loop.sequential:
            self._begin_next(instance)
        else:
            self._begin_all(instance)

    def _begin_all(self, instance: ElementInstance) -> None:
        state = _state(instance)
        value = {
            "batchElementInstanceKey": instance.key,
            "processInstanceKey": instance.root.key,
            "index": len(state.items),
        }
        key = self.core.next_key()
        self.core.queue(
            "PROCESS_INSTANCE_BATCH", "ACTIVATE", key, value, self._begin_batch, instance
        )

    def _begin_batch(self, instance: ElementInstance) -> None:
        for _ in _state(instance).items if instance.is_active else ():
            self._begin_next(instance)

    def _begin_next(self, instance: ElementInstance) -> None:
        state, inner = _state(instance), instance.element.inner
        assert inner is not None
        state.created += 1
        self.core.lifecycle.activate(inner, instance, counter=state.created)

    def complete(self, instance: ElementInstance) -> None:
        collection = _loop(instance).output_collection
        if collection:
            value = instance.variables[collection].value
            self.core.variables.merge(instance.around, {collection: value})
        self.core.subscriptions.close(instance)

    def completed(self, instance: ElementInstance) -> None:
        self.finish_activity(instance)

    def terminate(self, instance: ElementInstance) -> None:
        self.core.subscriptions.close(instance)
        if not self.core.lifecycle.terminate_children(instance):
            self.core.lifecycle.terminated(instance)

    # -- its children

    def child_activating(self, scope: ElementInstance, child: ElementInstance) -> None:
        loop, state, variables = _loop(scope), _state(scope), self.core.variables
        if loop.element:
            variables.set_local(child, loop.element, state.items[child.loop_counter - 1])
        output = loop.output_element.variable_name if loop.output_element else None
        if output and output != loop.element:
            variables.set_local(child, output, None)
        variables.set_local(child, "loopCounter", child.loop_counter)

    def child_completing(self, scope: ElementInstance, child: ElementInstance) -> None:
        loop, state = _loop(scope), _state(scope)
        try:
            if loop.output_element is not None:
                self._collect(scope, child, loop)
            if loop.completion is not None:
                counted = _Counted(ScopeView(child), scope, state)
                state.ended = self.core.evaluator.boolean(loop.completion, counted)
        except EvaluationError as error:
            raise self.extracting(error) from None

    def _collect(self, scope: ElementInstance, child: ElementInstance, loop: Loop) -> None:
        assert loop.output_element is not None
        value = self.core.evaluator.value(loop.output_element, ScopeView(child))
        collection = scope.variables[loop.output_collection].value
        results = [*cast("list[object]", collection)] if isinstance(collection, list) else []
        if child.loop_counter <= len(results):
            results[child.loop_counter - 1] = value
            self.core.variables.set_local(scope, loop.output_collection, results)

    def path_ended(self, scope: ElementInstance, child: ElementInstance) -> None:
        state = _state(scope)
        state.completed += 1
        if state.ended:
            if not self.core.lifecycle.terminate_children(scope):
                self.core.lifecycle.complete(scope)
        elif _loop(scope).sequential and state.created < len(state.items):
            self._begin_next(scope)
        elif not scope.children:
            self.core.lifecycle.complete(scope)

    def child_terminated(self, scope: ElementInstance, child: ElementInstance) -> None:
        state = _state(scope)
        state.terminated += 1
        if scope.children:
            return
        if scope.state == TERMINATING:
            self.core.lifecycle.terminated(scope)
        elif state.ended:
            self.core.lifecycle.complete(scope)


class _Counted(Mapping[str, object]):
    """What a completion condition sees: an instance's variables, and how far the loop has come."""

    def __init__(self, view: ScopeView, scope: ElementInstance, state: LoopState) -> None:
        self._view = view
        self._counts = {
            "numberOfInstances": len(state.items),
            "numberOfActiveInstances": len(scope.children) - 1,
            "numberOfCompletedInstances": state.completed + 1,
            "numberOfTerminatedInstances": state.terminated,
        }

    def __getitem__(self, name: str) -> object:
        return self._counts[name] if name in self._counts else self._view[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**dict.fromkeys(self._view), **dict.fromkeys(self._counts)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _loop(body: ElementInstance) -> Loop:
    assert body.element.loop is not None
    return body.element.loop


def _state(body: ElementInstance) -> LoopState:
    assert body.loop is not None
    return body.loop
