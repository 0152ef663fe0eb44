// Programs as their authors write them, for `tsc`: what should be accepted is, what should not is not.

import { Container, DurableObject, Sandbox, WorkerEntrypoint, outboundParams } from '@proxy-everything/handler';
import type { Bucket, Env, Filter, Handler, KeyValue, Namespace, OutboundHandlerContext, RateLimit, TailEvent, TailHandler } from '@proxy-everything/handler';
import { build } from '@proxy-everything/handler/build';

interface Mine {
  KEYS: KeyValue;
  FILES: Bucket;
  LIMITER: RateLimit;
  NOTES: Namespace<Notes>;
  TOKEN: string;
}

class Notes extends DurableObject {
  private count = 0;
  async add(text: string): Promise<number> {
    await this.ctx.storage.put('last', text);
    return ++this.count;
  }
}

export default {
  async fetch(request, env, ctx) {
    const id = env.NOTES.idFromString(ctx.containerId);
    const count: number = await env.NOTES.get(id).add('text');
    const key: string | null = await env.KEYS.get(ctx.containerId);
    const stored = await env.KEYS.get<{ a: number }>('json', 'json');
    const file = await env.FILES.get('file', { range: { suffix: 3 } });
    const { success } = await env.LIMITER.limit({ key: `${key}${count}${stored?.a}` });
    ctx.waitUntil(fetch(request, { signal: AbortSignal.timeout(10) }));
    // @ts-expect-error: values are texts, bytes or streams
    await env.KEYS.put('a', { a: 1 });
    // @ts-expect-error: no such method
    await env.NOTES.get(id).remove();
    return success && ctx.params.open ? new Response(file?.body) : new Response(env.TOKEN, { status: 403 });
  },
} satisfies Handler<{ open: boolean }, Mine>;

export const filter: Filter = {
  onRequest: (head, env) => (head.headers.has('x-a') ? { set: { 'x-b': env.TOKEN }, remove: ['x-a'] } : { deny: 'no x-a' }),
  onResponse: ({ status }) => (status === 500 ? new Response('sorry') : 'pass'),
};

// @ts-expect-error: a filter cannot wait
export const waiting: Filter = { onRequest: async () => 'pass' };

export const tail: TailHandler = { tail: (events) => events.forEach(({ logs }) => console.log(logs.length)) };

class Doors extends Sandbox {
  static outboundByHost = { 'door.test': (request: Request) => fetch(request) };
  allowedHosts = ['door.test'];
}
Doors.outboundHandlers = {
  some: (request: Request, env: Env, ctx: OutboundHandlerContext<{ open: string[] }>) => new Response(ctx.params.open.join() + env.TOKEN),
};
Doors.outbound = (request, env, ctx) => new Response(`${ctx.containerId}${env.TOKEN}`);

export class Layers extends Container {}
// @ts-expect-error: a function answers
Layers.outbound = () => 'text';

export class Speaker extends WorkerEntrypoint<Env, { says: string }> {
  fetch(): Response {
    return new Response(this.ctx.props.says);
  }
  tail(events: TailEvent[]): void {
    console.log(events.length);
  }
}

export const params: { open: string[] } = outboundParams(
  (request: Request, env: Env, ctx: OutboundHandlerContext<{ open: string[] }>) => new Response(ctx.params.open[0]),
  { open: [] },
);
export const built: Promise<void> = build('a.ts', 'a.wasm');
