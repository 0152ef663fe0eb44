// A host in memory, with a clock of its own that moves only when the guest waits.

import { exportsOf } from '../src/entry/handler.js';

const bytes = (text) => (typeof text === 'string' ? Uint8Array.from(Buffer.from(text)) : text);

/** A body of these pieces, as the host holds one. `opened` says whether any was read. */
export function held(...pieces) {
  const rest = pieces.map(bytes);
  const body = {
    opened: false,
    disposed: false,
    read() {
      body.opened = true;
      const piece = rest.shift() ?? new Uint8Array(0);
      if (piece instanceof Error) throw piece.message;
      return piece;
    },
    [Symbol.dispose]: () => (body.disposed = true),
  };
  return { tag: 'stream', val: body };
}

export const whole = (text) => ({ tag: 'bytes', val: bytes(text) });

/** The text of a payload that left the guest. */
export function textOf({ tag, val }) {
  if (tag === 'empty') return '';
  if (tag === 'bytes') return Buffer.from(val).toString();
  const all = [];
  for (let piece = val.read(65536); piece.length > 0; piece = val.read(65536)) all.push(piece);
  return Buffer.concat(all).toString();
}

/**
 * `answer(request, at)`: `{ after, status, headers, body }`, or a text for an error. `granted`: names to
 * `[kind, value]`.
 */
export class Host {
  clock = 0;
  log = [];
  calls = [];
  seen = [];
  answered = null;
  stores = new Map();
  #sent = [];

  constructor({ answer = () => ({}), granted = {}, info = {} } = {}) {
    const info_ = { containerId: 'c1', className: 'Box', handlerName: 'app', matched: '*', requestId: 'r1', source: '', params: 'null', ...info };
    const value = (kind, name) => (granted[name]?.[0] === kind ? granted[name][1] : null);
    this['egress:handler/http@0.1.0'] = {
      fetch: (requests) => requests.map((request) => this.#once(request, answer)),
      send: (request) => this.#send(request, answer),
      next: (timeout) => this.#next(timeout),
      pipe: () => this.#pipe(),
      respond: (response) => this.#respond(response),
    };
    this['egress:handler/context@0.1.0'] = {
      current: () => info_,
      bindings: () => Object.entries(granted).map(([name, [kind]]) => [name, kind]),
    };
    this['egress:handler/secrets@0.1.0'] = { get: (name) => value('secret', name) };
    this['wasi:config/store@0.2.0-rc.1'] = { get: (name) => value('config', name) };
    this['egress:handler/log@0.1.0'] = { write: (level, message) => this.log.push([level, message]) };
    this['egress:handler/rate-limit@0.1.0'] = { limit: (name, key) => granted[name][1](key) };
    this['wasi:random/random@0.2.6'] = { getRandomBytes: (length) => new Uint8Array(length).fill(0xff) };
    this['egress:handler/blobstore@0.1.0'] = granted.BUCKET?.[1];
    this.#keyvalue();
    globalThis.host = this;
    globalThis.performance = { now: () => this.clock };
  }

  #result(made) {
    if (typeof made === 'string') return { tag: 'err', val: made };
    const { status = 200, headers = [], body = { tag: 'empty' } } = made;
    return { tag: 'ok', val: { status, headers, body } };
  }

  #once(request, answer) {
    this.calls.push('fetch');
    this.seen.push(request);
    const made = answer(request, this.clock);
    this.clock += made.after ?? 0;
    return this.#result(made);
  }

  #send(request, answer) {
    this.calls.push('send');
    this.seen.push(request);
    const number = this.seen.length;
    // What answers is asked when the response is due, so that it finds what was written until then.
    const { after = 0 } = request.after ?? answer(request, this.clock);
    this.#sent.push({ number, due: this.clock + after, make: () => this.#result(answer(request, this.clock)) });
    this.#sent.sort((one, other) => one.due - other.due);
    return number;
  }

  #next(timeout) {
    this.calls.push(`next ${timeout}`);
    const first = this.#sent[0];
    const until = timeout === null ? Infinity : this.clock + timeout;
    if (first === undefined || first.due > until) {
      if (until === Infinity) throw new Error('waits for nothing');
      this.clock = until;
      return null;
    }
    this.#sent.shift();
    this.clock = Math.max(this.clock, first.due);
    return [first.number, first.make()];
  }

  // Nobody waits here: what is written can be read at once, and the end is seen when it was said.
  #pipe() {
    const pieces = [];
    let over = false;
    const sink = {
      write: (piece) => {
        if (this.deaf) throw 'nobody reads';
        pieces.push(piece);
      },
      finish: () => (over = true),
      [Symbol.dispose]() {},
    };
    const read = () => {
      if (pieces.length > 0) return pieces.shift();
      if (!over) throw 'broken off';
      return new Uint8Array(0);
    };
    return [sink, { read, [Symbol.dispose]() {} }];
  }

  #respond(response) {
    if (this.answered !== null) throw 'answered already';
    this.answered = { response, at: this.clock };
  }

  #keyvalue() {
    const store = (name) => this.stores.get(name) ?? this.stores.set(name, new Map()).get(name);
    const bucket = (name) => {
      if (name === 'GONE') throw { payload: { tag: 'no-such-store' } };
      const map = store(name);
      const page = 2;
      return {
        map,
        get: (key) => map.get(key) ?? null,
        set: (key, value) => void map.set(key, value),
        delete: (key) => void map.delete(key),
        exists: (key) => map.has(key),
        listKeys: (cursor) => {
          const from = cursor ?? 0;
          const keys = [...map.keys()].slice(from, from + page);
          return { keys, cursor: from + page < map.size ? from + page : null };
        },
        [Symbol.dispose]() {},
      };
    };
    const add = ({ map }, key, by) => {
      const sum = Number(Buffer.from(map.get(key) ?? '0').toString()) + by;
      map.set(key, bytes(String(sum)));
      return sum;
    };
    this['wasi:keyvalue/store@0.2.0-draft'] = { open: bucket };
    this['wasi:keyvalue/atomics@0.2.0-draft'] = { increment: add };
    this['wasi:keyvalue/batch@0.2.0-draft'] = {
      getMany: ({ map }, keys) => keys.map((key) => (map.has(key) ? [key, map.get(key)] : null)),
      setMany: ({ map }, pairs) => pairs.forEach(([key, value]) => map.set(key, value)),
    };
  }
}

/** The record of a request. */
export const request = (url = 'https://api.test/', { method = 'GET', headers = [], body = { tag: 'empty' } } = {}) => {
  const { protocol, host, pathname, search } = new URL(url);
  return { method, scheme: protocol.slice(0, -1), authority: host, path: pathname + search, headers, body };
};

/** What a handler answers: the host's record. */
export const run = (fetcher, record = request()) => exportsOf({ default: { fetch: fetcher } }).handle(record);
