// Streams: those of a published ponyfill, and the ones between text and bytes that it lacks.

import {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableStream,
  TransformStream,
  WritableStream,
} from 'web-streams-polyfill';

import { bytesOf } from './bytes.js';
import { TextDecoder, TextEncoder } from './utf8.js';

export { ByteLengthQueuingStrategy, CountQueuingStrategy, ReadableStream, TransformStream, WritableStream };

// The two ends of a TransformStream under a name of their own.
class Through {
  #ends;

  constructor(transformer) {
    this.#ends = new TransformStream(transformer);
  }

  get readable() {
    return this.#ends.readable;
  }

  get writable() {
    return this.#ends.writable;
  }
}

export class TextDecoderStream extends Through {
  constructor(label, options) {
    const decoder = new TextDecoder(label, options);
    const pass = (controller, text) => text !== '' && controller.enqueue(text);
    super({
      transform: (chunk, controller) => void pass(controller, decoder.decode(bytesOf(chunk), { stream: true })),
      flush: (controller) => void pass(controller, decoder.decode()),
    });
  }
}

export class TextEncoderStream extends Through {
  constructor() {
    const encoder = new TextEncoder();
    let high = ''; // half of a character whose other half comes with the next chunk
    super({
      transform(chunk, controller) {
        let text = high + String(chunk);
        high = '';
        if (/[\ud800-\udbff]$/.test(text)) {
          high = text.at(-1);
          text = text.slice(0, -1);
        }
        if (text !== '') controller.enqueue(encoder.encode(text));
      },
      flush: (controller) => void (high !== '' && controller.enqueue(encoder.encode(high))),
    });
  }
}

/** Passes on what it is written, and knows how much that will be. */
export class FixedLengthStream extends Through {
  constructor(length) {
    let left = Number(length);
    super({
      transform(chunk, controller) {
        left -= bytesOf(chunk).length;
        if (left < 0) throw new TypeError('more bytes than were announced');
        controller.enqueue(chunk);
      },
      flush() {
        if (left > 0) throw new TypeError('fewer bytes than were announced');
      },
    });
  }
}

export class IdentityTransformStream extends Through {
  constructor() {
    super({});
  }
}
