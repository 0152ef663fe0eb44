// Headers, as a list of [name, value] pairs just as the host gives and takes them: most handlers touch one or two
// headers of a dozen, and a list costs nothing to receive, to copy and to return.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 section 5.6.2
const NOT_A_VALUE = /[\0\r\n]|[^\0-\xff]/; // what a value cannot hold: each character is one byte

// Names that were seen, to what they are: programs name the same few over and over.
const SEEN = new Map();
const MAX_SEEN = 256;

function nameOf(name) {
  const seen = SEEN.get(name);
  if (seen !== undefined) return seen;
  const text = String(name);
  if (!TOKEN.test(text)) throw new TypeError(`not a header name: ${JSON.stringify(text)}`);
  const lower = text.toLowerCase();
  if (typeof name === 'string' && SEEN.size < MAX_SEEN) SEEN.set(name, lower);
  return lower;
}

// NaN, beside a text that is empty, is not blank.
const isBlank = (code) => code === 32 || code === 9 || code === 10 || code === 13;

function valueOf(value) {
  value = String(value);
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1))) {
    value = value.replace(/^[\t\r\n ]+|[\t\r\n ]+$/g, '');
  }
  if (NOT_A_VALUE.test(value)) throw new TypeError('not a header value');
  return value;
}

export class Headers {
  #pairs = [];

  constructor(init) {
    if (init === undefined || init === null) return;
    if (init instanceof Headers) this.#pairs = init.#pairs.slice();
    else if (typeof init[Symbol.iterator] === 'function') for (const [name, value] of init) this.append(name, value);
    else for (const name of Object.keys(init)) this.append(name, init[name]);
  }

  // The host's own pairs: lower case and valid already.
  static fromHost(pairs) {
    const headers = new Headers();
    headers.#pairs = pairs;
    return headers;
  }

  static toHost(headers) {
    return headers.#pairs;
  }

  get(name) {
    name = nameOf(name);
    let found = null;
    for (const pair of this.#pairs) {
      if (pair[0] === name) found = found === null ? pair[1] : `${found}, ${pair[1]}`;
    }
    return found;
  }

  getSetCookie() {
    return this.#pairs.filter((pair) => pair[0] === 'set-cookie').map((pair) => pair[1]);
  }

  has(name) {
    name = nameOf(name);
    return this.#pairs.some((pair) => pair[0] === name);
  }

  append(name, value) {
    this.#pairs.push([nameOf(name), valueOf(value)]);
  }

  set(name, value) {
    name = nameOf(name);
    value = valueOf(value);
    const pairs = this.#pairs;
    let first = 0;
    while (first < pairs.length && pairs[first][0] !== name) first++;
    // A new pair, because copies of these headers share the old one.
    const last = pairs.length - 1;
    pairs[first] = [name, value];
    if (first < last) this.#pairs = pairs.filter((pair, at) => at <= first || pair[0] !== name);
  }

  delete(name) {
    name = nameOf(name);
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== name);
  }

  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }

  // Sorted, with the values of one name joined; only cookies cannot be joined.
  *entries() {
    const names = [...new Set(this.#pairs.map((pair) => pair[0]))].sort();
    for (const name of names) {
      if (name === 'set-cookie') for (const value of this.getSetCookie()) yield [name, value];
      else yield [name, this.get(name)];
    }
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}
