// The classes that programs extend. What a class says is its static `outbound`, `outboundByHost` and `outboundHandlers`,
// and `enableInternet`, `allowedHosts` and `deniedHosts` of its instances; both `static x =` and `Class.x =` will do.

import { CommandError } from './errors.js';
import { Verbs } from './verbs.js';

export class Container extends Verbs {
  /** `ctx`: `id`, `container` (the layer below) and `exports`, as `sandboxes` makes it. */
  constructor(ctx) {
    super((verb, body) => ctx.container.change(verb, body));
    this.ctx = ctx;
  }

  /** The changes that are made only if `generation` is in force; else they throw an OutdatedError. */
  ifGeneration(generation) {
    return new Verbs((verb, body) => this.ctx.container.change(verb, body, generation));
  }

  /** What was changed since the start: `{ generation, overrides }`. */
  async overrides() {
    const { generation, body } = await this.ctx.container.ask('GET', '/v1/overrides');
    return { generation, overrides: body };
  }

  /** Of the proxy: `generation`, `connections`, `requests` and more. */
  async status() {
    const { body } = await this.ctx.container.ask('GET', '/v1/status');
    return body;
  }

  start(options) {
    return this.ctx.container.start(options);
  }

  /** Ends all that runs in it, and the proxy. */
  destroy() {
    return this.ctx.container.destroy();
  }
}

export class Sandbox extends Container {
  /** Runs a shell command: `{ success, exitCode, stdout, stderr, truncated }`. */
  exec(command, options) {
    return this.ctx.container.exec(command, options);
  }

  /** Clones into a folder of the sandbox; throws if that fails. */
  async gitClone(url, { branch, directory, depth } = {}) {
    const words = ['git', 'clone', '--quiet'];
    if (branch !== undefined) words.push('--branch', branch);
    if (depth !== undefined) words.push('--depth', depth);
    words.push('--', url);
    if (directory !== undefined) words.push(directory);
    const command = words.map(quoted).join(' ');
    const result = await this.exec(command);
    if (!result.success) throw new CommandError(command, result);
    return result;
  }
}

/** One word for a shell. */
export const quoted = (word) => `'${String(word).replaceAll("'", "'\\''")}'`;

/** A Worker of its own, by name, for the layer below: its `fetch` runs in the component. */
export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

/** Names the type of a handler's params; at run time it is the params themselves. */
export const outboundParams = (_handler, params) => params;
