"""Settings of a broker on this machine: table [broker]."""

from attrs import frozen

from zbtrio.settings import option

DEFAULT_VERSION = "8.6.0"


@frozen
class BrokerSettings:
    """Where the broker and its Java come from, and how it is started."""

    version: str = option(DEFAULT_VERSION, help="Zeebe's version")
    repository: str | None = option(
        None,
        secret=True,  # may hold a password
        help="URL of a Maven repository to fetch from, in place of Maven Central",
    )
    java: str | None = option(
        None, env="ZBTRIO_JAVA", help="Java 21 or newer: its home folder or its java command"
    )
    java_options: str = option(
        "-Xms256m -Xmx512m -XX:+UseSerialGC",
        help="options of the Java machine, split at blanks",
    )
    start_timeout: float = option(180.0, help="seconds to wait for a leader of each partition")
    stop_timeout: float = option(30.0, help="seconds to wait for a clean end, then it is killed")
