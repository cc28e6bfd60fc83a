"""Every error that zbtrio raises."""


class ZbtrioError(Exception):
    """The root: `except zbtrio.ZbtrioError` catches whatever this library raises by itself."""


class SettingsError(ZbtrioError):
    """A setting is unknown, missing or of the wrong type; names where it stands."""


class PluginError(ZbtrioError):
    """A plugin can't be loaded or breaks the rules of its hooks; names its distribution."""
