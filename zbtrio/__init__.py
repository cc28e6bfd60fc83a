"""Job workers and a client for Zeebe (Camunda 8), on trio."""

__version__ = "0.1.0"
