// Bodies that the guest makes: from a stream of its own to a pipe of the host's.

import { pipe } from 'egress:handler/http@0.1.0';

import { bytesOf } from './bytes.js';
import { stir } from './loop.js';

/**
 * The host's payload for a stream, and a function that writes it: to be called when the payload was handed over, because
 * a write waits for someone to read. It rejects if the stream fails; the body breaks off then.
 */
export function piped(stream) {
  const [sink, body] = pipe();
  return { payload: { tag: 'stream', val: body }, feed: () => feed(stream.getReader(), sink) };
}

async function feed(reader, sink) {
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      sink.write(bytesOf(value));
      stir();
    }
    sink.finish();
  } catch (reason) {
    const error = reason instanceof Error ? reason : new TypeError(`the body could not be written: ${reason?.payload ?? reason}`);
    await reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    sink[Symbol.dispose]?.();
  }
}
