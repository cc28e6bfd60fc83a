"""A broker process: started, waited for, killed, started again on the same ports and data."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import trio

from zbtrio import http1
from zbtrio.broker.environment import Home, Options, environment
from zbtrio.broker.errors import BrokerError
from zbtrio.broker.guard import Guard
from zbtrio.broker.java import Java
from zbtrio.broker.log import tail
from zbtrio.broker.metrics import Metrics, read_metrics
from zbtrio.broker.ports import HOST, Ports
from zbtrio.broker.readiness import is_ready
from zbtrio.broker.settings import BrokerSettings

LAUNCHES = 3
"""How often a start is tried when another process takes a port that was free."""
PROBE_PAUSE = 0.1
"""Seconds between two looks at a broker that starts."""


class Broker:
    """A Zeebe broker with its gateway, on this machine, on loopback addresses only.

    `address` is its gateway's, `metrics_address` the URL of its management port. Both stay as they
    are over `kill()` and `restart()`. Made by `zbtrio.broker.running()`.
    """

    def __init__(
        self,
        distribution: Path,
        java: Java,
        folder: Path,
        *,
        settings: BrokerSettings,
        options: Options,
        temporary: bool = False,
    ) -> None:
        self.version = settings.version
        self.data = folder
        self.temporary = temporary
        self.java = java
        self._distribution = distribution
        self._home = Home(folder)
        self._settings = settings
        self._options = options
        self._ports = Ports.free()
        self._process: trio.Process | None = None
        self._guard: Guard | None = None

    @property
    def address(self) -> str:
        """Host and port of the gateway, for clients."""
        return f"{HOST}:{self._ports.gateway}"

    @property
    def metrics_address(self) -> str:
        """URL of the management port: metrics at /actuator/prometheus, health, control."""
        return f"http://{HOST}:{self._ports.management}"

    @property
    def log(self) -> Path:
        """The file with what the broker writes. A restart adds to it."""
        return self._home.log

    @property
    def pid(self) -> int:
        """The process id of its Java, which leads a process group of its own.

        Raises:
            BrokerError: it isn't started.
        """
        if self._process is None:
            raise BrokerError("The broker is not started.")
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def logs(self, lines: int | None = None) -> str:
        """The log, or its last lines."""
        return tail(self.log, lines)

    async def start(self) -> None:
        """Start it and wait until it has a leader for each partition.

        Raises:
            BrokerError: it ended by itself, did not come up within `start_timeout`, or another
                broker uses the data; with the log's last lines.
        """
        for _ in range(LAUNCHES - 1):
            try:
                await self.start_once()
            except _PortTaken:
                self._ports = Ports.free()
            else:
                return
        await self.start_once()

    async def start_once(self) -> None:
        """As `start`, on the ports that it has, which a restart must keep."""
        self._home.prepare()
        try:
            await self._launch()
            await self._until_ready()
        except BaseException:
            with trio.CancelScope(shield=True):
                await self.kill()
            raise

    async def stop(self) -> None:
        """End it in order, or kill it after `stop_timeout` seconds. Nothing if it has ended."""
        if self._process and self.is_alive:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # a stopped process would not see the other
            with trio.move_on_after(self._settings.stop_timeout):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """Kill its process group (SIGKILL) and wait for its end. Nothing if it has ended."""
        if self._process:
            if self.is_alive:
                self._signal(signal.SIGKILL)
            await self._process.wait()
            self._process = None
        await self.release()

    async def restart(self) -> None:
        """Start it again on the same ports and data, after `stop` if it runs.

        Raises:
            BrokerError: as `start`; also if another process has taken one of the ports.
        """
        await self.stop()
        await self.start_once()

    async def release(self) -> None:
        """Let it live on when this process ends."""
        if self._guard:
            guard, self._guard = self._guard, None
            await guard.dismiss()

    async def metrics(self) -> Metrics:
        """Its metrics now. Raises BrokerError if it does not answer."""
        return await read_metrics(f"{self.metrics_address}/actuator/prometheus")

    async def records_appended(self) -> float:
        """How many records it has appended to its log since it was started."""
        return (await self.metrics()).total("zeebe_log_appender_record_appended_total")

    def cpu_seconds(self) -> float:
        """CPU time of its process so far, user and system (8.5 has no metric for it)."""
        import psutil  # of the extra `broker`

        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    async def advance_clock(self, seconds: float) -> None:
        """Put its clock forward. Raises BrokerError unless it has a controlled clock."""
        response = await http1.request(
            "POST",
            f"{self.metrics_address}/actuator/clock/add",
            headers=[("Content-Type", "application/json")],
            body=b'{"offsetMilli": %d}' % round(seconds * 1000),
        )
        if response.status != 200:
            raise BrokerError(
                f"The broker did not put its clock forward (status {response.status}). "
                "Start it with controlled_clock=True."
            )

    async def _launch(self) -> None:
        variables = environment(
            self._options, self._settings.java_options, self._ports, self.java, self._home
        )
        with self._lock() as lock, self.log.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                [str(self._distribution / "bin" / "broker")],
                env=variables,
                cwd=self.data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                start_new_session=True,
            )
        self._guard = await Guard.over(self.pid, self.data if self.temporary else None)

    @contextmanager
    def _lock(self) -> Generator[int]:
        """A lock on the data. The broker's process inherits it and holds it while it lives."""
        with (self.data / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BrokerError(
                    f"Another broker uses the data in {self.data}. Stop it, or name another folder."
                ) from None
            yield file.fileno()

    async def _until_ready(self) -> None:
        timeout = self._settings.start_timeout
        with trio.move_on_after(timeout):
            while not await is_ready(self.metrics_address, self._options.partitions):
                self._check_alive()
                await trio.sleep(PROBE_PAUSE)
            return
        raise BrokerError(
            f"Zeebe {self.version} had no leader for each partition within {timeout:g} s. Give it "
            f"longer (ZBTRIO_BROKER_START_TIMEOUT), or see why in its log:\n{self.logs(20)}"
        )

    def _check_alive(self) -> None:
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return
        last = self.logs(20)
        kind = _PortTaken if "Address already in use" in self.logs(200) else BrokerError
        raise kind(
            f"Zeebe {self.version} ended with code {code} while it started, with "
            f"{self.java.command} (Java {self.java.version}). Its log's last lines:\n{last}"
        )

    def _signal(self, number: signal.Signals) -> None:
        """To its whole process group; not reaped yet, so its id can't be another's."""
        os.killpg(self.pid, number)


class _PortTaken(BrokerError):
    """Another process took a port between the look for free ones and the broker's own bind."""
