"""gRPC over HTTP/2 on trio, in pure Python. Nothing here knows Zeebe."""

from zbtrio.rpc.call import ServerStream, UnaryCall
from zbtrio.rpc.channel import Channel
from zbtrio.rpc.deadline import Deadline
from zbtrio.rpc.grpc import Metadata, Method, RpcError
from zbtrio.rpc.server import Servable, Server
from zbtrio.rpc.server_call import ServerCall, current_call

__all__ = [
    "Channel",
    "Deadline",
    "Metadata",
    "Method",
    "RpcError",
    "Servable",
    "Server",
    "ServerCall",
    "ServerStream",
    "UnaryCall",
    "current_call",
]
