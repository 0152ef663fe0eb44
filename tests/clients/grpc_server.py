"""A server of gRPC whose messages are bytes: `grpc_server.py [CERTIFICATE]`. Prints its port, and then each call that was cancelled.

`/t.T/Echo` repeats one message; `/t.T/Down` sends as many as it is told; `/t.T/Up` says how many came; `/t.T/Both` repeats each at once;
`/t.T/Fail` fails with words of its own; `/t.T/Hang` says something, and nothing more.
"""
import sys
import threading
from concurrent import futures

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def down(request, context):
    context.send_initial_metadata((("x-begun", "yes"),))
    context.set_trailing_metadata((("x-last", "yes"), ("x-bytes-bin", b"\0\xff")))
    for number in range(int(request)):
        yield str(number).encode()


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not yet: größer als 100%")


def hang(request, context):
    ended = threading.Event()

    # Not behind the wait: a call that has ended meanwhile is not gone on with.
    def over():
        print("cancelled", flush=True)
        ended.set()

    context.add_callback(over)
    yield b"hanging"
    ended.wait()


HANDLERS = {
    "Echo": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
    "Down": grpc.unary_stream_rpc_method_handler(down),
    "Up": grpc.stream_unary_rpc_method_handler(lambda requests, _: str(sum(1 for _ in requests)).encode()),
    "Both": grpc.stream_stream_rpc_method_handler(lambda requests, _: (request for request in requests)),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Hang": grpc.unary_stream_rpc_method_handler(hang),
}
server = grpc.server(futures.ThreadPoolExecutor(20), options=OPTIONS)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", HANDLERS),))
if len(sys.argv) > 1:
    with open(sys.argv[1], "rb") as file:
        certificate, key = file.read().split(b"-----BEGIN PRIVATE KEY-----")
    credentials = grpc.ssl_server_credentials([(b"-----BEGIN PRIVATE KEY-----" + key, certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
