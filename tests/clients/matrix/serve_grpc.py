"""A server of gRPC that repeats messages of bytes, one by one and as they come: `serve_grpc.py CERTIFICATE`. Prints its port."""
import sys
from concurrent import futures

import grpc

HANDLERS = {
    "One": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
    "Both": grpc.stream_stream_rpc_method_handler(lambda requests, _: (request for request in requests)),
}
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("matrix.Echo", HANDLERS),))
with open(sys.argv[1], "rb") as file:
    certificate, key = file.read().split(b"-----BEGIN PRIVATE KEY-----")
credentials = grpc.ssl_server_credentials([(b"-----BEGIN PRIVATE KEY-----" + key, certificate)])
port = server.add_secure_port("127.0.0.1:0", credentials)
server.start()
print(port, flush=True)
server.wait_for_termination()
