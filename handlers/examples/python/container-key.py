"""Gives every instance its own key: the one that the key-value store KEYS holds under the instance's id.

Requests of an instance that has none are refused.
"""

from proxy_everything import Context, Env, Request, Response, fetch as send


async def fetch(request: Request, env: Env, ctx: Context) -> Response:
    key = env.KEYS.get_text(ctx.container_id)
    if key is None:
        return Response("this container has no key\n", status=403)
    request.headers["x-api-key"] = key
    return await send(request)
