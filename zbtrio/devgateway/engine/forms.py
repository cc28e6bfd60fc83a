"""Deployed forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import attrs

from .state import DEFAULT_TENANT

if TYPE_CHECKING:
    from .core import Core


@attrs.define(eq=False)
class Form:
    """A deployed form."""

    key: int
    version: int
    id: str
    resource: str
    checksum: str

    def value(self) -> dict[str, object]:
        """What its records say, under Zeebe's names."""
        return {
            "formId": self.id,
            "version": self.version,
            "formKey": self.key,
            "resourceName": self.resource,
            "tenantId": DEFAULT_TENANT,
        }


class FormError(Exception):
    """The file is no form; the text is Zeebe's."""


def read_form_id(content: bytes, name: str) -> str:
    """The id in a form's JSON; raises FormError."""
    try:
        form = cast("object", json.loads(content))
    except ValueError as error:
        raise FormError(f"'{name}': {error}") from None
    id = cast("dict[str, object]", form).get("id") if isinstance(form, dict) else None
    if id is None:
        raise FormError("Expected the form id to be present, but none given")
    if not str(id).strip():
        raise FormError("Expected the form id to be filled, but it is blank")
    return str(id)


class Forms:
    """All forms that are deployed and not deleted."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.by_key: dict[int, Form] = {}
        self._newest: dict[str, int] = {}

    def latest(self, form_id: str) -> Form | None:
        """The newest version that is not deleted."""
        versions = [each for each in self.by_key.values() if each.id == form_id]
        return max(versions, key=lambda each: each.version, default=None)

    def add(self, id: str, resource: str, checksum: str) -> Form:
        """A new version of a form."""
        version = self._newest[id] = self._newest.get(id, 0) + 1
        form = Form(self._core.next_key(), version, id, resource, checksum)
        self.by_key[form.key] = form
        self._core.log.event("FORM", "CREATED", form.key, form.value())
        return form

    def remove(self, form: Form) -> None:
        """A form is deleted."""
        del self.by_key[form.key]
        self._core.log.event("FORM", "DELETED", form.key, form.value())
