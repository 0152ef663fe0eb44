"""Adds the token to what may be read, and refuses the rest.

The workload never sees the token: it is added here, after the policy has let the request pass.
"""

from proxy_everything import Context, Env, Request, Response, fetch as send


async def fetch(request: Request, env: Env, ctx: Context) -> Response:
    if request.method != "GET":
        print(f"{request.method} {request.url} was refused")
        return Response("only reading is allowed\n", status=405)
    request.headers["authorization"] = f"Bearer {env.API_TOKEN}"
    return await send(request)
