"""A component of wasi:http 0.3, made by componentize-py as its users do: sets a header and sends the request onward;
`/hello` it answers itself."""

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
            return hello()
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


def hello() -> Response:
    writer, reader = wit_world.byte_stream()
    componentize_py_async_support.spawn(write(writer, b"hello from Python"))
    none = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(lambda: Ok(None))[1]
    return Response.new(Fields(), reader, none)[0]


async def write(writer, content: bytes) -> None:
    with writer:
        await writer.write_all(content)


def done():
    return wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))[1]
