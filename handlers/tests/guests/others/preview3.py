"""A component of wasi:http 0.3, made by componentize-py as its users do: sets a header and sends the request onward;
`/hello` it answers itself, and `/socket/KIND/PORT` with what became of a socket to that port."""

import socket

import componentize_py_async_support
import wit_world
from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports import client
from wit_world.imports.wasi_http_types import Fields, Request, Response


class Handler(exports.Handler):
    async def handle(self, request: Request) -> Response:
        path = request.get_path_with_query()
        if path == "/hello":
            return answer(b"hello from Python")
        if path.startswith("/socket/"):
            kind, port = path.split("/")[2:]
            return answer(outcome(kind, int(port)).encode())
        headers = request.get_headers().clone()
        headers.set("x-other", [b"python"])
        method, scheme, authority = request.get_method(), request.get_scheme(), request.get_authority()
        body, trailers = Request.consume_body(request, done())
        onward = Request.new(headers, body, trailers, None)[0]
        onward.set_method(method)
        onward.set_scheme(scheme)
        onward.set_authority(authority)
        onward.set_path_with_query(path)
        return await client.send(onward)


def answer(content: bytes) -> Response:
    writer, reader = wit_world.byte_stream()
    componentize_py_async_support.spawn(write(writer, content))
    none = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(lambda: Ok(None))[1]
    return Response.new(Fields(), reader, none)[0]


def outcome(kind: str, port: int) -> str:
    attempts = {
        "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", port)),
        "tcp6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM).connect(("::1", port)),
        "listen": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).bind(("127.0.0.1", 0)),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
        "name": lambda: socket.getaddrinfo("localhost", 80),
    }
    try:
        attempts[kind]()
    except ConnectionRefusedError:
        return "dialled"
    except OSError:
        return "refused"
    return "done"


async def write(writer, content: bytes) -> None:
    with writer:
        await writer.write_all(content)


def done():
    return wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))[1]
