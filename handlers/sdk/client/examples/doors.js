// Doors that are opened for one job and shut behind it: named handlers, chosen while the sandbox runs.

import { Sandbox } from '@proxy-everything/client';

export class Doors extends Sandbox {
  static outboundByHost = {
    'whoami.test': (request, env, ctx) => Response.json({ id: ctx.containerId, class: ctx.className }),
  };
}

Doors.outboundHandlers = {
  /** Only the hosts of `params.open`. */
  someDoors(request, env, ctx) {
    if (ctx.params.open.includes(new URL(request.url).hostname)) return fetch(request);
    return new Response('this door is shut\n', { status: 403 });
  },

  /** Whatever the policy lets pass, with a token that the sandbox does not have. */
  withToken(request, env) {
    const authorised = new Request(request);
    authorised.headers.set('x-auth-token', env.API_TOKEN);
    return fetch(authorised);
  },

  noDoor: () => new Response('all doors are shut\n', { status: 403 }),
};

/** Fetches `source` through the one door that it needs, then shuts all and works. */
export async function job(doors, id, source) {
  const sandbox = await doors.getByName(id);
  await sandbox.setOutboundHandler('someDoors', { open: [new URL(source).hostname] });
  await sandbox.gitClone(source, { directory: 'source' });
  await sandbox.setOutboundHandler('noDoor');
  return sandbox;
}
