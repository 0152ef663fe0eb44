// fetch. The host's import blocks the whole guest, so the fetches of one tick are collected and sent in one call, and
// the host runs them side by side: `Promise.all` of five fetches takes as long as the slowest.

import { fetch as hostFetch } from 'egress:handler/http@0.1.0';

import { Request } from './request.js';
import { Response } from './response.js';

let waiting = [];

export function fetch(input, init) {
  return new Promise((resolve, reject) => {
    // A request of its own only where something changes: `fetch(request)` sends that request as it is.
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    waiting.push({ request: Request.toHost(request), resolve, reject });
    if (waiting.length === 1) queueMicrotask(send);
  });
}

function send() {
  const batch = waiting;
  waiting = [];
  try {
    hostFetch(batch.map((one) => one.request)).forEach((result, at) => settle(batch[at], result));
  } catch (reason) {
    for (const one of batch) one.reject(reason);
  }
}

function settle({ resolve, reject }, result) {
  if (result.tag === 'ok') resolve(Response.fromHost(result.val));
  else reject(new TypeError(result.val));
}
