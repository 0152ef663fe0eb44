"""From the exports that the host calls to the functions of the user's module. The entry that `build.py` writes uses it."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from componentize_py_types import Err

from . import _log
from .context import Context
from .env import Env
from .filter import Deny, Edit, Reply, RequestHead, ResponseHead
from .headers import Headers
from .message import Request, Response


@cache
def _start() -> None:
    """What an instance does once: the component is a snapshot of the build, its random state too."""
    random.seed()
    _log.install()


def _failed(error: BaseException) -> Err:
    return Err("".join(traceback.format_exception(error)))


async def handle(fetch: Callable[[Request, Env, Context], Awaitable[Response]], record: Any) -> Any:
    """One request through a handler."""
    _start()
    try:
        ctx = Context()
        response = await fetch(Request._from_host(record), Env(), ctx)
        if not isinstance(response, Response):
            raise TypeError(f"fetch returned a {type(response).__name__}, not a Response")
        return await _answer(response, ctx)
    except Exception as error:
        raise _failed(error) from None


async def _answer(response: Response, ctx: Context) -> Any:
    from wit_world.imports import http as host, types

    from .http import payload

    body, pairs = response.body, response.headers.pairs()
    if body is not None and not isinstance(body._source, (bytes, types.Body, type(None))):
        sink, stream = host.pipe()
        with sink:
            host.respond(types.Response(response.status, pairs, types.Payload_Stream(stream)))
            async for chunk in body:
                if chunk:
                    sink.write(chunk)
            sink.finish()
    else:
        answer = types.Response(response.status, pairs, await payload(body))
        if not ctx._later:
            return answer
        host.respond(answer)
    await asyncio.gather(*ctx._later)
    # Dropped: the answer is given.
    return types.Response(200, [], types.Payload_Empty())


async def tail(hear: Callable[..., Awaitable[None]], events: list[Any]) -> None:
    """Some finished exchanges for a tail."""
    from .tail import Event, Line

    _start()
    try:
        ctx = Context()
        heard = [
            Event(e.record, [Line(line.handler, line.level.name.lower(), line.message) for line in e.logs])
            for e in events
        ]
        await hear(heard, Env(), ctx)
        await asyncio.gather(*ctx._later)
    except Exception as error:
        raise _failed(error) from None


def on_request(judge: Callable[..., Any], head: Any) -> Any:
    """The head of a request for a filter."""
    _start()
    try:
        return _action(judge(_request_head(head), Env(), Context()))
    except Exception as error:
        raise _failed(error) from None


def on_response(judge: Callable[..., Any], request: Any, head: Any) -> Any:
    """The head of a response for a filter."""
    _start()
    try:
        response = ResponseHead(head.status, Headers._from_host(head.headers))
        return _action(judge(_request_head(request), response, Env(), Context()))
    except Exception as error:
        raise _failed(error) from None


def _request_head(head: Any) -> RequestHead:
    headers = Headers._from_host(head.headers)
    return RequestHead(head.method, head.scheme, head.authority, head.path, headers)


def _action(result: Any) -> Any:
    from wit_world.imports import filtering

    match result:
        case None:
            return filtering.Action_Pass()
        case Edit(set, remove, path):
            names = [name.lower() for name in remove]
            return filtering.Action_Forward(filtering.Edit(names, Headers(set).pairs(), path))
        case Reply(body, status, headers):
            content = body.encode() if isinstance(body, str) else bytes(body)
            return filtering.Action_Respond(filtering.Reply(status, Headers(headers).pairs(), content))
        case Deny(reason):
            return filtering.Action_Deny(reason)
        case other:
            raise TypeError(f"a filter returns None, Edit, Reply or Deny, not {type(other).__name__}")
