// The exports of a filter, made from `export default { onRequest(head, env, ctx), onResponse(head, env, ctx) }`. A filter
// can wait for nothing: what its functions return is the answer.

import { Context } from './context.js';
import { environment } from './env.js';
import { wordsOf } from './errors.js';
import { Headers } from './headers.js';
import { Response } from './response.js';

const PASS = { tag: 'pass' };

class Head {
  #record;
  #headers;

  constructor(record) {
    this.#record = record;
  }

  get method() {
    return this.#record.method;
  }

  get scheme() {
    return this.#record.scheme;
  }

  /** The host, with the port if it is not the scheme's own. */
  get authority() {
    return this.#record.authority;
  }

  /** With the query. */
  get path() {
    return this.#record.path;
  }

  get url() {
    return `${this.scheme}://${this.authority}${this.path}`;
  }

  get headers() {
    this.#headers ??= Headers.fromHost(this.#record.headers);
    return this.#headers;
  }
}

class ResponseHead {
  #record;
  #headers;

  /** `request`: as the workload sent it. */
  constructor(request, record) {
    this.request = new Head(request);
    this.#record = record;
  }

  get status() {
    return this.#record.status;
  }

  get headers() {
    this.#headers ??= Headers.fromHost(this.#record.headers);
    return this.#headers;
  }
}

// Valid names and values, however they were written.
const pairsOf = (headers) => Headers.toHost(new Headers(headers));
const namesOf = (names) => [names ?? []].flat().map((name) => String(name).toLowerCase());

function bytesOf(body) {
  if (body === undefined || body === null) return new Uint8Array(0);
  return typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);
}

/** The host's action of what a function returned. */
export function actionOf(result) {
  if (result === undefined || result === null || result === 'pass') return PASS;
  if (typeof result.then === 'function') throw new TypeError('a filter cannot wait: its functions are not async');
  if (result instanceof Response) return { tag: 'respond', val: Response.toReply(result) };
  if (result.deny !== undefined) return { tag: 'deny', val: typeof result.deny === 'string' ? result.deny : null };
  if (result.status !== undefined || result.body !== undefined) {
    const { status = 200, headers, body } = result;
    return { tag: 'respond', val: { status, headers: pairsOf(headers), body: bytesOf(body) } };
  }
  const { set, remove, path, ...rest } = result;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw new TypeError(`a filter's answer has no \`${unknown}\``);
  return { tag: 'forward', val: { remove: namesOf(remove), set: pairsOf(set), path: path ?? null } };
}

export function filter(run, head) {
  const env = environment();
  return (...records) => {
    const ctx = new Context();
    try {
      return actionOf(run(head(...records), env, ctx));
    } catch (reason) {
      throw wordsOf(reason);
    } finally {
      Context.end(ctx);
    }
  };
}

export const requestHead = (record) => new Head(record);
export const responseHead = (request, record) => new ResponseHead(request, record);
