// Which kind of component a module is, which of its functions runs, and what filters and tails are given and give.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Container, Sandbox, WorkerEntrypoint } from '../src/classes.js';
import * as filters from '../src/entry/filter.js';
import { exportsOf, worldOf } from '../src/entry/handler.js';
import * as tails from '../src/entry/tail.js';
import { framesOf, wordsOf } from '../src/errors.js';
import { globMatches } from '../src/glob.js';
import { Host, request, textOf } from './host.mjs';

const says = (text) => () => new Response(text);

test('a module is what it exports', () => {
  class Box extends Container {}
  class Entry extends WorkerEntrypoint {
    fetch() {}
  }
  class Tail extends WorkerEntrypoint {
    tail() {}
  }
  const run = () => {};
  const cases = [
    [{ default: { fetch: run } }, 'handler'],
    [{ Box }, 'handler'],
    [{ Box, default: { fetch: run, tail: run } }, 'handler'],
    [{ Entry }, 'handler'],
    [{ default: Entry }, 'handler'],
    [{ default: { onRequest: run } }, 'request-filter'],
    [{ default: { onResponse: run } }, 'response-filter'],
    [{ default: { onRequest: run, onResponse: run } }, 'filter'],
    [{ default: { tail: run } }, 'tail'],
    [{ Tail }, 'tail'],
  ];
  for (const [module, world] of cases) assert.equal(worldOf(module), world);
  for (const module of [{}, { default: {} }, { default: 1, helper: run }]) assert.throws(() => worldOf(module), TypeError);
});

async function answer(module, info, url) {
  new Host({ info });
  const { handle } = exportsOf(module);
  return textOf((await handle(request(url))).body);
}

test('the handler that the policy names is the function that runs', async () => {
  class Box extends Sandbox {
    static outboundByHost = { 'a.test': says('by host'), '*.b.test': says('by glob') };
    static outbound = says('outbound');
  }
  Box.outboundHandlers = { named: says('named') };
  class Speaker extends WorkerEntrypoint {
    fetch(incoming) {
      return new Response(`${this.ctx.props.says} ${new URL(incoming.url).host} ${this.env.X === undefined}`);
    }
  }
  const module = { Box, Speaker };
  const cases = [
    [{ handlerName: 'named' }, 'https://a.test/', 'named'],
    [{ handlerName: '_host_0' }, 'https://elsewhere.test/', 'by host'],
    [{ handlerName: '_outbound' }, 'https://a.test/', 'outbound'],
    [{ handlerName: 'Speaker', params: '{"says":"hello"}' }, 'https://a.test/', 'hello a.test true'],
    [{ handlerName: 'app' }, 'https://a.test/', 'by host'],
    [{ handlerName: 'app' }, 'https://x.b.test/', 'by glob'],
    [{ handlerName: 'app' }, 'https://b.test/', 'outbound'],
    [{ handlerName: 'app', className: 'Unknown' }, 'https://a.test/', 'by host'],
  ];
  for (const [info, url, expected] of cases) assert.equal(await answer(module, info, url), expected, JSON.stringify(info));
});

test('exact hosts come before globs, and globs in their order', async () => {
  class Box extends Container {
    static outboundByHost = { '*.test': says('first'), '*.b.test': says('second'), 'a.b.test': says('exact') };
  }
  assert.equal(await answer({ Box }, {}, 'https://a.b.test/'), 'exact');
  assert.equal(await answer({ Box }, {}, 'https://c.b.test/'), 'first');
  await assert.rejects(answer({ Box }, {}, 'https://b.example/'), (words) => /no function for b.example/.test(words));
});

test('each class has its own functions, and a front end is not asked', async () => {
  class One extends Container {
    static outbound = says('one');
  }
  class Two extends Container {
    static outbound = says('two');
  }
  const module = { One, Two, default: { fetch: says('front') } };
  assert.equal(await answer(module, { className: 'Two' }), 'two');
  assert.equal(await answer(module, { className: 'Third' }), 'front');
  assert.equal(await answer({ default: { fetch: says('plain') } }, { handlerName: 'fetch' }), 'plain');
  class Main extends WorkerEntrypoint {
    fetch() {
      return new Response('entry');
    }
  }
  assert.equal(await answer({ default: Main }), 'entry');
  class Only extends Container {}
  await assert.rejects(answer({ Only }), (words) => /nothing for the class Box/.test(words));
});

test('host patterns', () => {
  const target = { scheme: 'https', host: 'a.b.test', port: '' };
  for (const pattern of ['a.b.test', 'A.B.test', '*.test', '*', 'https://*.b.test', 'a.b.test:443', 'https://a.b.test:443']) {
    assert.ok(globMatches(pattern, target), pattern);
  }
  for (const pattern of ['b.test', '*.a.b.test', 'http://a.b.test', 'a.b.test:80', 'axb.test', 'a.b.test.example', 'a.b.test/']) {
    assert.ok(!globMatches(pattern, target), pattern);
  }
  assert.ok(globMatches('[::1]:8080', { scheme: 'http', host: '[::1]', port: '8080' }));
});

const head = (headers = []) => ({ method: 'GET', scheme: 'https', authority: 'api.test', path: '/x?y=1', headers });

test('a filter\u2019s answers', () => {
  const answers = [
    [undefined, { tag: 'pass' }],
    ['pass', { tag: 'pass' }],
    [{ set: { 'X-A': ' b ' }, remove: 'Cookie' }, { tag: 'forward', val: { remove: ['cookie'], set: [['x-a', 'b']], path: null } }],
    [{ path: '/z' }, { tag: 'forward', val: { remove: [], set: [], path: '/z' } }],
    [{ deny: 'no' }, { tag: 'deny', val: 'no' }],
    [{ deny: true }, { tag: 'deny', val: null }],
    [{ status: 418, body: 'tea' }, { tag: 'respond', val: { status: 418, headers: [], body: new Uint8Array([0x74, 0x65, 0x61]) } }],
  ];
  for (const [result, action] of answers) {
    new Host();
    assert.deepEqual(filters.exportsOf({ default: { onRequest: () => result } }).onRequest(head()), action);
  }
  const { onRequest } = filters.exportsOf({ default: { onRequest: () => new Response('no', { status: 403 }) } });
  const { tag, val } = onRequest(head());
  assert.deepEqual([tag, val.status, val.headers, Buffer.from(val.body).toString()], ['respond', 403, [['content-type', 'text/plain;charset=UTF-8']], 'no']);
});

test('what a filter cannot answer is an error', () => {
  for (const result of [Promise.resolve(), { sett: {} }, { set: { 'a b': 'c' } }, { set: { a: 'b\r\nc' } }]) {
    new Host();
    const { onRequest } = filters.exportsOf({ default: { onRequest: () => result } });
    assert.throws(() => onRequest(head()), (words) => /^TypeError: /.test(words));
  }
});

test('a filter sees heads, env and ctx', () => {
  new Host({ granted: { TOKEN: ['secret', 's'] }, info: { params: '{"p":1}' } });
  const seen = [];
  const module = {
    default: {
      onRequest: (one, env, ctx) => void seen.push(one.method, one.url, one.headers.get('a'), env.TOKEN, ctx.params.p, ctx.containerId),
      onResponse: (one) => void seen.push(one.status, one.headers.get('b'), one.request.path),
    },
  };
  const { onRequest, onResponse } = filters.exportsOf(module);
  onRequest(head([['a', '1']]));
  onResponse(head(), { status: 204, headers: [['b', '2']] });
  assert.deepEqual(seen, ['GET', 'https://api.test/x?y=1', '1', 's', 1, 'c1', 204, '2', '/x?y=1']);
});

test('a tail hears of what is over', async () => {
  const host = new Host({ info: { params: '{"id":"t1"}' } });
  class Tail extends WorkerEntrypoint {
    async tail(events) {
      for (const event of events) for (const log of event.logs) console.log(this.ctx.props.id, event.record.status, log.level, log.message);
    }
  }
  const { tail } = tails.exportsOf({ Tail });
  await tail([{ record: '{"status":200}', logs: [{ handler: 'h', level: 'warn', message: 'm' }] }, { record: '{}', logs: [] }]);
  assert.deepEqual(host.log, [['info', 't1 200 warn m']]);
  const failing = tails.exportsOf({ default: { tail: () => Promise.reject(new Error('lost')) } });
  await assert.rejects(failing.tail([]), (words) => /^Error: lost/.test(words));
});

test('stacks name the program\u2019s own lines, and nothing else', () => {
  globalThis.__handlerLines = { files: ['index.ts', 'lib/a.ts'], runs: [[10, 5, 0, 3], [15, 2, 1, 40]] };
  const stack = '    at inner (componentize-qjs:user.js:16:3)\n    at <anonymous> (componentize-qjs:user.js:12:1)\n    at sdk (componentize-qjs:user.js:2:77)\n    at native\n';
  assert.equal(framesOf(stack), '    at inner (lib/a.ts:41)\n    at <anonymous> (index.ts:5)');
  const error = new TypeError('wrong', { cause: 'that' });
  error.stack = stack;
  assert.equal(wordsOf(error), 'TypeError: wrong\n    at inner (lib/a.ts:41)\n    at <anonymous> (index.ts:5)\ncaused by that');
  delete globalThis.__handlerLines;
});

test('a context tells nothing of the calls after its own', async () => {
  const held = [];
  const hold = (_request, _env, ctx) => {
    held.push(ctx);
    if (held.length === 2) ctx.requestId;
    return new Response('');
  };
  const { handle } = exportsOf({ default: { fetch: hold } });
  for (const requestId of ['one', 'two', 'three']) {
    new Host({ info: { requestId } });
    await handle(request('https://a.test/'));
  }
  // The first call of all asks which function is meant.
  assert.deepEqual(held.map((ctx) => ctx.requestId), ['one', 'two', '']);
});
