"""Retries around zbtrio job handlers: in the process first, then by Zeebe."""

from zbtrio_retry.plugin import Overrides, Retry
from zbtrio_retry.policy import Policy

__all__ = ["Overrides", "Policy", "Retry"]
