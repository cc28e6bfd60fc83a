"""Whether a broker takes work: asked on its management port, so that no client is needed."""

from zbtrio import http1
from zbtrio.broker.metrics import parse_metrics

LEADER = 3.0
"""What the metric of roles says for a leader."""


async def is_ready(management: str, partitions: int) -> bool:
    """Whether the broker at `management` ("http://127.0.0.1:9600") can take commands.

    It says so itself (`/ready`), and its gateway, whose view of the cluster may come later, knows
    a leader of each partition.
    """
    try:
        health = await http1.request("GET", f"{management}/actuator/health/readiness")
        if health.status not in (200, 204):
            return False
        answer = await http1.request("GET", f"{management}/actuator/prometheus")
    except OSError:
        return False
    if answer.status != 200:
        return False
    roles = parse_metrics(answer.body.decode()).samples("zeebe_gateway_topology_partition_roles")
    return len({each.labels["partition"] for each in roles if each.value == LEADER}) >= partitions
