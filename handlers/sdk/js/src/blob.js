// Blob and File: bytes with a type. They are in memory, as everything here is.

import { bufferOf, bytesOf, joined } from './bytes.js';
import { ReadableStream } from './streams.js';

export class Blob {
  #bytes;
  #type;

  constructor(parts = [], { type = '' } = {}) {
    const chunks = [...parts].map((part) => {
      if (part instanceof Blob) return part.#bytes;
      const isBytes = part instanceof ArrayBuffer || ArrayBuffer.isView(part);
      return isBytes ? bytesOf(part) : new TextEncoder().encode(String(part));
    });
    this.#bytes = joined(chunks).slice();
    this.#type = /^[\x20-\x7e]*$/.test(type) ? String(type).toLowerCase() : '';
  }

  static bytesOf(blob) {
    return blob.#bytes;
  }

  get size() {
    return this.#bytes.length;
  }

  get type() {
    return this.#type;
  }

  slice(from, to, type = '') {
    return new Blob([this.#bytes.slice(from, to)], { type });
  }

  async bytes() {
    return this.#bytes.slice();
  }

  async arrayBuffer() {
    return bufferOf(this.#bytes.slice());
  }

  async text() {
    return new TextDecoder().decode(this.#bytes);
  }

  stream() {
    const bytes = this.#bytes.slice();
    return new ReadableStream({
      start(controller) {
        if (bytes.length > 0) controller.enqueue(bytes);
        controller.close();
      },
    });
  }
}

export class File extends Blob {
  constructor(parts, name, options = {}) {
    super(parts, options);
    this.name = String(name);
    this.lastModified = options.lastModified ?? Date.now();
  }
}
