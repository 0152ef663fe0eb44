// Fetches and timers side by side: when things come, and in what order the host is asked.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Host, held, request, run, textOf, whole } from './host.mjs';

const late = (after) => (sent) => ({ after, body: whole(sent.path) });

test('one fetch is one call of the host', async () => {
  const host = new Host({ answer: late(5) });
  const answer = await run((incoming) => fetch(incoming));
  assert.deepEqual([host.calls, answer.status, textOf(answer.body)], [['fetch'], 200, '/']);
});

test('fetches that begin at different times run side by side', async () => {
  const host = new Host({ answer: late(30) });
  const step = async (path, ticks) => {
    for (let n = 0; n < ticks; n++) await null;
    return (await fetch(`https://api.test/${path}`)).text();
  };
  const answer = await run(async () => new Response((await Promise.all([step('a', 0), step('b', 3), step('c', 6)])).join()));
  assert.deepEqual([textOf(answer.body), host.clock], ['/a,/b,/c', 30]);
});

test('a race is over with the first', async () => {
  const host = new Host({ answer: ({ path }) => ({ after: Number(path.slice(1)), body: whole(path) }) });
  const answer = await run(() => Promise.race(['90', '20', '50'].map((n) => fetch(`https://api.test/${n}`))));
  assert.deepEqual([textOf(answer.body), host.clock], ['/20', 20]);
});

test('a timer that comes first wins, and the response of the other is dropped', async () => {
  const host = new Host({ answer: late(100) });
  const wait = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));
  const answer = await run(async (incoming) => Promise.race([fetch(incoming), wait(40, new Response('late', { status: 504 }))]));
  assert.deepEqual([answer.status, host.clock], [504, 40]);
});

test('work of many ticks is not held up by a timer that still runs', async () => {
  const host = new Host({ answer: late(10) });
  const answer = await run(async (incoming) => {
    setTimeout(() => {}, 60_000);
    const response = await fetch(incoming);
    for (let n = 0; n < 100; n++) await null;
    return response;
  });
  assert.deepEqual([answer.status, host.clock], [200, 10]);
});

test('a signal gives up', async () => {
  const body = held('never read');
  const host = new Host({ answer: ({ path }) => ({ after: path === '/slow' ? 100 : 200, body }) });
  const answer = await run(async () => {
    const failed = await fetch('https://api.test/slow', { signal: AbortSignal.timeout(25) }).catch((error) => error.name);
    await fetch('https://api.test/slower');
    return new Response(failed);
  });
  assert.deepEqual([textOf(answer.body), host.clock, body.val.disposed, body.val.opened], ['TimeoutError', 225, true, false]);
  const controller = new AbortController();
  controller.abort(new Error('mine'));
  const early = await run(() => fetch('https://api.test/', { signal: controller.signal }).catch((error) => new Response(error.message)));
  assert.deepEqual([textOf(early.body), host.seen.length], ['mine', 2]);
});

test('what was given up is not waited for', async () => {
  const host = new Host({ answer: late(1000) });
  const answer = await run(async (incoming) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    await fetch(incoming, { signal: controller.signal }).catch(() => {});
    for (let n = 0; n < 1000; n++) await null;
    return new Response('done');
  });
  assert.deepEqual([textOf(answer.body), host.clock], ['done', 10]);
});

test('timers fire in order, repeat, and can be taken back', async () => {
  const host = new Host();
  const answer = await run(async () => {
    const seen = [];
    setTimeout(() => seen.push('b20'), 20);
    setTimeout(() => seen.push('a10'), 10);
    clearTimeout(setTimeout(() => seen.push('never'), 5));
    const every = setInterval(() => seen.push('every'), 8);
    await new Promise((resolve) => setTimeout(resolve, 30));
    clearInterval(every);
    await new Promise((resolve) => setTimeout(resolve, 30));
    return new Response(seen.join());
  });
  assert.deepEqual([textOf(answer.body), host.clock], ['every,a10,every,b20,every', 60]);
});

test('a call leaves no timers and no fetches to the next one', async () => {
  const host = new Host({ answer: late(10) });
  const fired = [];
  await run(() => {
    setTimeout(() => fired.push('first'), 5);
    return new Response();
  });
  await run(() => new Promise((resolve) => setTimeout(() => resolve(new Response()), 50)));
  assert.deepEqual([fired, host.clock], [[], 50]);
});

test('outside a call there is nothing to wait for', () => {
  new Host();
  assert.throws(() => setTimeout(() => {}, 1), /outside a call/);
});

test('waitUntil: the workload has its answer first', async () => {
  const host = new Host({ answer: late(70) });
  await run((incoming, env, ctx) => {
    ctx.waitUntil(fetch(incoming).then(() => console.log('told')));
    return new Response('at once');
  });
  assert.deepEqual([textOf(host.answered.response.body), host.answered.at, host.clock], ['at once', 0, 70]);
  assert.deepEqual(host.log, [['info', 'told']]);
});

test('waitUntil: a failure is only logged, and what is over already costs nothing', async () => {
  const host = new Host();
  const answer = await run(async (incoming, env, ctx) => {
    ctx.waitUntil(Promise.reject(new Error('late')));
    for (let n = 0; n < 5; n++) await null;
    return new Response('done');
  });
  assert.deepEqual([textOf(answer.body), host.answered], ['done', null]);
  assert.match(host.log[0][1], /^waitUntil: Error: late/);
});

test('a failed fetch rejects, and an error becomes words for the operator', async () => {
  new Host({ answer: () => 'connection refused' });
  const answer = await run((incoming) => fetch(incoming).catch((error) => new Response(`${error}`)));
  assert.equal(textOf(answer.body), 'TypeError: connection refused');
  await assert.rejects(run((incoming) => fetch(incoming)), (words) => words === 'TypeError: connection refused');
  await assert.rejects(run(() => 'text'), (words) => words === 'TypeError: no Response was returned');
});
