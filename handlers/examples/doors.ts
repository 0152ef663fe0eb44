// Doors that are opened for one job and shut behind it: named handlers with params, chosen and changed while all runs, and
// one hook for everything else.

import { Sandbox, type Env, type OutboundHandlerContext } from '@proxy-everything/handler';

interface Open {
  hosts: string[];
}

export class Doors extends Sandbox {
  interceptHttps = true;
}

Doors.outboundHandlers = {
  someDoors(request: Request, _env: Env, ctx: OutboundHandlerContext<Open>) {
    if (ctx.params.hosts.includes(new URL(request.url).hostname)) return fetch(request);
    return new Response('this door is shut\n', { status: 403 });
  },
  noDoor: () => new Response('all doors are shut\n', { status: 403 }),
};

Doors.outbound = (request: Request, _env: Env, ctx: OutboundHandlerContext) => {
  console.log(`${ctx.containerId}: ${request.method} ${request.url}`);
  return fetch(request);
};
