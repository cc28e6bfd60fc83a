"""What is refused when plugins are loaded, and how the message reads."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from tests.hooks.conftest import Install
from zbtrio.errors import PluginError, SettingsError
from zbtrio.hooks import PluginSet, hookimpl
from zbtrio.settings import SettingsFile

GOOD = """
    import attrs
    from zbtrio.hooks import hookimpl
    from zbtrio.settings import option

    @attrs.define(eq=False)
    class Plugin:
        size: int = option(1)
        seen: list = attrs.field(factory=list, init=False)

        @hookimpl
        def job_activated(self, job):
            self.seen.append(job)
    """


def load(entries, file: SettingsFile | None = None, **options) -> PluginSet:
    return PluginSet.load(file, environ={}, entries=entries, **options)


def toml(tmp_path: Path, text: str) -> SettingsFile:
    path = tmp_path / "zbtrio.toml"
    path.write_text(text)
    return SettingsFile.read(path)


def test_a_plugin_is_loaded_and_configured(install: Install, tmp_path: Path) -> None:
    loaded = load(install("good", GOOD), toml(tmp_path, "[plugins.good]\nsize = 3\n"))
    (plugin,) = loaded.plugins
    assert plugin.name == "good"
    assert plugin.distribution == "zbtrio-good 1.2"
    assert plugin.hooks == ("job_activated",)
    assert plugin.instance.size == 3
    assert plugin.origins["size"].endswith("zbtrio.toml:2")


def test_each_set_has_instances_of_its_own(install: Install) -> None:
    entries = install("good", GOOD)
    one, other = load(entries), load(entries)
    one.observers.job_activated("job")
    assert one.plugins[0].instance.seen == ["job"]
    assert other.plugins[0].instance.seen == []


def test_environment_sets_an_option(install: Install) -> None:
    loaded = PluginSet.load(
        environ={"ZBTRIO_PLUGINS_GOOD_SIZE": "4"}, entries=install("good", GOOD)
    )
    assert loaded.plugins[0].instance.size == 4


def test_a_failing_import_names_its_distribution(install: Install) -> None:
    entries = install("broken", "import no_such_module_at_all")
    with pytest.raises(PluginError, match=r"'broken' of zbtrio-broken 1.2 .*no_such_module_at_all"):
        load(entries)


def test_a_missing_class_names_its_distribution(install: Install) -> None:
    with pytest.raises(PluginError, match=r"zbtrio-broken 1.2 can't be imported .*no attribute"):
        load(install("broken", "x = 1"))


@pytest.mark.parametrize("how", ["argument", "setting", "environment"])
def test_a_disabled_plugin_is_not_even_imported(install: Install, tmp_path: Path, how: str) -> None:
    entries = install("broken", "raise SystemExit")
    if how == "argument":
        loaded = load(entries, disabled=["broken"])
    elif how == "setting":
        loaded = load(entries, toml(tmp_path, '[plugins]\ndisabled = ["broken"]\n'))
    else:
        environ = {"ZBTRIO_PLUGINS_DISABLED": "broken"}
        loaded = PluginSet.load(environ=environ, entries=entries)
    assert loaded.plugins == ()
    assert entries[0].module not in sys.modules


def test_disabling_what_is_not_there_is_refused(install: Install) -> None:
    with pytest.raises(SettingsError, match=r"'goood', which isn't installed. Did you mean 'good'"):
        load(install("good", GOOD), disabled=["goood"])


def test_options_of_no_plugin_are_refused(install: Install, tmp_path: Path) -> None:
    file = toml(tmp_path, "[plugins]\norder = []\n[plugins.goood]\nsize = 3\n")
    with pytest.raises(SettingsError, match=r"toml:3: .plugins. .*'goood'. Did you mean 'good'"):
        load(install("good", GOOD), file)


def test_a_wrong_option_is_refused(install: Install, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"toml:2: .plugins.good. .*'sise'. Did you mean 'size"):
        load(install("good", GOOD), toml(tmp_path, "[plugins.good]\nsise = 3\n"))


def test_two_plugins_of_one_name_are_refused(install: Install) -> None:
    install("good", GOOD)
    entries = install("good", GOOD, distribution="other")
    with pytest.raises(PluginError, match=r"named 'good': of .*(zbtrio-good|other) 1.2") as caught:
        load(entries)
    assert "zbtrio-good 1.2" in str(caught.value)
    assert "other 1.2" in str(caught.value)


@pytest.mark.parametrize("name", ["order", "disabled"])
def test_a_name_that_is_a_setting_is_refused(install: Install, name: str) -> None:
    with pytest.raises(PluginError, match=f"zbtrio-{name} 1.2 is named '{name}'"):
        load(install(name, GOOD))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class Plugin: pass", "is no attrs class"),
        ("import attrs\n@attrs.define\nclass Plugin: pass", "compares by value"),
        ("Plugin = 3", "is no class"),
        ("import attrs\n@attrs.define(eq=False)\nclass Plugin: pass", "has no hook"),
    ],
)
def test_the_class_of_a_plugin(install: Install, code: str, message: str) -> None:
    with pytest.raises(PluginError, match=f"'odd' of zbtrio-odd 1.2.*{message}"):
        load(install("odd", code))


class Misspelt:
    @hookimpl
    def job_activeted(self, job): ...


class Unmarked:
    def job_activated(self, job): ...


class AsyncHook:
    @hookimpl
    async def job_activated(self, job): ...


class AsyncGenerator:
    @hookimpl
    async def lifespan(self, worker):
        yield


class WrongArguments:
    @hookimpl
    def job_activated(self, jbo): ...


class Stageless:
    @hookimpl
    def around_job(self, subscription): ...


class WrongStage:
    stage: ClassVar = "retyr"

    @hookimpl
    def around_job(self, subscription): ...


class Pushy:
    @hookimpl(tryfirst=True)
    def job_activated(self, job): ...


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Misspelt, "no hook 'job_activeted'. Did you mean 'job_activated'"),
        (Unmarked, "job_activated is not marked with @zbtrio.hookimpl"),
        (AsyncHook, "job_activated is `async def`"),
        (AsyncGenerator, "lifespan is `async def`.*@asynccontextmanager"),
        (WrongArguments, "jbo"),
        (Stageless, "around_job and stage None. .*observe, dedupe, retry, transform, call"),
        (WrongStage, "stage 'retyr'"),
        (Pushy, "uses tryfirst. Order comes from the class's `stage`"),
        (object, "has no hook"),
    ],
)
def test_what_breaks_a_rule_of_hooks_is_refused(cls: type, message: str) -> None:
    with pytest.raises(PluginError, match=f"plugin 'odd'.*{message}"):
        PluginSet.of(odd=cls())


def test_properties_are_not_run_and_specname_is_followed() -> None:
    class Renamed:
        @property
        def danger(self):
            raise AssertionError("a property was run")

        @hookimpl(specname="job_activated")
        def on_arrival(self, job): ...

    (plugin,) = PluginSet.of(renamed=Renamed()).plugins
    assert plugin.hooks == ("job_activated",)


def test_an_async_context_manager_is_no_async_hook() -> None:
    class Living:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, worker):
            yield 1

    assert PluginSet.of(living=Living()).plugins[0].hooks == ("lifespan",)


def test_instances_are_taken_beside_installed_ones(install: Install) -> None:
    @attrs.define(eq=False)
    class Audit:
        @hookimpl
        def job_activated(self, job): ...

    loaded = load(install("good", GOOD), extra={"audit": Audit()})
    assert [plugin.name for plugin in loaded.plugins] == ["audit", "good"]


def test_an_instance_that_takes_the_name_of_an_installed_plugin_is_refused(
    install: Install,
) -> None:
    class Other:
        @hookimpl
        def job_activated(self, job): ...

    entries = install("good", GOOD)
    with pytest.raises(PluginError, match=r"plugin 'good'.*: there are two of that name"):
        load(entries, extra={"good": Other()})


def test_an_option_of_a_task_belongs_to_the_plugin_of_that_name(install: Install) -> None:
    loaded = load(install("good", GOOD))
    loaded.check_options("charge", ["good"], ["concurrency"])
    with pytest.raises(PluginError, match=r"Task 'charge' .*'concurency'.* mean 'concurrency'"):
        loaded.check_options("charge", ["concurency"], ["concurrency"])
