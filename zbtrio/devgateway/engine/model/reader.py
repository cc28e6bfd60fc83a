"""From a BPMN file's nodes to processes; the file has passed `validation`: nothing is missing."""

from __future__ import annotations

from zbtrio.devgateway import feel

from .elements import (
    CalledDecision,
    CalledProcess,
    Code,
    Element,
    Flow,
    Listener,
    Loop,
    MessageDefinition,
    Process,
    Script,
    Source,
    TimerDefinition,
    UserTask,
    Work,
)
from .mappings import input_mappings, output_mappings
from .xml import Node

DEFAULT_RETRIES = "3"
USER_TASK_JOB = "io.camunda.zeebe:userTask"
TYPES = {
    "startEvent": "START_EVENT",
    "endEvent": "END_EVENT",
    "intermediateCatchEvent": "INTERMEDIATE_CATCH_EVENT",
    "intermediateThrowEvent": "INTERMEDIATE_THROW_EVENT",
    "boundaryEvent": "BOUNDARY_EVENT",
    "task": "TASK",
    "manualTask": "MANUAL_TASK",
    "serviceTask": "SERVICE_TASK",
    "sendTask": "SEND_TASK",
    "scriptTask": "SCRIPT_TASK",
    "businessRuleTask": "BUSINESS_RULE_TASK",
    "userTask": "USER_TASK",
    "receiveTask": "RECEIVE_TASK",
    "callActivity": "CALL_ACTIVITY",
    "subProcess": "SUB_PROCESS",
    "exclusiveGateway": "EXCLUSIVE_GATEWAY",
    "parallelGateway": "PARALLEL_GATEWAY",
    "inclusiveGateway": "INCLUSIVE_GATEWAY",
    "eventBasedGateway": "EVENT_BASED_GATEWAY",
}
EVENTS = frozenset(tag for tag in TYPES if tag.endswith("Event"))
ACTIVITIES = frozenset(tag for tag in TYPES if not tag.endswith(("Event", "Gateway")))
EVENT_DEFINITIONS = {
    "messageEventDefinition": "MESSAGE",
    "timerEventDefinition": "TIMER",
    "errorEventDefinition": "ERROR",
    "signalEventDefinition": "SIGNAL",
    "escalationEventDefinition": "ESCALATION",
    "terminateEventDefinition": "TERMINATE",
    "linkEventDefinition": "LINK",
    "compensateEventDefinition": "COMPENSATION",
}


def read_processes(definitions: Node) -> list[Process]:
    """The executable processes of a file."""
    shared = {node.id: node for node in definitions.children if node.id}
    return [_Reader(node, shared).read() for node in executable_processes(definitions)]


def executable_processes(definitions: Node) -> list[Node]:
    """The processes with isExecutable."""
    return [p for p in definitions.all("process") if p.get("isExecutable") == "true"]


def event_definition(node: Node) -> Node | None:
    """What makes an event one of its kind."""
    return next((child for child in node.children if child.tag in EVENT_DEFINITIONS), None)


class _Reader:
    """Reads one process: its elements, then its flows, then what links elements to each other."""

    def __init__(self, node: Node, shared: dict[str, Node]) -> None:
        self._node = node
        self._shared = shared
        self._elements: dict[str, Element] = {}
        self._flows: dict[str, Flow] = {}
        self._nodes: list[tuple[Node, Element]] = []

    def read(self) -> Process:
        root = Element(self._node.id, "PROCESS")
        self._listeners(self._node, root)
        self._elements[root.id] = root
        self._children(self._node, root)
        self._read_flows(self._node)
        for node, element in self._nodes:
            self._link(node, element)
        self._associate(self._node)
        tag = self._node.extension("versionTag")
        return Process(root, self._elements, self._flows, tag.get("value") if tag else "")

    # -- elements

    def _children(self, node: Node, container: Element) -> None:
        for child in node.children:
            if child.tag in TYPES:
                element = self._element(child, container)
                container.children.append(element)

    def _element(self, node: Node, container: Element) -> Element:
        loop = node.first("multiInstanceLoopCharacteristics")
        if loop is None:
            element = self._activity(node, container)
            self._elements[node.id] = element
            return element
        body = Element(node.id, "MULTI_INSTANCE_BODY", container=container, loop=_loop(loop))
        body.inner = self._activity(node, body)
        body.is_compensation_handler = body.inner.is_compensation_handler
        body.inner.is_compensation_handler = False
        self._elements[node.id] = body
        return body

    def _activity(self, node: Node, container: Element) -> Element:
        element = Element(node.id, TYPES[node.tag], container=container)
        element.inputs = input_mappings(node)
        element.outputs = output_mappings(node)
        element.is_compensation_handler = node.get("isForCompensation") == "true"
        self._listeners(node, element)
        self._nodes.append((node, element))
        if node.tag in EVENTS:
            self._event(node, element)
        elif node.tag == "subProcess":
            if node.get("triggeredByEvent") == "true":
                element.type = "EVENT_SUB_PROCESS"
            self._children(node, element)
        else:
            self._task(node, element)
        return element

    def _task(self, node: Node, element: Element) -> None:
        element.work = _work(node)
        if node.tag == "userTask":
            element.user_task = _user_task(node)
            if not element.user_task.native:
                retries = feel.Static("1")
                element.work = Work(feel.Static(USER_TASK_JOB), retries, _headers(node))
        elif node.tag == "receiveTask":
            element.message = self._message(node)
            element.catches.append(element)
        elif script := node.extension("script"):
            expression = feel.parse_zeebe(script.get("expression"))
            element.script = Script(expression, script.get("resultVariable"))
        elif decision := node.extension("calledDecision"):
            source = feel.parse_zeebe(decision.get("decisionId"))
            element.decision = CalledDecision(source, decision.get("resultVariable"))
        elif called := node.extension("calledElement"):
            element.call = _called_process(called)

    def _event(self, node: Node, element: Element) -> None:
        definition = event_definition(node)
        element.work = _work(node)
        element.event_type = EVENT_DEFINITIONS[definition.tag] if definition else "NONE"
        if node.tag == "boundaryEvent":
            element.interrupting = node.get("cancelActivity") != "false"
        elif node.tag == "startEvent":
            element.interrupting = node.get("isInterrupting") != "false"
        if definition is not None:
            self._event_part(definition, element)
        catching = element.event_type in ("MESSAGE", "TIMER", "SIGNAL")
        if node.tag == "intermediateCatchEvent" and catching:
            element.catches.append(element)

    def _event_part(self, definition: Node, element: Element) -> None:
        kind = element.event_type
        if kind == "MESSAGE":
            element.message = self._message(definition)
        elif kind == "TIMER":
            element.timer = _timer(definition)
        elif kind == "SIGNAL":
            signal = self._shared[definition.get("signalRef")]
            element.signal = feel.parse_zeebe(signal.get("name"))
        elif kind == "ERROR":
            element.error = self._code(definition.get("errorRef"), "errorCode")
        elif kind == "ESCALATION":
            element.escalation = self._code(definition.get("escalationRef"), "escalationCode")
        elif kind == "COMPENSATION":
            element.is_compensation = True
            element.compensates = definition.get("activityRef")
        element.terminates = kind == "TERMINATE"

    def _message(self, node: Node) -> MessageDefinition:
        message = self._shared[node.get("messageRef")]
        subscription = message.extension("subscription")
        key = feel.parse_zeebe(subscription.get("correlationKey")) if subscription else None
        return MessageDefinition(feel.parse_zeebe(message.get("name")), key)

    def _code(self, ref: str, attribute: str) -> Code:
        node = self._shared.get(ref)
        text = node.get(attribute) if node else ""
        return Code(feel.parse_zeebe(text) if text else None)

    def _listeners(self, node: Node, element: Element) -> None:
        around = node.extension("executionListeners")
        for child in around.all("zeebe:executionListener") if around else ():
            retries = feel.parse_zeebe(child.get("retries") or DEFAULT_RETRIES)
            listener = Listener(feel.parse_zeebe(child.get("type")), retries)
            starts = child.get("eventType") == "start"
            (element.start_listeners if starts else element.end_listeners).append(listener)

    # -- flows and links

    def _read_flows(self, node: Node) -> None:
        for child in reversed(node.children):  # outgoing flows are taken last first
            if child.tag == "sequenceFlow":
                source = self._elements[child.get("sourceRef")]
                target = self._elements[child.get("targetRef")]
                condition = child.first("conditionExpression")
                parsed = feel.parse_zeebe(condition.text) if condition else None
                flow = self._flows[child.id] = Flow(child.id, source, target, parsed)
                source.outgoing.append(flow)
                target.incoming.append(flow)
            elif child.tag == "subProcess":
                self._read_flows(child)

    def _link(self, node: Node, element: Element) -> None:
        if node.tag == "boundaryEvent":
            attached = element.attached_to = self._elements[node.get("attachedToRef")]
            attached.boundaries.append(element)
        elif node.tag == "startEvent":
            self._link_start(element)
        elif node.tag == "eventBasedGateway":
            element.catches.extend(flow.target for flow in element.outgoing)
            for event in element.catches:
                event.after_event_gateway = True
        elif node.tag == "intermediateThrowEvent" and element.event_type == "LINK":
            element.link = self._link_target(node, element)
        if default := node.get("default"):
            element.default = self._flows[default]

    def _link_start(self, element: Element) -> None:
        scope = element.scope
        scope.starts.append(element)
        if scope.type == "EVENT_SUB_PROCESS":
            scope.scope.event_starts.append(element)

    def _link_target(self, node: Node, element: Element) -> Element:
        name = _link_name(node)
        return next(
            other
            for catch, other in self._nodes
            if catch.tag == "intermediateCatchEvent"
            and other.event_type == "LINK"
            and other.container is element.container
            and _link_name(catch) == name
        )

    def _associate(self, node: Node) -> None:
        for association in (child for child in node.walk() if child.tag == "association"):
            source = self._elements.get(association.get("sourceRef"))
            target = self._elements.get(association.get("targetRef"))
            if source and target and source.is_compensation and source.attached_to:
                source.attached_to.compensation_handler = target


def _link_name(node: Node) -> str:
    definition = event_definition(node)
    return definition.get("name") if definition else ""


def _work(node: Node) -> Work | None:
    definition = node.extension("taskDefinition")
    if definition is None:
        return None
    retries = feel.parse_zeebe(definition.get("retries") or DEFAULT_RETRIES)
    return Work(feel.parse_zeebe(definition.get("type")), retries, _headers(node))


def _headers(node: Node) -> dict[str, str]:
    around = node.extension("taskHeaders")
    given = around.all("zeebe:header") if around else ()
    return {h.get("key"): h.get("value") for h in given if h.get("key") and h.get("value")}


def _timer(definition: Node) -> TimerDefinition:
    for kind in ("timeDuration", "timeDate", "timeCycle"):
        if child := definition.first(kind):
            return TimerDefinition(kind, feel.parse_zeebe(child.text))
    raise AssertionError("a timer of no kind passed the validation")


def _loop(node: Node) -> Loop:
    marks = node.extension("loopCharacteristics")
    assert marks is not None  # validated
    condition = node.first("completionCondition")
    return Loop(
        sequential=node.get("isSequential") == "true",
        collection=feel.parse_zeebe(marks.get("inputCollection")),
        element=marks.get("inputElement"),
        output_collection=marks.get("outputCollection"),
        output_element=_expression(marks.get("outputElement")),
        completion=_expression(condition.text) if condition else None,
    )


def _expression(text: str) -> feel.Expression | None:
    return feel.parse_expression(text[1:]) if text else None


def _called_process(node: Node) -> CalledProcess:
    return CalledProcess(
        process=feel.parse_zeebe(node.get("processId")),
        parent_variables=node.get("propagateAllParentVariables") != "false",
        child_variables=node.get("propagateAllChildVariables") != "false",
        binding=node.get("bindingType") or "latest",
        version_tag=node.get("versionTag"),
    )


def _user_task(node: Node) -> UserTask:
    assignment = node.extension("assignmentDefinition")
    schedule = node.extension("taskSchedule")
    form = node.extension("formDefinition")
    form_id = form.get("formId") if form else ""
    return UserTask(
        native=node.extension("userTask") is not None,
        texts=_sources(assignment, "assignee"),
        lists=_sources(assignment, "candidateGroups", "candidateUsers"),
        dates=_sources(schedule, "dueDate", "followUpDate"),
        form_key=form.get("formKey") if form else "",
        form=feel.parse_zeebe(form_id) if form_id else None,
    )


def _sources(node: Node | None, *names: str) -> dict[str, Source]:
    return {name: feel.parse_zeebe(node.get(name)) for name in names if node and node.get(name)}
