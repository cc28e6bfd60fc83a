"""The environment of a broker's process, which is how Zeebe is configured.

Every listening socket is bound to the loopback interface. One can't be: cluster membership binds
a UDP socket to all interfaces, and Zeebe has no setting for it. It drops whatever does not begin
with a number made from the cluster's id, so each broker gets an id that nobody can guess.

What the starting process has in its own environment for Zeebe, Camunda or Spring stays out: it is
meant for clients, may be secret, and would change the broker.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from attrs import Factory, frozen

from zbtrio.broker.java import Java
from zbtrio.broker.ports import HOST, Ports

_KEPT_OUT = (
    "ATOMIX_",
    "CAMUNDA_",
    "JAVA_",
    "JDK_",
    "LOG4J_",
    "LOGGING_",
    "MANAGEMENT_",
    "SERVER_",
    "SPRING_",
    "ZBTRIO_",
    "ZEEBE_",
)

# Zeebe's own configuration writes a second log into the distribution, which brokers share.
_LOGGING = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN" shutdownHook="disable">
  <Appenders>
    <Console name="console" target="SYSTEM_OUT">
      <PatternLayout pattern="%d{yyyy-MM-dd HH:mm:ss.SSS} %-5level %logger{1} - %msg%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Root level="info"><AppenderRef ref="console"/></Root>
  </Loggers>
</Configuration>
"""


@frozen
class Home:
    """The folder of one broker, with what it keeps and what it needs to run."""

    folder: Path

    @property
    def log(self) -> Path:
        """What the broker writes."""
        return self.folder / "broker.log"

    @property
    def scratch(self) -> Path:
        """For the files that Java and its libraries unpack and mostly never remove."""
        return self.folder / "tmp"

    @property
    def _logging(self) -> Path:
        return self.folder / "log4j2.xml"

    def prepare(self) -> None:
        """Make the folder and its files."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._logging.write_text(_LOGGING)

    def variables(self) -> dict[str, str]:
        """What the broker must know of it. Paths may hold blanks, which JAVA_OPTS may not."""
        return {
            "ZEEBE_BROKER_DATA_DIRECTORY": str(self.folder / "zeebe"),
            "ZEEBE_BROKER_CLUSTER_CLUSTERID": self._cluster_id(),
            "LOG4J_CONFIGURATION_FILE": str(self._logging),
            "LOGGING_CONFIG": str(self._logging),
            "JDK_JAVA_OPTIONS": f'"-Djava.io.tmpdir={self.scratch}"',
        }

    def _cluster_id(self) -> str:
        """The same for as long as the data lives."""
        file = self.folder / "cluster-id"
        if not file.exists():
            file.write_text(f"zbtrio-{secrets.token_hex(16)}")
            file.chmod(0o600)
        return file.read_text()


@frozen(kw_only=True)
class Options:
    """How one broker differs from the usual; `zbtrio.broker.running` explains each."""

    quick: bool = False
    partitions: int = 1
    controlled_clock: bool = False
    request_limit: int | None = None
    environ: Mapping[str, str] = Factory(dict[str, str])


def environment(
    options: Options, java_options: str, ports: Ports, java: Java, home: Home
) -> dict[str, str]:
    """All environment variables of the broker's process."""
    return {
        **{name: text for name, text in os.environ.items() if not name.startswith(_KEPT_OUT)},
        **_network(ports),
        **home.variables(),
        **_zeebe(options),
        "JAVACMD": str(java.command),
        "JAVA_OPTS": _java(java_options, options.quick),
        "SPRING_MAIN_BANNERMODE": "off",
        **options.environ,
    }


def _network(ports: Ports) -> dict[str, str]:
    return {
        "ZEEBE_BROKER_NETWORK_HOST": HOST,
        "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT": str(ports.command),
        "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT": str(ports.internal),
        "ZEEBE_BROKER_GATEWAY_NETWORK_HOST": HOST,
        "ZEEBE_BROKER_GATEWAY_NETWORK_PORT": str(ports.gateway),
        "SERVER_ADDRESS": HOST,
        "SERVER_PORT": str(ports.rest),
        "MANAGEMENT_SERVER_ADDRESS": HOST,
        "MANAGEMENT_SERVER_PORT": str(ports.management),
    }


def _zeebe(options: Options) -> dict[str, str]:
    variables = {"ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT": str(options.partitions)}
    if options.controlled_clock:
        variables["ZEEBE_CLOCK_CONTROLLED"] = "true"
    if options.request_limit is not None:
        variables["ZEEBE_BROKER_BACKPRESSURE_ALGORITHM"] = "fixed"
        variables["ZEEBE_BROKER_BACKPRESSURE_FIXED_LIMIT"] = str(options.request_limit)
    return variables


def _java(options: str, quick: bool) -> str:
    compiler = ["-XX:TieredStopAtLevel=1"] if quick else []
    # With its performance data on, each Java leaves a file among the machine's temporary ones.
    return " ".join([options, "-XX:-UsePerfData", *compiler])
