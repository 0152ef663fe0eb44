// ctx: what a program may know about the exchange that it serves.

import { current } from 'egress:handler/context@0.1.0';

const NOTHING = { containerId: '', className: '', handlerName: '', matched: '', requestId: '', source: '', params: 'null' };

export class Context {
  #known = null; // few calls ask
  #params;
  #work = null; // few calls have any

  get #info() {
    return (this.#known ??= current());
  }

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

  get source() {
    return this.#info.source;
  }

  get params() {
    this.#params ??= JSON.parse(this.#info.params);
    return this.#params;
  }

  // The same, under the name that entry points know it by.
  get props() {
    return this.params;
  }

  // The call is not over before this is, but its response is sent.
  waitUntil(promise) {
    const all = (this.#work ??= new Set());
    const done = () => all.delete(work);
    const work = Promise.resolve(promise)
      .catch((reason) => console.error('waitUntil:', reason))
      .then(done);
    all.add(work);
  }

  passThroughOnException() {
    throw new Error('passThroughOnException is not supported: a handler that fails means deny');
  }

  // The call is over: what was not asked for until now is not known any more, for the host would tell of the next call.
  static end(context) {
    context.#known ??= NOTHING;
  }

  // Whether something is still to be waited for.
  static isWorking(context) {
    return context.#work !== null && context.#work.size > 0;
  }

  // Waits for all of it, and for what it adds.
  static async rest(context) {
    while (Context.isWorking(context)) await Promise.all(context.#work);
  }
}
