// The export that the host calls, made from the user's `export default { fetch(request, env, ctx) }`.

import { current } from 'egress:handler/context@0.1.0';
import { get } from 'egress:handler/secrets@0.1.0';

import { Request } from './request.js';
import { Response } from './response.js';

// env.NAME is the secret of that name, read when it is asked for, so that a rotated one is seen at once.
const secretOf = (name) => (typeof name === 'string' ? (get(name) ?? undefined) : undefined);
const env = new Proxy(Object.freeze({}), {
  get: (_, name) => secretOf(name),
  has: (_, name) => secretOf(name) !== undefined,
});

class Context {
  #info = current();
  #params;

  get containerId() {
    return this.#info.containerId;
  }

  get className() {
    return this.#info.className;
  }

  get handlerName() {
    return this.#info.handlerName;
  }

  get matched() {
    return this.#info.matched;
  }

  get requestId() {
    return this.#info.requestId;
  }

  get params() {
    this.#params ??= JSON.parse(this.#info.params);
    return this.#params;
  }

  // The call ends with its response; a promise that is still open then is not waited for.
  waitUntil(promise) {
    Promise.resolve(promise).catch((reason) => console.error('waitUntil:', reason));
  }

  passThroughOnException() {
    throw new Error('passThroughOnException is not supported: a handler that fails means deny');
  }
}

export function serve(handler) {
  if (typeof handler?.fetch !== 'function') {
    throw new TypeError('a handler is `export default { async fetch(request, env, ctx) { ... } }`');
  }
  return async (incoming) => {
    try {
      const response = await handler.fetch(Request.fromHost(incoming), env, new Context());
      if (!(response instanceof Response)) throw new TypeError('fetch did not return a Response');
      return Response.toHost(response);
    } catch (reason) {
      // The host takes a string, and shows it to the operator only.
      throw reason instanceof Error ? `${reason.name}: ${reason.message}\n${reason.stack ?? ''}` : String(reason);
    }
  };
}
