// A guest for tests of what takes time: the last part of the path says what to do.

type Action = (request: Request, env: unknown, ctx: { waitUntil(promise: Promise<unknown>): void }) => Response | Promise<Response>;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const at = (request: Request, path: string): string => new URL(path, request.url).href;
const encoder = new TextEncoder();

// Three pieces, each some time after the one before.
function slowly(): ReadableStream<Uint8Array> {
  let count = 0;
  return new ReadableStream({
    async pull(controller) {
      if (++count > 3) return controller.close();
      await wait(5);
      controller.enqueue(encoder.encode(`piece ${count} `));
    },
  });
}

const actions: Record<string, Action> = {
  race: (request) => Promise.race(['/never', '/soon'].map((path) => fetch(at(request, path)))),
  async impatient(request) {
    try {
      return await fetch(at(request, '/never'), { signal: AbortSignal.timeout(20) });
    } catch (error) {
      return new Response((error as Error).name);
    }
  },
  async ticks() {
    const seen: number[] = [];
    const ticking = setInterval(() => seen.push(seen.length), 2);
    while (seen.length < 3) await wait(1);
    clearInterval(ticking);
    return Response.json(seen);
  },
  stream: () => new Response(slowly(), { headers: { 'x-made': 'slowly' } }),
  broken: () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(encoder.encode('half')), pull: () => Promise.reject(new Error('no more')) })),
  upload: (request) => fetch(request.url, { method: 'POST', body: slowly() }),
  later(request, _env, ctx) {
    ctx.waitUntil(wait(10).then(() => fetch(at(request, '/told'))));
    return new Response('at once');
  },
  async sandwich(request) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const write = async (): Promise<void> => {
      const writer = writable.getWriter();
      await writer.write(encoder.encode('['));
      for await (const chunk of (await fetch(at(request, '/soon'))).body as unknown as AsyncIterable<Uint8Array>) await writer.write(chunk);
      await writer.write(encoder.encode(']'));
      await writer.close();
    };
    void write();
    return new Response(readable);
  },
  async crypto() {
    const key = await crypto.subtle.importKey('raw', encoder.encode('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    const hex = (buffer: ArrayBuffer): string => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const sizes = [crypto.randomUUID().length, new Set([crypto.randomUUID(), crypto.randomUUID()]).size];
    const signed = hex(await crypto.subtle.sign('HMAC', key, encoder.encode('data')));
    return Response.json([...sizes, signed, hex(await crypto.subtle.digest('SHA-1', encoder.encode('abc')))]);
  },
  where() {
    deep();
    return new Response();
  },
};

function deep(): never {
  throw new RangeError('too deep');
}

export default {
  fetch: (request: Request, env: unknown, ctx: { waitUntil(promise: Promise<unknown>): void }) =>
    (actions[request.url.split('/').pop() ?? ''] as Action)(request, env, ctx),
};
