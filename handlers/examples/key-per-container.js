// A key of its own for every container, from a store that can be written while all runs: the next request has the new key.
// A container without a key is refused. `KEYS` is a key-value store; its keys are the ids of the containers.

import { Container } from '@proxy-everything/handler';

export class Keys extends Container {
  static outboundByHost = {
    'vcs.example.test': async (request, env, ctx) => {
      const key = await env.KEYS.get(ctx.containerId);
      if (key === null) return new Response('no key for this container\n', { status: 403 });
      const authorised = new Request(request);
      authorised.headers.set('x-auth-token', key);
      return fetch(authorised);
    },
  };
}
