// Request. One that came from the host keeps its URL in the host's three parts: most handlers pass it on unparsed.

import { Body, Message } from './body.js';
import { AbortSignal } from './events.js';
import { Headers } from './headers.js';

const PARTS = Symbol('a request whose parts are known to be good');
const NORMALISED = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']; // Fetch standard, "normalize a method"

function methodOf(method) {
  const upper = String(method).toUpperCase();
  return NORMALISED.includes(upper) ? upper : String(method);
}

function targetOf(input) {
  const url = new URL(String(input));
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`cannot fetch ${url.protocol}`);
  if (url.username || url.password) throw new TypeError('a URL with credentials cannot be fetched');
  return { scheme: url.protocol.slice(0, -1), authority: url.host, path: url.pathname + url.search };
}

export class Request extends Message {
  #method;
  #target;
  #headers;
  #signal;

  constructor(input, init = {}) {
    const parts = input === PARTS ? init : partsOf(input, init);
    super(parts.body);
    this.#method = parts.method;
    this.#target = parts.target;
    this.#headers = parts.headers;
    this.#signal = parts.signal ?? null;
  }

  static fromHost(record) {
    const { method, headers, body } = record;
    const parts = { method, target: record, headers: Headers.fromHost(headers), body: Body.fromHost(body) };
    return new Request(PARTS, parts);
  }

  // The host's record, and what is to be done for its body when it has been sent.
  static toHost(request, piped) {
    const { scheme, authority, path } = request.#target;
    const headers = Headers.toHost(request.#headers);
    const { payload, feed } = Body.toHost(Message.bodyOf(request), piped);
    return { record: { method: request.#method, scheme, authority, path, headers, body: payload }, feed };
  }

  // Null unless the program gave one.
  static signalOf(request) {
    return request.#signal;
  }

  static targetOf(request) {
    return request.#target;
  }

  get method() {
    return this.#method;
  }

  get url() {
    return `${this.#target.scheme}://${this.#target.authority}${this.#target.path}`;
  }

  get headers() {
    return this.#headers;
  }

  // Redirects are the workload's own business: the handler sees them as responses.
  get redirect() {
    return 'manual';
  }

  get signal() {
    this.#signal ??= new AbortSignal();
    return this.#signal;
  }

  clone() {
    const body = Message.bodyOf(this)?.twin() ?? null;
    const headers = new Headers(this.#headers);
    return new Request(PARTS, { method: this.#method, target: this.#target, headers, body, signal: this.#signal });
  }
}

function partsOf(input, init) {
  const from = input instanceof Request ? input : null;
  const method = init.method === undefined ? (from?.method ?? 'GET') : methodOf(init.method);
  const headers = new Headers(init.headers ?? from?.headers);
  const target = from === null ? targetOf(input) : Request.targetOf(from);
  const signal = init.signal === undefined && from !== null ? Request.signalOf(from) : init.signal;
  if (init.body === undefined) return { method, target, headers, signal, body: from === null ? null : Message.bodyOf(from) };
  const [body, type] = Body.from(init.body);
  if (body !== null && (method === 'GET' || method === 'HEAD')) throw new TypeError(`${method} has no body`);
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
  return { method, target, headers, signal, body };
}
