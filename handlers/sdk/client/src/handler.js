// What `@proxy-everything/client` is inside a component: enough for the module of a class to be loaded, and the way from
// the name of a handler to its function. Starting sandboxes is for the other side, and says so here.

import { programOf } from './program.js';

export * from './errors.js';

export class Container {}

export class Sandbox extends Container {}

export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export const outboundParams = (_handler, params) => params;

export function sandboxes() {
  throw new Error('sandboxes are started by Node, not by a handler');
}

/** The `{ fetch }` of a module's classes: `ctx` says for which class, and for which of its handlers. */
export function dispatch(module) {
  return {
    fetch(request, env, ctx) {
      const Entrypoint = module[ctx.handlerName];
      if (Entrypoint?.prototype instanceof WorkerEntrypoint) {
        return new Entrypoint({ props: ctx.params, waitUntil: (promise) => ctx.waitUntil(promise) }, env).fetch(request);
      }
      const Class = module[ctx.className] ?? module.default;
      if (!(Class?.prototype instanceof Container)) throw new Error(`the module exports no class ${ctx.className}`);
      const found = programOf(Class).functions.get(ctx.handlerName);
      if (found === undefined) throw new Error(`${ctx.className} has no handler ${ctx.handlerName}`);
      return found.handler(request, env, ctx);
    },
  };
}
