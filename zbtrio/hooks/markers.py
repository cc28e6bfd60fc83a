"""pluggy's marks: `hookspec` on our specs, `hookimpl` (public as zbtrio.hookimpl) in plugins."""

import pluggy

PROJECT = "zbtrio"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
