// Hosts that do not exist: one for values, one for files, each container with a folder of its own. `VALUES` is a key-value
// store, `FILES` a bucket.

import { Container } from '@proxy-everything/handler';

const keyOf = (request) => decodeURIComponent(new URL(request.url).pathname.slice(1));

export class Stores extends Container {
  static outboundByHost = {
    'values.internal': async (request, env) => {
      if (request.method === 'PUT') {
        await env.VALUES.put(keyOf(request), await request.text());
        return new Response(null, { status: 204 });
      }
      const value = await env.VALUES.get(keyOf(request));
      return new Response(value ?? 'no such value\n', { status: value === null ? 404 : 200 });
    },

    'files.internal': async (request, env, ctx) => {
      const key = `${ctx.containerId}/${keyOf(request)}`;
      if (request.method === 'PUT') {
        // The bytes go from the workload to the bucket without passing through here.
        const { etag } = await env.FILES.put(key, request.body);
        return Response.json({ etag });
      }
      const file = await env.FILES.get(key);
      if (file === null) return new Response('no such file\n', { status: 404 });
      const headers = new Headers();
      file.writeHttpMetadata(headers);
      return new Response(file.body, { headers });
    },
  };
}
