"""Which header lists are malformed (RFC 9113 sections 8.2 and 8.3), checked once per remembered
block.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zbtrio.rpc.header_memo import Fields, HeaderSet

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_IN_VALUE = re.compile(rb"[\x00\r\n]")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_STATUS = re.compile(rb"[1-9][0-9]{2}")
_CONNECTION_SPECIFIC = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_REQUEST_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_REQUEST_NEEDED = frozenset({b":method", b":scheme", b":path"})
_RESPONSE_PSEUDO = frozenset({b":status"})


def fault_in_request(headers: HeaderSet) -> str | None:
    """Return what makes a request malformed, None if nothing does."""
    return headers.fault if headers.checked is _request else _check(headers, _request)


def fault_in_response(headers: HeaderSet) -> str | None:
    """Return what makes a response malformed, None if nothing does."""
    return headers.fault if headers.checked is _response else _check(headers, _response)


def fault_in_trailers(headers: HeaderSet) -> str | None:
    """Return what makes trailers malformed, None if nothing does."""
    return headers.fault if headers.checked is _trailers else _check(headers, _trailers)


def _check(headers: HeaderSet, rule: Callable[[Fields], str | None]) -> str | None:
    headers.checked, headers.fault = rule, rule(headers.fields)
    length = headers.get(b"content-length")
    if headers.fault is None and length is not None:
        headers.content_length = int(length)
    return headers.fault


def _request(fields: Fields) -> str | None:
    return _pseudo_fields(fields, _REQUEST_PSEUDO, _REQUEST_NEEDED) or _fields(fields)


def _response(fields: Fields) -> str | None:
    fault = _pseudo_fields(fields, _RESPONSE_PSEUDO, _RESPONSE_PSEUDO) or _fields(fields)
    if fault is None and not _STATUS.fullmatch(fields[0][1]):
        return f"status {fields[0][1]!r}"
    return fault


def _trailers(fields: Fields) -> str | None:
    return _pseudo_fields(fields, frozenset(), frozenset()) or _fields(fields)


def _pseudo_fields(
    fields: Fields, allowed: frozenset[bytes], needed: frozenset[bytes]
) -> str | None:
    seen: set[bytes] = set()
    regular = False
    for name, value in fields:
        if not name.startswith(b":"):
            regular = True
        elif regular or name in seen or name not in allowed:
            return f"pseudo-header field {name!r} out of place"
        elif not value and name != b":authority":
            return f"an empty {name!r}"
        else:
            seen.add(name)
    missing = needed - seen
    return f"no {min(missing)!r}" if missing else None


def _fields(fields: Fields) -> str | None:
    for name, value in fields:
        if not name.startswith(b":") and not _NAME.fullmatch(name):
            return f"header name {name!r}"
        if name in _CONNECTION_SPECIFIC or (name == b"te" and value != b"trailers"):
            return f"header {name!r}, which HTTP/2 forbids"
        if _BAD_IN_VALUE.search(value):
            return f"a forbidden byte in the value of {name!r}"
        if value != value.strip(b" \t") and name != b"grpc-message":
            return f"space around the value of {name!r}"  # gRPC leaves it in status messages
        if name == b"content-length" and not _NUMBER.fullmatch(value):
            return f"content-length {value!r}"
    return None
