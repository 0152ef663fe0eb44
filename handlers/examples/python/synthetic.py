"""A host that does not exist: `/whoami` tells the workload who it is, everything else is 404. Nothing is fetched."""

from proxy_everything import Context, Env, Request, Response


async def fetch(request: Request, env: Env, ctx: Context) -> Response:
    if request.path.split("?")[0] != "/whoami":
        return Response("no such page\n", status=404)
    return Response.json_of({"id": ctx.container_id, "class": ctx.class_name})
