"""A client of gRPC without any configuration: `grpc_client.py ADDRESS [tls]`. Prints what came of each call as JSON."""
import json
import queue
import sys

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def connect(address):
    if "tls" in sys.argv:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(), OPTIONS)
    return grpc.insecure_channel(address, OPTIONS)


channel = connect(sys.argv[1])


def failed(call):
    try:
        call()
        return "it did not fail"
    except grpc.RpcError as error:
        return [error.code().name, error.details()]


def echo(message, path="/t.T/Echo", on=channel, **options):
    return on.unary_unary(path)(message, timeout=60, **options)


def down():
    call = channel.unary_stream("/t.T/Down")(b"1000", timeout=60)
    messages = [message.decode() for message in call]
    right = messages == [str(number) for number in range(1000)]
    trailers = {key: value for key, value in call.trailing_metadata() if key.startswith("x-")}
    return [right, dict(call.initial_metadata())["x-begun"], trailers["x-last"], trailers["x-bytes-bin"].hex()]


def both():
    """Each is answered before the next is sent."""
    questions = queue.Queue()
    answers = channel.stream_stream("/t.T/Both")(iter(questions.get, None), timeout=60)
    for number in range(100):
        questions.put(str(number).encode())
        if next(answers) != str(number).encode():
            return f"another answer to {number}"
    questions.put(None)
    return [list(answers), answers.code().name]


def cancelled():
    call = channel.unary_stream("/t.T/Hang")(b"", timeout=60)
    first = next(call).decode()
    call.cancel()
    return [first, failed(lambda: next(call))[0]]


large = bytes(range(256)) * 40_000
print(json.dumps({
    "echo": echo(b"hello").decode(),
    "large": echo(large) == large,
    "down": down(),
    "up": channel.stream_unary("/t.T/Up")((b"x" for _ in range(1000)), timeout=60).decode(),
    "both": both(),
    "failed": failed(lambda: echo(b"", "/t.T/Fail")),
    "unknown": failed(lambda: echo(b"", "/t.T/Unknown"))[0],
    "deadline": failed(lambda: list(channel.unary_stream("/t.T/Hang")(b"", timeout=0.5))),
    "cancelled": cancelled(),
    "denied": failed(lambda: echo(b"", "/other.Service/Call")),
    "down server": failed(lambda: echo(b"", on=connect(sys.argv[1].replace("api.", "down.")))),
}))
