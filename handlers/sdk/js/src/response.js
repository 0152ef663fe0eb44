// Response, and what becomes of one when it leaves the handler.

import { Body, Message } from './body.js';
import { Headers } from './headers.js';

const PARTS = Symbol('a response whose parts are known to be good');
const BODILESS = [204, 205, 304]; // Fetch standard, "null body status"
const REDIRECTS = [301, 302, 303, 307, 308];

export class Response extends Message {
  #status;
  #statusText;
  #headers;
  #type = 'default';
  #request;

  constructor(body = null, init = {}) {
    const parts = body === PARTS ? init : partsOf(body, init);
    super(parts.body);
    this.#status = parts.status;
    this.#statusText = parts.statusText;
    this.#headers = parts.headers;
    this.#request = parts.request;
  }

  // `request`: the one that it answers.
  static fromHost(record, request) {
    const { status, headers, body } = record;
    const parts = { status, statusText: '', headers: Headers.fromHost(headers), body: Body.fromHost(body), request };
    return new Response(PARTS, parts);
  }

  // The host's record, and what is to be done for its body when it has been answered with.
  static toHost(response, piped) {
    const { payload, feed } = Body.toHost(Message.bodyOf(response), piped);
    return { record: { ...headOf(response), body: payload }, feed };
  }

  // The same with a body that is there already.
  static toReply(response) {
    return { ...headOf(response), body: Message.bodyOf(response)?.bytes() ?? new Uint8Array(0) };
  }

  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new Response(JSON.stringify(data), { ...init, headers });
  }

  static redirect(url, status = 302) {
    if (!REDIRECTS.includes(status)) throw new RangeError(`${status} is not a redirect`);
    return new Response(null, { status, headers: { location: String(url) } });
  }

  static error() {
    const response = new Response();
    response.#type = 'error';
    return response;
  }

  get status() {
    return this.#type === 'error' ? 0 : this.#status;
  }

  get statusText() {
    return this.#statusText;
  }

  get ok() {
    return this.status >= 200 && this.status <= 299;
  }

  get headers() {
    return this.#headers;
  }

  get type() {
    return this.#type;
  }

  get url() {
    return this.#request?.url ?? '';
  }

  get redirected() {
    return false;
  }

  clone() {
    const body = Message.bodyOf(this)?.twin() ?? null;
    const headers = new Headers(this.#headers);
    return new Response(PARTS, { status: this.#status, statusText: this.#statusText, headers, body, request: this.#request });
  }
}

function headOf(response) {
  if (response.type === 'error') throw new TypeError('the handler returned Response.error()');
  return { status: response.status, headers: Headers.toHost(response.headers) };
}

function partsOf(init, { status = 200, statusText = '', headers: given } = {}) {
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`not a status: ${status}`);
  const headers = new Headers(given);
  const [body, type] = Body.from(init);
  if (body !== null && BODILESS.includes(status)) throw new TypeError(`${status} has no body`);
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
  return { status, statusText: String(statusText), headers, body };
}
