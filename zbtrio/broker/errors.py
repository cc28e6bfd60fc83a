"""What goes wrong with a broker on this machine."""

from zbtrio.errors import ZbtrioError


class BrokerError(ZbtrioError):
    """A broker could not be fetched, started, stopped or asked; the message says what to do."""


class JavaNotFound(BrokerError):
    """There is no Java on this machine that is new enough for the broker."""
