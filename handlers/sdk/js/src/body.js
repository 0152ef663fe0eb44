// Bodies: bytes, a handle to a body that the host holds, or a stream that the guest makes. A handle that is only passed on
// is never read, so that a gigabyte goes through without entering the guest.

import { Blob } from './blob.js';
import { bufferOf, bytesOf, joined } from './bytes.js';
import { FormData, formOf, multipart } from './form.js';
import { ReadableStream } from './streams.js';

const CHUNK = 65536; // bytes; the host gives no more at a time

// What one or (after clone) two bodies draw from.
class Source {
  shared = false;

  constructor(bytes, handle) {
    this.bytes = bytes;
    this.handle = handle;
  }

  // Takes the handle away: a body goes to one place only.
  takeHandle() {
    const handle = this.handle;
    this.handle = null;
    if (handle === null) throw new TypeError('the body is already used');
    return handle;
  }

  readAll() {
    this.bytes ??= joined([...chunksOf(this.takeHandle())]);
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

const bodies = new WeakMap(); // of the streams that we made

export class Body {
  #source;
  #stream;
  #used = false;

  // One of the two; a source becomes a stream when somebody looks at it.
  constructor(source, stream = null) {
    this.#source = source;
    this.#stream = stream;
  }

  static fromHost({ tag, val }) {
    if (tag === 'empty') return null;
    return new Body(tag === 'bytes' ? new Source(val, null) : new Source(null, val));
  }

  static of(bytes) {
    return new Body(new Source(bytes, null));
  }

  // Any kind of body that may be given to a constructor, with its content type if it has one.
  static from(init) {
    if (init === null || init === undefined) return [null, null];
    if (init instanceof ReadableStream) return [bodies.get(init) ?? new Body(null, init), null];
    if (init instanceof ArrayBuffer || ArrayBuffer.isView(init)) return [Body.of(bytesOf(init).slice()), null];
    if (init instanceof Blob) return [Body.of(Blob.bytesOf(init)), init.type || null];
    if (init instanceof FormData) {
      const { bytes, type } = multipart(init);
      return [Body.of(bytes), type];
    }
    const type = init instanceof URLSearchParams ? 'application/x-www-form-urlencoded' : 'text/plain';
    return [Body.of(new TextEncoder().encode(String(init))), `${type};charset=UTF-8`];
  }

  // Whether the guest makes it.
  static isOwnStream(body) {
    return body.#source === null;
  }

  get used() {
    return this.#used;
  }

  get stream() {
    if (this.#stream === null) {
      this.#stream = this.#made();
      bodies.set(this.#stream, this);
    }
    return this.#stream;
  }

  // Nothing is read before somebody asks for it.
  #made() {
    let chunks = null;
    const pull = (controller) => {
      if (chunks === null) {
        this.#used = true;
        const source = this.#source;
        chunks = source.shared || source.bytes !== null ? [source.readAll()].values() : chunksOf(source.takeHandle());
      }
      let { done, value } = chunks.next();
      while (!done && value.length === 0) ({ done, value } = chunks.next());
      if (done) controller.close();
      else controller.enqueue(value);
    };
    const cancel = () => {
      this.#used = true;
      if (chunks !== null) chunks.return?.();
      else if (!this.#source.shared) this.#source.handle?.[Symbol.dispose]?.();
    };
    return new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
  }

  // A second body of the same bytes. The first of the two that is used reads the whole into memory.
  twin() {
    if (this.#used || this.#stream?.locked) throw new TypeError('the body is already used');
    if (this.#source === null) {
      const [one, other] = this.#stream.tee();
      this.#stream = one;
      return new Body(null, other);
    }
    this.#source.shared = true;
    return new Body(this.#source);
  }

  async collect() {
    const source = this.#take();
    if (source !== null) return source.readAll();
    const chunks = [];
    for await (const chunk of this.#stream) chunks.push(bytesOf(chunk).slice());
    return joined(chunks);
  }

  // Its bytes, where nothing can be waited for.
  bytes() {
    const source = this.#take();
    if (source === null) throw new TypeError('a stream cannot be read here');
    return source.readAll();
  }

  // `{ payload, feed }`: `piped` makes them of a stream; of anything else there is nothing to feed.
  static toHost(body, piped) {
    if (body === null) return { payload: { tag: 'empty' }, feed: null };
    const source = body.#take();
    if (source === null) return piped(body.#stream);
    const isWhole = source.shared || source.bytes !== null;
    const payload = isWhole ? { tag: 'bytes', val: source.readAll() } : { tag: 'stream', val: source.takeHandle() };
    return { payload, feed: null };
  }

  // The source, or null for a stream of the guest's own.
  #take() {
    if (this.#used || this.#stream?.locked) throw new TypeError('the body is already used');
    this.#used = true;
    // Whoever holds the stream finds it taken.
    if (this.#source !== null) this.#stream?.getReader();
    return this.#source;
  }
}

// What Request and Response have in common.
export class Message {
  #body;

  constructor(body) {
    this.#body = body;
  }

  static bodyOf(message) {
    return message.#body;
  }

  get body() {
    return this.#body?.stream ?? null;
  }

  get bodyUsed() {
    return this.#body?.used ?? false;
  }

  async bytes() {
    return this.#body === null ? new Uint8Array(0) : this.#body.collect();
  }

  async arrayBuffer() {
    return bufferOf(await this.bytes());
  }

  async text() {
    return new TextDecoder().decode(await this.bytes());
  }

  async json() {
    return JSON.parse(await this.text());
  }

  async blob() {
    return new Blob([await this.bytes()], { type: this.headers.get('content-type') ?? '' });
  }

  async formData() {
    return formOf(await this.bytes(), this.headers.get('content-type') ?? '');
  }
}
