"""Small processes and a decision for tests on a real broker."""

_BPMN = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions"
    targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:message id="paid" name="client-paid">
    <bpmn:extensionElements>
      <zeebe:subscription correlationKey="=orderId" />
    </bpmn:extensionElements>
  </bpmn:message>
  <bpmn:signal id="stop" name="client-stop" />
  <bpmn:error id="declined" name="declined" errorCode="DECLINED" />
  <bpmn:process id="{id}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>f1</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="work" />
{body}
    <bpmn:endEvent id="end"><bpmn:incoming>f2</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>
"""

_TASK = """
    <bpmn:serviceTask id="work" name="Work">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="{type}" retries="3" />
        <zeebe:taskHeaders><zeebe:header key="h" value="v" /></zeebe:taskHeaders>
      </bpmn:extensionElements>
      <bpmn:incoming>f1</bpmn:incoming>
      <bpmn:outgoing>f2</bpmn:outgoing>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="f2" sourceRef="work" targetRef="end" />
    <bpmn:boundaryEvent id="caught" attachedToRef="work">
      <bpmn:outgoing>f3</bpmn:outgoing>
      <bpmn:errorEventDefinition errorRef="declined" />
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="f3" sourceRef="caught" targetRef="end" />
"""

_CATCH = """
    <bpmn:intermediateCatchEvent id="work">
      <bpmn:incoming>f1</bpmn:incoming>
      <bpmn:outgoing>f2</bpmn:outgoing>
      <bpmn:{kind}EventDefinition {kind}Ref="{ref}" />
    </bpmn:intermediateCatchEvent>
    <bpmn:sequenceFlow id="f2" sourceRef="work" targetRef="end" />
"""

DECISION = b"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="client_dishes"
    name="Dishes" namespace="http://camunda.org/schema/1.0/dmn">
  <decision id="client_dish" name="Dish">
    <variable id="v" name="dish" />
    <literalExpression id="e"><text>"soup for " + name</text></literalExpression>
  </decision>
</definitions>
"""


def task(process_id: str, job_type: str) -> tuple[str, bytes]:
    """A process of one service task, which a BPMN error DECLINED leaves to the end."""
    return _resource(process_id, _TASK.format(type=job_type))


def message_catch(process_id: str) -> tuple[str, bytes]:
    """A process that waits for the message client-paid of its orderId."""
    return _resource(process_id, _CATCH.format(kind="message", ref="paid"))


def signal_catch(process_id: str) -> tuple[str, bytes]:
    """A process that waits for the signal client-stop."""
    return _resource(process_id, _CATCH.format(kind="signal", ref="stop"))


def _resource(process_id: str, body: str) -> tuple[str, bytes]:
    return f"{process_id}.bpmn", _BPMN.format(id=process_id, body=body).encode()
