"""Adds a token to every request that this handler is bound to.

The policy says for which hosts that is, and grants the secret named API_TOKEN; the workload never sees it, and whatever it
sent under that name goes first.
"""

from proxy_everything import Context, Env, Request, Response, fetch as send


async def fetch(request: Request, env: Env, ctx: Context) -> Response:
    request.headers["authorization"] = f"Bearer {env.API_TOKEN}"
    return await send(request)
