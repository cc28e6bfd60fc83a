"""Every hook is documented with its exact signature; every observer can be called."""

import inspect
import re
from pathlib import Path

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


def test_every_observer_is_there_to_be_called() -> None:
    observers = PluginSet().observers
    names = {hook.__name__ for hook in specs.OBSERVERS}
    assert names == set(vars(observers)) - {"failures"}
