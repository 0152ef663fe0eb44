// A host that does not exist: answers from the handler's params and never touches the network. Requests that are not
// in `params.pages` (a map from path to text) get 404; `/whoami` tells the workload who it is.

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === '/whoami') return Response.json({ id: ctx.containerId, class: ctx.className });
    const page = ctx.params?.pages?.[pathname];
    return page === undefined ? new Response('no such page\n', { status: 404 }) : new Response(page);
  },
};
