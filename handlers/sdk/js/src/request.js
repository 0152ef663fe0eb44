// Request. One that came from the host keeps its URL in the host's three parts: most handlers pass it on unparsed.

import { BodyStream, Message } from './body.js';
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

  constructor(input, init = {}) {
    const parts = input === PARTS ? init : partsOf(input, init);
    super(parts.body);
    this.#method = parts.method;
    this.#target = parts.target;
    this.#headers = parts.headers;
  }

  static fromHost(record) {
    const { method, headers, body } = record;
    const parts = { method, target: record, headers: Headers.fromHost(headers), body: BodyStream.fromHost(body) };
    return new Request(PARTS, parts);
  }

  static toHost(request) {
    const { scheme, authority, path } = request.#target;
    const headers = Headers.toHost(request.#headers);
    return { method: request.#method, scheme, authority, path, headers, body: BodyStream.toHost(request.body) };
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

  clone() {
    const body = this.body?.twin() ?? null;
    return new Request(PARTS, { method: this.#method, target: this.#target, headers: new Headers(this.#headers), body });
  }
}

function partsOf(input, init) {
  const from = input instanceof Request ? input : null;
  const method = init.method === undefined ? (from?.method ?? 'GET') : methodOf(init.method);
  const headers = new Headers(init.headers ?? from?.headers);
  const target = from === null ? targetOf(input) : Request.targetOf(from);
  if (init.body === undefined) return { method, target, headers, body: from?.body ?? null };
  const [body, type] = BodyStream.from(init.body);
  if (body !== null && (method === 'GET' || method === 'HEAD')) throw new TypeError(`${method} has no body`);
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
  return { method, target, headers, body };
}
