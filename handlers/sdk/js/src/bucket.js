// Buckets of objects: what `env.NAME` of a blob store is.

import * as host from 'egress:handler/blobstore@0.1.0';

import { Body, Message } from './body.js';
import { hostError } from './errors.js';

function attempt(run) {
  try {
    return run();
  } catch (reason) {
    throw hostError(reason);
  }
}

/** What is known of an object. */
class Head {
  constructor({ key, size, etag, contentType, modified }) {
    this.key = key;
    this.size = size;
    this.etag = etag ?? '';
    this.httpEtag = etag ? `"${etag}"` : '';
    this.uploaded = new Date(modified);
    this.httpMetadata = contentType ? { contentType } : {};
    this.customMetadata = {};
  }

  writeHttpMetadata(headers) {
    if (this.httpMetadata.contentType) headers.set('content-type', this.httpMetadata.contentType);
  }
}

/** An object with its bytes, which are read as those of a Response. */
class Stored extends Message {
  constructor(head, body, range) {
    super(body);
    Object.assign(this, head);
    if (range !== undefined) this.range = range;
    this.headers = new Headers(head.httpMetadata.contentType ? { 'content-type': head.httpMetadata.contentType } : {});
  }

  writeHttpMetadata(headers) {
    Head.prototype.writeHttpMetadata.call(this, headers);
  }
}

// `{ offset, length }`, or `{ suffix }`: so many at the end; or the header of a request.
function spanOf(range, sizeOf) {
  if (range === undefined) return null;
  if (range instanceof Headers) {
    const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range.get('range') ?? '') ?? [];
    if (from === undefined || from + to === '') return null;
    if (from === '') return spanOf({ suffix: Number(to) }, sizeOf);
    return { offset: Number(from), length: to === '' ? null : Number(to) - Number(from) + 1 };
  }
  if (range.suffix !== undefined) {
    const size = sizeOf();
    return { offset: Math.max(0, size - range.suffix), length: null };
  }
  return { offset: range.offset ?? 0, length: range.length ?? null };
}

function typeOf(metadata) {
  return (metadata instanceof Headers ? metadata.get('content-type') : metadata?.contentType) ?? null;
}

export class Bucket {
  #name;

  constructor(name) {
    this.#name = name;
  }

  /** The object, whose body is streamed, or null. */
  async get(key, { range } = {}) {
    return attempt(() => {
      const span = spanOf(range, () => host.head(this.#name, key)?.size ?? 0);
      const found = host.get(this.#name, key, span) ?? null;
      if (found === null) return null;
      const [object, handle] = found;
      return new Stored(new Head(object), Body.fromHost({ tag: 'stream', val: handle }), span ?? undefined);
    });
  }

  async head(key) {
    const found = attempt(() => host.head(this.#name, key)) ?? null;
    return found === null ? null : new Head(found);
  }

  /** `value` is what a Response takes; a body of the host's goes there unread, a stream of the program's is held whole. */
  async put(key, value, { httpMetadata } = {}) {
    const [body, type] = Body.from(value);
    let whole = null;
    if (body !== null && Body.isOwnStream(body)) whole = Body.of(await body.collect());
    const { payload } = Body.toHost(whole ?? body);
    return new Head(attempt(() => host.put(this.#name, key, payload, typeOf(httpMetadata) ?? type)));
  }

  async delete(keys) {
    attempt(() => host.delete(this.#name, [keys].flat()));
  }

  async list({ prefix = '', limit = 1000, cursor } = {}) {
    const page = attempt(() => host.list(this.#name, prefix, limit, cursor ?? null));
    const next = page.cursor ?? null;
    const objects = page.objects.map((object) => new Head(object));
    return { objects, truncated: next !== null, ...(next === null ? {} : { cursor: next }), delimitedPrefixes: [] };
  }
}
