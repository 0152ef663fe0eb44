// fetch: from a Request to what the loop sends, and from what comes back to a Response.

import { launch } from './loop.js';
import { piped } from './pipe.js';
import { Request } from './request.js';
import { Response } from './response.js';

export async function fetch(input, init) {
  // A request of its own only where something changes: `fetch(request)` sends that request as it is.
  const request = input instanceof Request && init === undefined ? input : new Request(input, init);
  const signal = Request.signalOf(request);
  signal?.throwIfAborted();
  const { record, feed } = Request.toHost(request, piped);
  const { response, drop } = launch(record, feed);
  if (signal === null) return Response.fromHost(await response, request);
  let stop;
  const aborted = new Promise((_, reject) => {
    stop = () => {
      drop();
      reject(signal.reason);
    };
    signal.addEventListener('abort', stop);
  });
  try {
    return Response.fromHost(await Promise.race([response, aborted]), request);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
