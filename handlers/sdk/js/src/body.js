// Bodies: bytes that the handler made, or a handle to a body that the host holds. A handle that is only passed on is
// never read, so that a gigabyte goes through without entering the guest.

const CHUNK = 65536; // bytes; the host gives no more at a time

// What one or (after clone) two streams draw from.
class Source {
  constructor(bytes, handle) {
    this.bytes = bytes;
    this.handle = handle;
    this.shared = false;
  }

  // Takes the handle away: a body goes to one place only.
  takeHandle() {
    const handle = this.handle;
    this.handle = null;
    return handle;
  }

  readAll() {
    if (this.bytes === null) {
      const handle = this.takeHandle();
      if (handle === null) throw new TypeError('the body is already used');
      this.bytes = joined(chunksOf(handle));
    }
    return this.bytes;
  }
}

function* chunksOf(handle) {
  try {
    for (let chunk = read(handle); chunk.length > 0; chunk = read(handle)) yield chunk;
  } finally {
    handle[Symbol.dispose]?.();
  }
}

function read(handle) {
  try {
    return handle.read(CHUNK);
  } catch (reason) {
    throw new TypeError(`the body broke off: ${reason?.payload ?? reason}`);
  }
}

function joined(chunks) {
  const list = [...chunks];
  if (list.length === 1) return list[0];
  const all = new Uint8Array(list.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of list) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

// What `request.body` and `response.body` are. It can be given to a new Request or Response, or be read in chunks
// with `for await` or `getReader()`; it is not a full ReadableStream.
export class BodyStream {
  #source;
  #used = false;

  constructor(source) {
    this.#source = source;
  }

  static fromHost(payload) {
    if (payload.tag === 'empty') return null;
    if (payload.tag === 'bytes') return new BodyStream(new Source(payload.val, null));
    return new BodyStream(new Source(null, payload.val));
  }

  static toHost(body) {
    if (body === null) return { tag: 'empty' };
    const source = body.#use();
    if (source.shared || source.bytes !== null) return { tag: 'bytes', val: source.readAll() };
    const handle = source.takeHandle();
    if (handle === null) throw new TypeError('the body is already used');
    return { tag: 'stream', val: handle };
  }

  // Any kind of body that may be given to a constructor, with its content type if it has one.
  static from(init) {
    if (init === null || init === undefined) return [null, null];
    if (init instanceof BodyStream) return [init, null];
    if (init instanceof ArrayBuffer) return [BodyStream.#of(new Uint8Array(init.slice(0))), null];
    if (ArrayBuffer.isView(init)) {
      return [BodyStream.#of(new Uint8Array(init.buffer, init.byteOffset, init.byteLength).slice()), null];
    }
    const type = init instanceof URLSearchParams ? 'application/x-www-form-urlencoded' : 'text/plain';
    return [BodyStream.#of(new TextEncoder().encode(String(init))), `${type};charset=UTF-8`];
  }

  static #of(bytes) {
    return new BodyStream(new Source(bytes, null));
  }

  get used() {
    return this.#used;
  }

  // A second stream of the same bytes. The first of the two that is used reads the whole body into memory.
  twin() {
    if (this.#used) throw new TypeError('the body is already used');
    this.#source.shared = true;
    return new BodyStream(this.#source);
  }

  collect() {
    return this.#use().readAll();
  }

  getReader() {
    const chunks = this[Symbol.asyncIterator]();
    return { read: () => chunks.next(), releaseLock() {}, cancel: () => this.cancel() };
  }

  async cancel() {
    this.#use().takeHandle()?.[Symbol.dispose]?.();
  }

  async *[Symbol.asyncIterator]() {
    const source = this.#use();
    if (source.shared || source.bytes !== null) yield source.readAll();
    else yield* chunksOf(source.takeHandle());
  }

  #use() {
    if (this.#used) throw new TypeError('the body is already used');
    this.#used = true;
    return this.#source;
  }
}

// What Request and Response have in common.
export class Message {
  #body;

  constructor(body) {
    this.#body = body;
  }

  get body() {
    return this.#body;
  }

  get bodyUsed() {
    return this.#body?.used ?? false;
  }

  async bytes() {
    return this.#body === null ? new Uint8Array(0) : this.#body.collect();
  }

  async arrayBuffer() {
    const bytes = await this.bytes();
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  }

  async text() {
    return new TextDecoder().decode(await this.bytes());
  }

  async json() {
    return JSON.parse(await this.text());
  }
}
