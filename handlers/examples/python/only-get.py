"""Lets the workload read but not write: every method but GET and HEAD is refused, and noted in the log.

A filter: it sees heads only, so that no body waits for it.
"""

from proxy_everything import Context, Deny, Env, RequestHead


def on_request(request: RequestHead, env: Env, ctx: Context) -> Deny | None:
    if request.method in ("GET", "HEAD"):
        return None
    print(f"{ctx.container_id} tried {request.method} {request.url}")
    return Deny("only reading is allowed here")
