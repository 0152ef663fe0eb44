// A capability instead of a network: the workload reaches this one function, under a host name that does not exist, and
// nothing else (`enableInternet: false`). Who asks is not what the workload says but what the binding says.

import { WorkerEntrypoint } from '@proxy-everything/handler';

export class Directory extends WorkerEntrypoint {
  fetch(request) {
    const { user, teams } = this.ctx.props;
    if (new URL(request.url).pathname === '/teams') return Response.json({ user, teams });
    return new Response('nothing here\n', { status: 404 });
  }
}
