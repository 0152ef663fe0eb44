// env: secrets, settings, stores, buckets, limits, and the state of one instance.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Container, DurableObject } from '../src/classes.js';
import { exportsOf } from '../src/entry/handler.js';
import { Host, held, request, run, textOf, whole } from './host.mjs';

const json = async (fetcher, record) => JSON.parse(textOf((await run(async (...words) => Response.json(await fetcher(...words)), record)).body));

test('secrets and settings are texts, read when they are asked for', async () => {
  const granted = { TOKEN: ['secret', 'one'], REGION: ['config', 'eu'] };
  new Host({ granted });
  const seen = await json((incoming, env) => {
    const before = env.TOKEN;
    granted.TOKEN[1] = 'two';
    return [before, env.TOKEN, env.REGION, typeof env.OTHER, 'TOKEN' in env, 'OTHER' in env, Object.keys(env), { ...env }];
  });
  assert.deepEqual(seen, ['one', 'two', 'eu', 'undefined', true, false, ['TOKEN', 'REGION'], { TOKEN: 'two', REGION: 'eu' }]);
});

test('a key-value store', async () => {
  new Host({ granted: { KV: ['keyvalue'], GONE: ['keyvalue'] } });
  const seen = await json(async (incoming, { KV, GONE }) => {
    await KV.put('text', 'gr\u00fc\u00df');
    await KV.put('json', '{"a":1}');
    await KV.put('stream', new Response('streamed').body);
    const stream = await KV.get('stream', 'stream');
    return [
      await KV.get('text'),
      await KV.get('none'),
      await KV.get('json', { type: 'json' }),
      (await KV.get('text', 'arrayBuffer')).byteLength,
      await new Response(stream).text(),
      [...(await KV.get(['json', 'none'], 'json'))],
      await KV.getWithMetadata('text'),
      [await KV.increment('count'), await KV.increment('count', 4)],
      await KV.delete('text').then(() => KV.get('text')),
      await KV.put('a', 'b', { expirationTtl: 60 }).catch((error) => error.name),
      await GONE.get('a').catch((error) => error.message),
    ];
  });
  const text = 'gr\u00fc\u00df';
  assert.deepEqual(seen, [
    text, null, { a: 1 }, 6, 'streamed', [['json', { a: 1 }], ['none', null]],
    { value: text, metadata: null, cacheStatus: null }, [1, 5], null, 'TypeError', 'no-such-store',
  ]);
});

test('the keys of a store, page by page', async () => {
  new Host({ granted: { KV: ['keyvalue'] } });
  const seen = await json(async (incoming, { KV }) => {
    for (const key of ['a1', 'b1', 'a2', 'a3', 'b2', 'a4', 'a5']) await KV.put(key, key);
    const pages = [];
    let cursor;
    do {
      const page = await KV.list({ prefix: 'a', limit: 2, cursor });
      pages.push(page.keys.map(({ name }) => name));
      cursor = page.list_complete ? undefined : page.cursor;
    } while (cursor !== undefined);
    return [pages, (await KV.list()).keys.length];
  });
  assert.deepEqual(seen, [[['a1', 'a2'], ['a3', 'a4'], ['a5']], 7]);
});

test('a bucket of objects', async () => {
  const object = { key: 'k', size: 8, etag: 'e', contentType: 'text/plain', modified: 1000 };
  const asked = [];
  const BUCKET = {
    get: (...words) => (asked.push(words), words[1] === 'k' ? [object, held('one ', 'two').val] : null),
    head: (name, key) => (key === 'k' ? object : null),
    put: (name, key, value, type) => (asked.push([name, key, textOf(value), type]), object),
    delete: (...words) => void asked.push(words),
    list: (...words) => (asked.push(words), { objects: [object], cursor: 'k' }),
  };
  new Host({ granted: { BUCKET: ['blobstore', BUCKET] } });
  const body = held('kept unread');
  const seen = await json(async (incoming, { BUCKET: bucket }) => {
    const found = await bucket.get('k');
    const headers = new Headers();
    found.writeHttpMetadata(headers);
    await bucket.put('p', incoming.body, { httpMetadata: { contentType: 'a/b' } });
    await bucket.put('q', new ReadableStream({ start: (c) => (c.enqueue(new Uint8Array([0x61])), c.close()) }));
    await bucket.put('r', 'text');
    await bucket.delete(['p', 'q']);
    await bucket.get('k', { range: { suffix: 3 } });
    await bucket.get('k', { range: { offset: 1, length: 2 } });
    await bucket.get('k', { range: new Headers({ range: 'bytes=2-5' }) });
    const page = await bucket.list({ prefix: 'x', limit: 1 });
    const head = await bucket.head('k');
    return [await found.text(), found.size, found.httpEtag, headers.get('content-type'), await bucket.get('none'), page.truncated, page.cursor, head.uploaded];
  }, request('https://api.test/', { method: 'PUT', body }));
  assert.deepEqual(seen, ['one two', 8, '"e"', 'text/plain', null, true, 'k', '1970-01-01T00:00:01.000Z']);
  const n = 'BUCKET';
  assert.deepEqual(asked, [
    [n, 'k', null], [n, 'p', 'kept unread', 'a/b'], [n, 'q', 'a', null], [n, 'r', 'text', 'text/plain;charset=UTF-8'], [n, ['p', 'q']],
    [n, 'k', { offset: 5, length: null }], [n, 'k', { offset: 1, length: 2 }], [n, 'k', { offset: 2, length: 4 }],
    [n, 'x', 1, null], [n, 'none', null],
  ]);
});

test('the body of an object is passed on unread', async () => {
  const { val } = held('big');
  const object = { key: 'k', size: 3, etag: null, contentType: null, modified: 0 };
  new Host({ granted: { BUCKET: ['blobstore', { get: () => [object, val] }] } });
  const answer = await run(async (incoming, env) => new Response((await env.BUCKET.get('k')).body));
  assert.deepEqual([answer.body.val === val, val.opened], [true, false]);
});

test('a rate limit', async () => {
  let left = 1;
  new Host({ granted: { LIMITER: ['rate-limit', () => left-- > 0] } });
  assert.deepEqual(await json(async (incoming, { LIMITER }) => [await LIMITER.limit({ key: 'a' }), await LIMITER.limit({ key: 'a' })]), [
    { success: true },
    { success: false },
  ]);
});

test('state of one instance, by the methods of its class', async () => {
  class MyContainer extends Container {
    static outbound = async (incoming, env, ctx) => {
      const id = env.MY_CONTAINER.idFromString(ctx.containerId);
      return env.MY_CONTAINER.get(id).answer(incoming.body);
    };
    constructor(ctx, env) {
      super(ctx, env);
      ctx.blockConcurrencyWhile(async () => (this.count = (await ctx.storage.get('count')) ?? 0));
    }
    async answer(body) {
      await this.ctx.storage.put('count', this.count + 1);
      return Response.json([this.count, await new Response(body).text(), this.env.WORD, String(this.ctx.id)]);
    }
  }
  class Other extends DurableObject {}
  const host = new Host({ granted: { MY_CONTAINER: ['state'], WORD: ['config', 'w'] }, info: { className: 'MyContainer' } });
  const { handle } = exportsOf({ MyContainer, Other });
  const seen = [];
  for (const text of ['a', 'b']) seen.push(JSON.parse(textOf((await handle(request('https://x.test/', { body: whole(text) }))).body)));
  assert.deepEqual(seen, [[0, 'a', 'w', 'c1'], [1, 'b', 'w', 'c1']]);
  assert.deepEqual([...host.stores.keys()], ['MY_CONTAINER']);
});

test('the state of another instance cannot be had', async () => {
  new Host({ granted: { STATE: ['state'] } });
  const attempt = (run) => json((incoming, env) => run(env.STATE) && 'had');
  for (const way of [(state) => state.idFromString('c2'), (state) => state.get('c2'), (state) => state.getByName('c2'), (state) => state.idFromName('')]) {
    await assert.rejects(attempt(way), (words) => /cannot be had by `c1`/.test(words));
  }
});

test('what storage keeps', async () => {
  class State extends DurableObject {
    async all() {
      const { storage } = this.ctx;
      await storage.put({ b: [1], a: { x: null }, c: 'z' });
      const list = async (options) => [...(await storage.list(options)).keys()];
      return [
        await storage.get('a'),
        typeof (await storage.get('none')),
        [...(await storage.get(['a', 'none']))],
        await list(),
        await list({ reverse: true, limit: 2 }),
        await list({ start: 'b', end: 'c' }),
        [await storage.delete('a'), await storage.delete('a'), await storage.delete(['b', 'x'])],
        await storage.put('u', undefined).catch((error) => error.name),
        await storage.deleteAll().then(() => list()),
      ];
    }
  }
  new Host({ granted: { STATE: ['state'] } });
  const fetcher = async (incoming, env, ctx) => Response.json(await env.STATE.getByName(ctx.containerId).all());
  const answer = await exportsOf({ default: { fetch: fetcher }, State }).handle(request());
  assert.deepEqual(JSON.parse(textOf(answer.body)), [
    { x: null }, 'undefined', [['a', { x: null }]], ['a', 'b', 'c'], ['c', 'b'], ['b'], [true, false, 1], 'TypeError', [],
  ]);
});
