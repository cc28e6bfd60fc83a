"""Helpers for testing handlers."""

from zbtrio.testing.calling import call

__all__ = ["call"]
