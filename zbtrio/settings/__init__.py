"""Settings: an attrs class for each table, filled from four places.

A settings class is an attrs class whose fields are made by `option()`; a table of zbtrio.toml
belongs to it ("worker", "plugins.retry"). Each option is looked for, first found wins, in
    1. the arguments given in code,
    2. the environment: ZBTRIO_<TABLE>_<OPTION> (ZBTRIO_WORKER_TIMEOUT,
       ZBTRIO_PLUGINS_RETRY_ATTEMPTS), then the names that the option lists: the Zeebe ecosystem's,
    3. the table in zbtrio.toml,
    4. its default.
Where a value was found is kept beside the instance (`Resolved.origins`), for error messages and
for people who wonder. An empty environment variable counts as not set: container files often
have no other way to unset one. An unknown name in the file or among the arguments is refused; an
unknown ZBTRIO_WORKER_... variable is not, because Kubernetes makes up such names by itself
(ZBTRIO_WORKER_SERVICE_HOST for a service called zbtrio-worker).

Values from the environment are text: numbers and booleans are read from it, a list is split at
commas, a table is JSON. Values from the other places must have their type already. Durations are
seconds, sizes bytes.
"""

from zbtrio.settings.file import SettingsFile
from zbtrio.settings.option import Option, OptionField, Variable, milliseconds, option, options
from zbtrio.settings.resolve import Resolved, load, resolve, variables

__all__ = [
    "Option",
    "OptionField",
    "Resolved",
    "SettingsFile",
    "Variable",
    "load",
    "milliseconds",
    "option",
    "options",
    "resolve",
    "variables",
]
