"""grpcio: one call, a stream whose every message is answered before the next is sent, and a refusal. Prints its version if all is well."""
import queue

import grpc

channel = grpc.secure_channel("grpc.example.test:443", grpc.ssl_channel_credentials())
assert channel.unary_unary("/matrix.Echo/One")(b"hello", timeout=60) == b"hello"

questions = queue.Queue()
answers = channel.stream_stream("/matrix.Echo/Both")(iter(questions.get, None), timeout=60)
for number in range(100):
    questions.put(b"%d" % number)
    assert next(answers) == b"%d" % number
questions.put(None)
assert list(answers) == [] and answers.code() == grpc.StatusCode.OK

try:
    channel.unary_unary("/matrix.Echo/Unknown")(b"", timeout=60)
    raise SystemExit("a call that nobody knows has an answer")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
print(grpc.__version__)
