"""gRPC over HTTP/2 on trio, in pure Python. Nothing here knows Zeebe."""

from zbtrio.rpc.call import ServerStream, UnaryCall
from zbtrio.rpc.channel import Channel
from zbtrio.rpc.deadline import Deadline
from zbtrio.rpc.grpc import Metadata, Method, RpcError

__all__ = [
    "Channel",
    "Deadline",
    "Metadata",
    "Method",
    "RpcError",
    "ServerStream",
    "UnaryCall",
]
