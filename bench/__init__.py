"""Measurements against other clients, on a real broker: `make bench`."""
