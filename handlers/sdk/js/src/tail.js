// The export of a tail, made from `tail(events, env, ctx)` of the user's module.

import { Context } from './context.js';
import { wordsOf } from './errors.js';
import { begin, end } from './loop.js';
import { storing } from './serve.js';

// An exchange that is over: `record`, its line of the audit, and `logs`, what its handlers wrote.
class Event {
  #record;

  constructor({ record, logs }) {
    this.#record = record;
    this.logs = logs;
  }

  get record() {
    if (typeof this.#record === 'string') this.#record = JSON.parse(this.#record);
    return this.#record;
  }
}

export function tailing(module, run) {
  const env = storing(module);
  return async (events) => {
    begin();
    const ctx = new Context();
    try {
      await run(events.map((event) => new Event(event)), env, ctx);
      await Context.rest(ctx);
    } catch (reason) {
      throw wordsOf(reason);
    } finally {
      Context.end(ctx);
      end();
    }
  };
}
