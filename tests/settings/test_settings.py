from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from zbtrio import settings
from zbtrio.errors import SettingsError
from zbtrio.settings import SettingsFile, Variable, milliseconds, option


def above_zero(instance, attribute, value) -> None:
    if value <= 0:
        raise ValueError(f"it is {value}")


@attrs.define(eq=False)
class Limits:
    rate: float = attrs.field(default=1.0, validator=above_zero)
    burst: int = 1


@attrs.define
class Example:
    address: str = option("localhost:26500", env=["CAMUNDA_ADDRESS", "ZEEBE_ADDRESS"])
    timeout: float = option(60.0, validator=attrs.validators.gt(0))
    keepalive: float | None = option(45.0, env=milliseconds("ZEEBE_KEEP_ALIVE"))
    tls: bool = option(False)
    tenants: tuple[str, ...] = option(())
    token: str | None = option(
        None, secret=True, validator=attrs.validators.optional(attrs.validators.max_len(9))
    )
    pin: int = option(0, secret=True, env="PIN")
    style: str = option("long", choices=["long", "short"])
    ca: Path | None = option(None)
    limits: Limits = option(factory=Limits)
    per_type: dict[str, Limits] = option(factory=dict)


@attrs.define
class Needy:
    endpoint: str = option()


@pytest.fixture
def toml(tmp_path: Path):
    def write(text: str) -> SettingsFile:
        path = tmp_path / "zbtrio.toml"
        path.write_text(text, encoding="utf-8")
        return SettingsFile.read(path)

    return write


def load(
    file: SettingsFile | None = None, environ: Mapping[str, str] | None = None, **arguments: object
) -> Example:
    return settings.load(Example, "worker", arguments=arguments, environ=environ or {}, file=file)


def test_arguments_win_over_environment_over_file_over_defaults(toml) -> None:
    file = toml('[worker]\naddress = "file"\n')
    environ = {"CAMUNDA_ADDRESS": "environment"}
    assert load().address == "localhost:26500"
    assert load(file).address == "file"
    assert load(file, environ).address == "environment"
    assert load(file, environ, address="argument").address == "argument"


def test_our_variable_comes_before_the_ecosystems_in_their_order() -> None:
    environ = {"ZEEBE_ADDRESS": "c", "CAMUNDA_ADDRESS": "b", "ZBTRIO_WORKER_ADDRESS": "a"}
    assert load(environ=environ).address == "a"
    del environ["ZBTRIO_WORKER_ADDRESS"]
    assert load(environ=environ).address == "b"
    environ["CAMUNDA_ADDRESS"] = ""  # empty is not set
    assert load(environ=environ).address == "c"


def test_origins_say_where_each_value_came_from(toml) -> None:
    file = toml("[worker]\n\ntls = true\nper_type.charge = {rate = 2}\n[plugins]\n")
    found = settings.resolve(
        Example, "worker", arguments={"timeout": 1.0}, environ={"PIN": "7"}, file=file
    )
    assert found.origins["timeout"] == "argument"
    assert found.origins["pin"] == "PIN"
    assert found.origins["tls"] == f"{file.path}:3"
    assert found.origins["address"] == "default"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("TIMEOUT", "2.5", 2.5),
        ("TIMEOUT", "3", 3.0),
        ("TLS", "true", True),
        ("TLS", "0", False),
        ("TENANTS", "a, b,", ("a", "b")),
        ("KEEPALIVE", "null", None),
        ("CA", "/etc/ca.pem", Path("/etc/ca.pem")),
        ("LIMITS", '{"rate": 3}', Limits(3.0)),
        ("PER_TYPE", '{"charge": {"burst": 4}}', {"charge": Limits(burst=4)}),
    ],
)
def test_environment_text_becomes_the_declared_type(name: str, text: str, value: object) -> None:
    found = getattr(load(environ={f"ZBTRIO_WORKER_{name}": text}), name.lower())
    assert type(found) is type(value)
    assert repr(found) == repr(value)


def test_milliseconds_of_the_ecosystem_become_seconds() -> None:
    assert load(environ={"ZEEBE_KEEP_ALIVE": "1500"}).keepalive == 1.5
    with pytest.raises(SettingsError, match=r"variable ZEEBE_KEEP_ALIVE: .*worker. keepalive: "):
        load(environ={"ZEEBE_KEEP_ALIVE": "soon"})


def test_a_variable_may_read_its_text_itself() -> None:
    @attrs.define
    class Plain:
        plaintext: bool = option(False, env=Variable("SECURE", lambda text: text == "no"))

    assert settings.load(Plain, "client", environ={"SECURE": "no"}).plaintext is True


def test_tables_in_tables(toml) -> None:
    file = toml(
        "[worker]\nlimits = {rate = 2}\n"
        '[worker.per_type.charge-card]\nrate = 5\n[worker.per_type."a.b"]\nburst = 2\n'
    )
    found = load(file)
    assert found.limits.rate == 2.0
    assert found.per_type["charge-card"].rate == 5.0
    assert found.per_type["a.b"].burst == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[worker]\ntls = true\ntimeuot = 5",
            r"zbtrio.toml:3: \[worker\] has no setting 'timeuot'\. Did you mean 'timeout'\?"),
        ("[worker]\nzzz = 5", r"zbtrio.toml:2: .* 'zzz'. Known: address, ca, "),
        ("\n[wroker]\n", r"zbtrio.toml:2: unknown table \[wroker\]. Did you mean 'worker'\?"),
        ("worker = 5", r"zbtrio.toml:1: \[worker\] must be a table"),
        ("[worker]\ntimeout = '5'",
            r"zbtrio.toml:2: \[worker\] timeout: Expected `float`, got `str`"),
        ("[worker]\ntimeout = 0", r"zbtrio.toml:2: \[worker\] timeout: 'timeout' must be > 0"),
        ("[worker]\nlimits.rate = 0", r"zbtrio.toml:2: \[worker.limits\] rate: it is 0.0"),
        ("[worker]\nstyle = 'fast'", r":2: \[worker\] style: must be one of 'long', 'short', not"),
        ("[worker.per_type.charge]\nburts = 2",
            r":2: \[worker.per_type.charge\] has no setting 'burts'. Did you mean 'burst'"),
        ("[worker]\nper_type = {charge = {burst = 'x'}}",
            r":2: \[worker.per_type.charge\] burst: Expected `int`, got `str`"),
        ("[worker]\nlimits = 3", r":2: \[worker\] limits: Expected a table, got `int`"),
        ("[worker\n", r"zbtrio.toml: not valid TOML: .*line 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_named(toml, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(toml(text))


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(SettingsError, match=r"argument: .worker. has no setting 'adress'. Did you"):
        load(adress="x")


def test_a_missing_value_says_how_to_set_it(toml) -> None:
    with pytest.raises(
        SettingsError, match=r"endpoint has no value .* ZBTRIO_PLUGINS_REST_ENDPOINT"
    ):
        settings.load(Needy, "plugins.rest", environ={})


def test_keys_of_others_are_left_alone(toml) -> None:
    file = toml("[worker]\ntls = true\n[worker.other]\nx = 1\n")
    found = settings.resolve(Example, "worker", environ={}, file=file, subtables=["other"])
    assert found.instance.tls is True


def test_secrets_are_masked_in_repr_and_errors(toml) -> None:
    file = toml('[worker]\ntoken = "hunter2"\n')
    assert "hunter2" not in repr(load(file)) + repr(file)
    assert "token=***" in repr(load(file))
    with pytest.raises(SettingsError, match=r"toml:2: .worker. token: .*secret") as caught:
        load(toml('[worker]\ntoken = "hunter2 hunter2"'))
    assert "hunter2" not in str(caught.value)
    for environ in ({"PIN": "hunter2"}, {"ZBTRIO_WORKER_PIN": "hunter2"}):
        with pytest.raises(SettingsError, match=r"PIN: .*secret") as caught:
            load(environ=environ)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SettingsFile.find(environ={}) is None
    Path("zbtrio.toml").write_text("[worker]\ntls = true\n")
    Path("other.toml").write_text("[worker]\ntls = false\n")
    usual = SettingsFile.find(environ={})
    named = SettingsFile.find(environ={"ZBTRIO_SETTINGS": "other.toml"})
    assert usual is not None
    assert named is not None
    assert usual.table("worker") == {"tls": True}
    assert named.table("worker") == {"tls": False}
    with pytest.raises(SettingsError, match=r"gone.toml: can't read the settings: No such file"):
        SettingsFile.find("gone.toml", environ={})


def test_a_given_instance_of_a_table_is_taken() -> None:
    limits = Limits(9.0)
    assert load(limits=limits).limits is limits
