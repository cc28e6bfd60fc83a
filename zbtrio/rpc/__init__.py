"""gRPC over HTTP/2 on trio."""
