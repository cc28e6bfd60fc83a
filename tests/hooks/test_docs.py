"""Every hook is documented with its exact signature; every observer can be called."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zbtrio.hooks import PluginSet, specs

DOCS = Path(__file__).parents[2] / "docs" / "hooks.md"
HOOKS = {name: hook for name, hook in vars(specs).items() if hasattr(hook, "zbtrio_spec")}


@pytest.mark.parametrize("name", HOOKS)
def test_the_hook_is_documented(name: str) -> None:
    signature = str(inspect.signature(HOOKS[name])).replace("'", "")
    assert f"### `{name}{signature}`" in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HOOKS)
def test_the_hook_names_a_plugin_that_needs_it(name: str) -> None:
    assert re.search(r"[Ff]or zbtrio-\w+", inspect.getdoc(HOOKS[name]) or "")


def test_the_documentation_has_no_hook_that_does_not_exist() -> None:
    documented = re.findall(r"^### `(\w+)\(", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert documented == list(HOOKS)


async def test_the_documented_plugin_works(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    wrap = PluginSet.of(audit=names["Audit"]()).middleware_for(None)  # type: ignore[arg-type]
    assert wrap is not None

    async def handler(job):
        return "outcome"

    assert await wrap(handler)(SimpleNamespace(key=7)) == "outcome"
    assert capsys.readouterr().out == "7 outcome\n"


def test_every_observer_is_there_to_be_called() -> None:
    observers = PluginSet().observers
    names = {hook.__name__ for hook in specs.OBSERVERS}
    assert names == set(vars(observers)) - {"failures"}
