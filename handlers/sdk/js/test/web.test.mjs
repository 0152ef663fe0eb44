// The rest of the Web platform, against known answers.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';

import { text } from '../src/console.js';
import { Host, run, textOf } from './host.mjs';

const utf8 = (string) => new TextEncoder().encode(string);
const hex = (buffer) => Buffer.from(buffer).toString('hex');

test('digests and HMAC are those of other implementations', async () => {
  new Host();
  for (const [name, other] of [['SHA-1', 'sha1'], ['SHA-256', 'sha256'], ['SHA-384', 'sha384'], ['SHA-512', 'sha512']]) {
    assert.equal(hex(await crypto.subtle.digest(name, utf8('gr\u00fc\u00df'))), createHash(other).update('gr\u00fc\u00df').digest('hex'), name);
    const key = await crypto.subtle.importKey('raw', utf8('key'), { name: 'HMAC', hash: name }, true, ['sign', 'verify']);
    const signed = await crypto.subtle.sign('HMAC', key, utf8('data'));
    assert.equal(hex(signed), createHmac(other, 'key').update('data').digest('hex'), name);
    assert.equal(await crypto.subtle.verify('HMAC', key, signed, utf8('data')), true);
    assert.equal(await crypto.subtle.verify('HMAC', key, signed, utf8('date')), false);
    assert.equal(await crypto.subtle.verify('HMAC', key, signed.slice(1), utf8('data')), false);
    assert.equal(Buffer.from(await crypto.subtle.exportKey('raw', key)).toString(), 'key');
  }
});

test('what the keys are not for is refused', async () => {
  new Host();
  const key = await crypto.subtle.importKey('raw', utf8('key'), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
  await assert.rejects(crypto.subtle.sign('HMAC', key, utf8('')), { name: 'InvalidAccessError' });
  await assert.rejects(crypto.subtle.exportKey('raw', key), { name: 'InvalidAccessError' });
  await assert.rejects(crypto.subtle.digest('MD5', utf8('')), { name: 'NotSupportedError' });
  await assert.rejects(crypto.subtle.importKey('raw', utf8('k'), 'AES-GCM', false, []), { name: 'NotSupportedError' });
});

test('random numbers are the host\u2019s', () => {
  new Host();
  assert.deepEqual([...crypto.getRandomValues(new Uint16Array(2))], [0xffff, 0xffff]);
  assert.equal(crypto.randomUUID(), 'ffffffff-ffff-4fff-bfff-ffffffffffff');
  assert.throws(() => crypto.getRandomValues(new Uint8Array(65537)), { name: 'QuotaExceededError' });
});

test('text in pieces is the text', () => {
  const bytes = utf8('\ufeffa\u00fc\u20ac\u{1f642}\ufeff');
  for (let cut = 0; cut <= bytes.length; cut++) {
    const decoder = new TextDecoder();
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)].map((part) => decoder.decode(part, { stream: true }));
    assert.equal(parts.join('') + decoder.decode(), 'a\u00fc\u20ac\u{1f642}\ufeff', `cut at ${cut}`);
  }
  const decoder = new TextDecoder();
  assert.equal(decoder.decode(new Uint8Array([0x61, 0xe2, 0x82]), { stream: true }), 'a');
  assert.equal(decoder.decode(), '\ufffd');
  assert.equal(decoder.decode(new Uint8Array([0xff, 0x62, 0xc0]), { stream: true }), '\ufffdb\ufffd');
});

test('console writes what was meant', () => {
  class Box {
    constructor() {
      this.inner = { deep: [1, new Map([['a', 1n]])] };
    }
  }
  const round = {};
  round.self = round;
  const cases = [
    [['a', 1, true, null, undefined], 'a 1 true null undefined'],
    [['%s has %d of %i%%', 'x', '3', 4.7, 'more'], 'x has 3 of 4% more'],
    [['%s', 'only'], 'only'],
    [['100%'], '100%'],
    [['%d %s', 1], '1 %s'],
    [[new Box()], 'Box {inner:{deep:[1,Map {a:1n}]}}'],
    [[round], '{self:[above]}'],
    [[new Uint8Array(3), new Set(['a'])], '[3 bytes] ["a"]'],
    [[{ f() {}, d: new Date(0) }], '{f:[function f],d:1970-01-01T00:00:00.000Z}'],
    [[{ a: { b: { c: { d: {} } } } }], '{a:{b:{c:{d:{...}}}}}'],
    [[new Headers({ a: 'b' })], 'Headers {a:"b"}'],
  ];
  for (const [words, expected] of cases) assert.equal(text(words), expected);
});

test('levels of the log', async () => {
  const host = new Host();
  await run(() => {
    for (const level of ['debug', 'log', 'info', 'warn', 'error']) console[level](level);
    console.assert(true, 'fine');
    console.assert(false, 'broken');
    return new Response();
  });
  const levels = [['debug', 'debug'], ['info', 'log'], ['info', 'info'], ['warn', 'warn'], ['error', 'error'], ['error', 'assertion failed: broken']];
  assert.deepEqual(host.log, levels);
});

test('events and signals', () => {
  new Host();
  const seen = [];
  const target = new EventTarget();
  const listener = (event) => seen.push(event.detail);
  target.addEventListener('a', listener);
  target.addEventListener('a', listener);
  target.addEventListener('a', { handleEvent: () => seen.push('once') }, { once: true });
  const off = new AbortController();
  target.addEventListener('a', () => seen.push('off'), { signal: off.signal });
  off.abort();
  target.dispatchEvent(new CustomEvent('a', { detail: 1 }));
  target.dispatchEvent(new CustomEvent('a', { detail: 2 }));
  target.removeEventListener('a', listener);
  target.dispatchEvent(new CustomEvent('a', { detail: 3 }));
  assert.deepEqual(seen, [1, 'once', 2]);
  const [one, other] = [new AbortController(), new AbortController()];
  const any = AbortSignal.any([one.signal, other.signal]);
  any.onabort = () => seen.push('any');
  other.abort('reason');
  one.abort('later');
  assert.deepEqual([any.aborted, any.reason, seen.at(-1), seen.length], [true, 'reason', 'any', 4]);
  assert.throws(() => AbortSignal.abort().throwIfAborted(), { name: 'AbortError' });
});

test('copies share nothing', () => {
  const one = { list: [1], map: new Map([['a', new Set([1])]]), at: new Date(5), bytes: new Uint8Array([1]) };
  one.self = one;
  const copy = structuredClone(one);
  copy.list.push(2);
  copy.bytes[0] = 2;
  assert.deepEqual([one.list, one.bytes[0], copy.self === copy, copy.map.get('a').has(1), copy.at.getTime()], [[1], 1, true, true, 5]);
});

test('messages as the standard has them', async () => {
  new Host();
  const headers = new Headers([['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['X-A', ' 1 '], ['x-a', '2']]);
  assert.deepEqual([headers.getSetCookie(), headers.get('x-a'), [...headers.keys()]], [['a=1', 'b=2'], '1, 2', ['set-cookie', 'set-cookie', 'x-a']]);
  const answer = await run(async () => {
    const request = new Request('https://x.test/a', { method: 'post', body: new Blob(['ab'], { type: 'x/y' }) });
    const copy = new Request(request, { headers: { 'x-b': '1' } });
    return Response.json([request.headers.get('content-type'), copy.headers.get('content-type'), await copy.text(), copy.signal.aborted]);
  });
  assert.deepEqual(JSON.parse(textOf(answer.body)), ['x/y', null, 'ab', false]);
});
