// Key-value stores: over the host's buckets, what `env.NAME` of a store is, and the storage of one instance's own state.

import { increment } from 'wasi:keyvalue/atomics@0.2.0-draft';
import { getMany, setMany } from 'wasi:keyvalue/batch@0.2.0-draft';
import { open } from 'wasi:keyvalue/store@0.2.0-draft';

import { Body } from './body.js';
import { bufferOf } from './bytes.js';
import { hostError } from './errors.js';

const MOST = 1000; // keys of one page
const text = (bytes) => new TextDecoder().decode(bytes);

/** A bucket whose errors are Errors. */
class Bucket {
  #bucket;

  constructor(name) {
    this.#bucket = () => open(name);
  }

  use(run) {
    let bucket;
    try {
      bucket = this.#bucket();
      return run(bucket);
    } catch (reason) {
      throw hostError(reason);
    } finally {
      bucket?.[Symbol.dispose]?.();
    }
  }

  // Every key, from where a cursor says.
  *pages(cursor) {
    do {
      const page = this.use((bucket) => bucket.listKeys(cursor));
      yield { keys: page.keys, from: cursor };
      cursor = page.cursor ?? null;
    } while (cursor !== null);
  }
}

const SHAPES = {
  text,
  json: (bytes) => JSON.parse(text(bytes)),
  arrayBuffer: (bytes) => bufferOf(bytes.slice()),
  stream: (bytes) => Body.of(bytes).stream,
};

function shapeOf(options) {
  const type = (typeof options === 'string' ? options : options?.type) ?? 'text';
  if (!Object.hasOwn(SHAPES, type)) throw new TypeError(`a value is text, json, arrayBuffer or stream, not ${type}`);
  return SHAPES[type];
}

/** `env.NAME` of a key-value store. */
export class KeyValue {
  #bucket;

  constructor(name) {
    this.#bucket = new Bucket(name);
  }

  /** The value of a key, or null; of a list of keys, a Map. */
  async get(key, options) {
    const shape = shapeOf(options);
    if (Array.isArray(key)) {
      const found = new Map(this.#bucket.use((bucket) => getMany(bucket, key.map(String))).filter((pair) => pair != null));
      return new Map(key.map((one) => [one, found.has(one) ? shape(found.get(one)) : null]));
    }
    const bytes = this.#bucket.use((bucket) => bucket.get(String(key))) ?? null;
    return bytes === null ? null : shape(bytes);
  }

  /** There is no metadata here; programs that ask for it get null. */
  async getWithMetadata(key, options) {
    return { value: await this.get(key, options), metadata: null, cacheStatus: null };
  }

  async put(key, value, options = {}) {
    for (const name of ['expiration', 'expirationTtl', 'metadata']) {
      if (options[name] !== undefined) throw new TypeError(`\`${name}\` is not supported: values stay until they are deleted`);
    }
    const bytes = await Body.from(value)[0].collect();
    this.#bucket.use((bucket) => bucket.set(String(key), bytes));
  }

  async delete(key) {
    this.#bucket.use((bucket) => bucket.delete(String(key)));
  }

  /** Adds to a number, which is 0 if there is none yet: the sum. No two additions are lost. */
  async increment(key, by = 1) {
    return this.#bucket.use((bucket) => increment(bucket, String(key), by));
  }

  /** `{ keys: [{ name }], list_complete, cursor }`. The order is the store's own. */
  async list({ prefix = '', cursor, limit = MOST } = {}) {
    // Where the page begins that was not finished, and how many of its keys were given.
    const [begin, given] = cursor ? cursor.split('.') : ['', '0'];
    const keys = [];
    let skip = Number(given);
    for (const page of this.#bucket.pages(begin === '' ? null : Number(begin))) {
      for (let at = skip; at < page.keys.length; at++) {
        if (!page.keys[at].startsWith(prefix)) continue;
        if (keys.length === limit) return { keys, list_complete: false, cursor: `${page.from ?? ''}.${at}`, cacheStatus: null };
        keys.push({ name: page.keys[at] });
      }
      skip = 0;
    }
    return { keys, list_complete: true, cacheStatus: null };
  }
}

/** `ctx.storage`: values that JSON can hold, in a store of which every instance has its own. */
export class Storage {
  #bucket;

  constructor(name) {
    this.#bucket = new Bucket(name);
  }

  /** A value, or undefined; of a list of keys, a Map of those that there are. */
  async get(key) {
    if (Array.isArray(key)) {
      const found = this.#bucket.use((bucket) => getMany(bucket, key));
      return new Map(found.filter((pair) => pair != null).map(([name, bytes]) => [name, JSON.parse(text(bytes))]));
    }
    const bytes = this.#bucket.use((bucket) => bucket.get(String(key))) ?? null;
    return bytes === null ? undefined : JSON.parse(text(bytes));
  }

  /** `put(key, value)`, or `put({ key: value })`, which sets all or none. */
  async put(key, value) {
    const entries = typeof key === 'object' ? Object.entries(key) : [[String(key), value]];
    const pairs = entries.map(([name, one]) => {
      const json = JSON.stringify(one);
      if (json === undefined) throw new TypeError(`the value of \`${name}\` is nothing that JSON can hold`);
      return [name, new TextEncoder().encode(json)];
    });
    this.#bucket.use((bucket) => setMany(bucket, pairs));
  }

  /** Whether it was there; of a list of keys, how many were. */
  async delete(key) {
    const remove = (name) =>
      this.#bucket.use((bucket) => {
        const existed = bucket.exists(name);
        bucket.delete(name);
        return existed;
      });
    return Array.isArray(key) ? key.filter(remove).length : remove(String(key));
  }

  /** In the order of the keys. */
  async list({ prefix = '', start, end, limit = Infinity, reverse = false } = {}) {
    const all = [...this.#bucket.pages(null)].flatMap(({ keys }) => keys);
    const wanted = all.filter((key) => key.startsWith(prefix) && (!start || key >= start) && (!end || key < end)).sort();
    if (reverse) wanted.reverse();
    const found = await this.get(wanted.slice(0, limit));
    return new Map(wanted.filter((key) => found.has(key)).map((key) => [key, found.get(key)]));
  }

  async deleteAll() {
    await this.delete([...this.#bucket.pages(null)].flatMap(({ keys }) => keys));
  }
}
