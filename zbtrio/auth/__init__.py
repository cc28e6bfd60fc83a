"""Who calls the gateway: credentials, and the metadata that proves them.

`zbtrio.auth.oauth` has the credentials that need an HTTP client; who has none doesn't load it.
"""

from zbtrio.auth.authorizer import Authorizer
from zbtrio.auth.credentials import BasicCredentials, Credentials, Grant, NoCredentials

__all__ = ["Authorizer", "BasicCredentials", "Credentials", "Grant", "NoCredentials"]
