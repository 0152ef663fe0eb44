"""Requests and responses. A body that is only passed on is never read, so that none of it enters the component."""

from __future__ import annotations

import json as _json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Union
from urllib.parse import urlsplit

from componentize_py_types import Err
from wit_world.imports import types

from .headers import Headers, HeadersInit

_CHUNK = 65536  # bytes; the host gives no more at a time
_BODILESS = (204, 205, 304)


class Body:
    """Bytes that the handler made, or a handle to a body that the host holds, or chunks yet to be made."""

    def __init__(self, source: bytes | types.Body | AsyncIterable[bytes]) -> None:
        self._source: bytes | types.Body | AsyncIterable[bytes] | None = source

    @property
    def used(self) -> bool:
        """Whether it was read or passed on: a body goes to one place only."""
        return self._source is None

    def _take(self) -> bytes | types.Body | AsyncIterable[bytes]:
        source, self._source = self._source, None
        if source is None:
            raise RuntimeError("the body is already used")
        return source

    async def __aiter__(self) -> AsyncIterator[bytes]:
        source = self._take()
        if isinstance(source, bytes):
            if source:
                yield source
        elif isinstance(source, types.Body):
            with source:
                while chunk := _read(source):
                    yield chunk
        else:
            async for chunk in source:
                yield chunk


def _read(handle: types.Body) -> bytes:
    try:
        return handle.read(_CHUNK)
    except Err as error:
        raise ConnectionError(f"the body broke off: {error.value}") from None


BodyInit = Union[str, bytes, Body, AsyncIterable[bytes], None]


def _body(init: BodyInit) -> tuple[Body | None, str | None]:
    """Any kind of body that may be given, with its content type if it has one."""
    if init is None or isinstance(init, Body):
        return init, None
    if isinstance(init, str):
        return Body(init.encode()), "text/plain;charset=UTF-8"
    if isinstance(init, (bytes, bytearray, memoryview)):
        return Body(bytes(init)), None
    return Body(init), None


def _from_host(payload: types.Payload) -> Body | None:
    return None if isinstance(payload, types.Payload_Empty) else Body(payload.value)


class Message:
    """What requests and responses have in common."""

    headers: Headers
    body: Body | None

    def __init__(self, body: BodyInit, headers: HeadersInit) -> None:
        self.headers = headers if type(headers) is Headers else Headers(headers)
        self.body, kind = _body(body)
        if kind is not None and "content-type" not in self.headers:
            self.headers["content-type"] = kind

    async def bytes(self) -> bytes:
        """The whole body, in memory."""
        return b"" if self.body is None else b"".join([chunk async for chunk in self.body])

    async def text(self) -> str:
        """The whole body as UTF-8; what is not is replaced."""
        return (await self.bytes()).decode(errors="replace")

    async def json(self) -> Any:
        """The whole body, parsed."""
        return _json.loads(await self.bytes())


class Request(Message):
    """A request. Changes to it are sent when it is fetched."""

    def __init__(
        self, url: str, *, method: str = "GET", headers: HeadersInit = None, body: BodyInit = None
    ) -> None:
        super().__init__(body, headers)
        self.method = method
        self.url = url

    @classmethod
    def _from_host(cls, record: types.Request) -> Request:
        request = cls.__new__(cls)
        Message.__init__(request, _from_host(record.body), Headers._from_host(record.headers))
        request.method = record.method
        request.scheme, request.authority, request.path = record.scheme, record.authority, record.path
        return request

    @property
    def url(self) -> str:
        """The URL. `scheme`, `authority` (host and port) and `path` (with the query) are its parts."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @url.setter
    def url(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"cannot fetch {url!r}")
        if "@" in parts.netloc:
            raise ValueError("a URL with credentials cannot be fetched")
        self.scheme, self.authority = parts.scheme, parts.netloc
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Response(Message):
    """A response. A body of chunks (an async generator of bytes) is sent as it is made."""

    def __init__(self, body: BodyInit = None, *, status: int = 200, headers: HeadersInit = None) -> None:
        super().__init__(body, headers)
        if not 200 <= status <= 599:
            raise ValueError(f"not a status: {status}")
        if self.body is not None and status in _BODILESS:
            raise ValueError(f"{status} has no body")
        self.status = status

    @classmethod
    def _from_host(cls, record: types.Response) -> Response:
        response = cls.__new__(cls)
        Message.__init__(response, _from_host(record.body), Headers._from_host(record.headers))
        response.status = record.status
        return response

    @classmethod
    def json_of(cls, value: Any, *, status: int = 200, headers: HeadersInit = None) -> Response:
        """A response with this value as JSON."""
        headers = Headers(headers)
        headers.setdefault("content-type", "application/json")
        return cls(_json.dumps(value), status=status, headers=headers)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status <= 299
