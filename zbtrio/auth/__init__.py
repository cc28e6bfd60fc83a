"""Who calls the gateway: credentials, and the metadata that proves them."""

from zbtrio.auth.authorizer import Authorizer
from zbtrio.auth.credentials import BasicCredentials, Credentials, Grant, NoCredentials
from zbtrio.auth.oauth import OAuthCredentials
from zbtrio.auth.token_cache import TokenCache

__all__ = [
    "Authorizer",
    "BasicCredentials",
    "Credentials",
    "Grant",
    "NoCredentials",
    "OAuthCredentials",
    "TokenCache",
]
