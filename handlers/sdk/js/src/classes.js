// What programs import: `import { Sandbox } from '@proxy-everything/handler'`. In a component the classes only hold what a
// program declares; starting sandboxes is for the other side, the client, and says so here.

export * from '../../client/src/errors.js';

const elsewhere = () => {
  throw new Error('sandboxes are started and changed by Node, not by a handler');
};

class Constructed {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class DurableObject extends Constructed {}

/** What has handlers: `outbound`, `outboundByHost` and `outboundHandlers`. */
export class Container extends DurableObject {}

export class Sandbox extends Container {}

/** A program of its own: `fetch` for requests, `tail` for those that are over. */
export class WorkerEntrypoint extends Constructed {}

/** Has nothing to do here; programs export it because other systems need that. */
export class ContainerProxy {}

export const outboundParams = (_handler, params) => params;
export const sandboxes = elsewhere;
export const getContainer = elsewhere;
export const getSandbox = elsewhere;
