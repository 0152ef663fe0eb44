"""Fetching onward. Fetches that are begun together go out together, as with `asyncio.gather`."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

from componentize_py_types import Ok
from wit_world.imports import http, types

from .headers import HeadersInit
from .message import Body, BodyInit, Request, Response


class FetchError(Exception):
    """A request that could not be sent, or that was not answered."""


_waiting: list[tuple[types.Request, asyncio.Future[Response]]] = []


async def payload(body: Body | None) -> types.Payload:
    """What the host takes for a body. Chunks yet to be made are made."""
    if body is None:
        return types.Payload_Empty()
    source = body._take()
    if isinstance(source, types.Body):
        return types.Payload_Stream(source)
    if not isinstance(source, bytes):
        source = b"".join([chunk async for chunk in source])
    return types.Payload_Bytes(source)


def _flush() -> None:
    batch = list(_waiting)
    _waiting.clear()
    results = http.fetch([request for request, _ in batch])
    for (_, future), result in zip(batch, results):
        if future.cancelled():
            continue
        if isinstance(result, Ok):
            future.set_result(Response._from_host(result.value))
        else:
            future.set_exception(FetchError(result.value))


async def fetch(
    target: Request | str,
    *,
    method: str | None = None,
    headers: HeadersInit = None,
    body: BodyInit = None,
) -> Response:
    """Sends a request, or one made of a URL, and waits for the head of the response.

    The exchange's own host means the rest of the handler chain and in the end the upstream; others must be granted.
    Redirects are not followed. Raises FetchError.
    """
    if isinstance(target, str):
        request = Request(target, method=method or "GET", headers=headers, body=body)
    elif method is None and headers is None and body is None:
        request = target
    else:
        raise TypeError("method, headers and body are for a URL; change the request instead")
    record = types.Request(
        request.method,
        request.scheme,
        request.authority,
        request.path,
        request.headers.pairs(),
        await payload(request.body),
    )
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Response] = loop.create_future()
    if not _waiting:
        # Runs when everything that is ready now had its turn, and so could begin its own fetch.
        loop.call_soon(_flush, context=copy_context())
    _waiting.append((record, future))
    return await future


async def fetch_all(*requests: Request | str) -> list[Response]:
    """Sends all at once and waits for the heads of all responses, in the same order."""
    return await asyncio.gather(*map(fetch, requests))
