// URL. Most are plain: http or https, a name, a port, a path; those are cut up by one expression, in a fortieth of the time that the
// whole standard takes. All others, and any that is changed or whose query is taken apart, are those of the polyfill.

import Whole from 'core-js-pure/actual/url/index.js';

// Nothing that the URL standard would change: a name in lower case that is no number, no `.` or `..` segment, nothing to
// be encoded. A port with leading zeros is changed, and so is a default one.
const PLAIN = /^(https?):\/\/((?:[a-z0-9_-]+\.)*[a-z_][a-z0-9_-]*)(?::([1-9][0-9]{0,3}))?(\/[A-Za-z0-9_~!$&()*+,;=:@%/-]*(?:\.[A-Za-z0-9_~!$&()*+,;=:@%-][A-Za-z0-9_~!$&()*+,;=:@%/-]*)*)(\?[A-Za-z0-9_~!$&()*+,;=:@%/?.-]*)?$/;
const DEFAULT_PORTS = { http: '80', https: '443' };

const CHANGEABLE = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

// The parts of a plain URL under the names that the standard has for them; null of any other.
function plain(text) {
  const found = typeof text === 'string' ? PLAIN.exec(text) : null;
  if (found === null) return null;
  const [href, scheme, hostname, port = '', pathname, query = ''] = found;
  // Encoded dots are segments too; a name in punycode is checked by the whole.
  if (port === DEFAULT_PORTS[scheme] || hostname.includes('xn--') || /%2e/i.test(pathname)) return null;
  const protocol = `${scheme}:`;
  const host = port === '' ? hostname : `${hostname}:${port}`;
  const search = query === '?' ? '' : query;
  return { href, origin: `${protocol}//${host}`, protocol, username: '', password: '', host, hostname, port, pathname, search, hash: '' };
}

export class URL {
  // Either the parts of a plain one, or the whole.
  #parts;

  constructor(url, base) {
    const parts = base === undefined ? plain(url) : null;
    this.#parts = parts ?? new Whole(url instanceof URL ? url.href : url, base instanceof URL ? base.href : base);
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

  get #whole() {
    if (!(this.#parts instanceof Whole)) this.#parts = new Whole(this.#parts.href);
    return this.#parts;
  }

  static {
    for (const name of CHANGEABLE) {
      const part = {
        get() {
          return this.#parts[name];
        },
        set(value) {
          this.#whole[name] = value;
        },
      };
      Object.defineProperty(URL.prototype, name, { ...part, configurable: true });
    }
  }

  get origin() {
    return this.#parts.origin;
  }

  // It changes the URL when it is changed.
  get searchParams() {
    return this.#whole.searchParams;
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }
}
