"""The embedded, Zeebe-compatible gateway: for development and tests, without Java."""
