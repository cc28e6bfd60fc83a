"""A distribution whose broker is a script, for what a real one won't do when asked.

Its behaviour is in the environment variable FAKE, which `Options.environ` gives it: words of
    boom            end with code 3
    collide         end with "Address already in use", but only the first time
    mute            listen nowhere
    deaf            ignore SIGTERM
    follow          be ready, but lead no partition
"""

import stat
import sys
from pathlib import Path

from zbtrio.broker import Broker, BrokerSettings, Java
from zbtrio.broker.environment import Options

_SCRIPT = """\
#!PYTHON
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

words = os.environ.get("FAKE", "").split()
with open("environment.json", "w") as file:
    json.dump(dict(os.environ), file)
print("fake broker", os.getpid(), flush=True)
if "boom" in words:
    print("something broke")
    sys.exit(3)
if "collide" in words and not Path("collided").exists():
    Path("collided").touch()
    sys.exit("java.net.BindException: Address already in use")
end = signal.SIG_IGN if "deaf" in words else lambda *args: sys.exit(143)  # as Java does
signal.signal(signal.SIGTERM, end)
while "mute" in words:
    time.sleep(1)
role = 0 if "follow" in words else 3
partitions = int(os.environ["ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT"])
roles = "".join(
    f'zeebe_gateway_topology_partition_roles{{partition="{number}",broker="0",}} {role}\\n'
    for number in range(1, partitions + 1)
)
answers = {
    "/actuator/health/readiness": b'{"status":"UP"}',
    "/actuator/prometheus": roles.encode(),
}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = answers.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        pass

HTTPServer(("127.0.0.1", int(os.environ["MANAGEMENT_SERVER_PORT"])), Handler).serve_forever()
"""


def distribution(folder: Path) -> Path:
    """Install one, below `folder`."""
    script = folder / "fake" / "bin" / "broker"
    if not script.exists():
        script.parent.mkdir(parents=True)
        script.write_text(_SCRIPT.replace("PYTHON", sys.executable))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder / "fake"


def broker(
    folder: Path, words: str = "", *, data: str = "data", temporary: bool = False, **settings: float
) -> Broker:
    """A broker that behaves as `words` say, with its data in a folder beside the distribution."""
    home = folder / data
    home.mkdir(exist_ok=True)
    return Broker(
        distribution(folder),
        Java(Path("/some/java"), 21, "a test"),  # which the script does not start
        home,
        settings=BrokerSettings(**settings),
        options=Options(environ={"FAKE": words}, partitions=2),
        temporary=temporary,
    )
