// The layer below a Container, `ctx.container`: one run of the proxy around one network, from its policy to its end.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ask } from './admin.js';
import { quoted } from './container.js';
import { EndedError, UnsupportedError } from './errors.js';
import { policyOf } from './policy.js';
import { Process } from './process.js';
import { patternOf } from './targets.js';

export class Instance {
  #id;
  #options;
  #container;
  /** The process, as a promise, from `start` to its end. */
  #process;
  /** Resolves when the process has ended and its files are gone. */
  #over;
  /** Why the last start failed. */
  #failure;

  constructor(id, options) {
    this.#id = id;
    this.#options = options;
  }

  /** Whose class and lists the policy is made of. */
  belongsTo(container) {
    this.#container = container;
  }

  get running() {
    return this.#process !== undefined;
  }

  /** `enableInternet` takes the place of what the class says. What goes wrong is also told to whoever uses it next. */
  start({ enableInternet } = {}) {
    if (this.#process !== undefined) throw new TypeError(`${this.#id} is started already`);
    this.#failure = undefined;
    this.#process = this.#begin({ enableInternet });
    const started = this.#process.then(
      () => {},
      (error) => {
        this.#process = undefined;
        this.#failure = error;
        throw error;
      },
    );
    // Not everybody waits for it.
    started.catch(() => {});
    return started;
  }

  async #begin(options) {
    const { stateDir, program, policies, flags, env, directory, maxOutputBytes } = this.#options;
    const document = policyOf(this.#container, this.#options, options);
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(tmpdir(), 'proxy-everything-'));
    // Not in `stateDir`, which the command does not see: what it cannot see cannot be bound read-only for it either.
    const policy = join(folder, 'policy.json');
    const tidy = () => rm(folder, { recursive: true, force: true });
    try {
      await mkdir(join(folder, 'work'));
      await writeFile(policy, JSON.stringify(document), { mode: 0o600 });
      const named = [...policies, policy].flatMap((path) => ['--policy', path]);
      const identity = ['--id', this.#id, '--class', this.#container.constructor.name, '--state-dir', stateDir];
      const places = { folder, limit: maxOutputBytes, cwd: directory ?? join(folder, 'work'), env };
      const process = new Process(program, [...identity, ...named, ...flags], places);
      const ours = this.#process;
      this.#over = process.ended.then(() => {
        // Another one may have been started since.
        if (this.#process === ours) this.#process = undefined;
        return tidy();
      });
      await process.started;
      return process;
    } catch (error) {
      await tidy();
      throw error;
    }
  }

  /** Starts it unless that was done. */
  async ready() {
    if (this.#process === undefined) await this.start();
    else await this.#process;
  }

  async #started() {
    if (this.#process === undefined) throw (this.#failure ?? new EndedError(`${this.#id} does not run`));
    return this.#process;
  }

  /** One request to the admin API. */
  async ask(method, path, options) {
    await this.#started();
    return ask(join(this.#options.stateDir, `${this.#id}.sock`), method, path, options);
  }

  /** One change; with `generation`, only if that one is in force. */
  async change(verb, body, generation) {
    const answer = await this.ask('POST', `/v1/${verb}`, { body, generation });
    return { generation: answer.generation, changed: answer.body?.changed };
  }

  /** Runs a shell command behind those that were given before. `timeout` in milliseconds: exit status 124 then. */
  async exec(command, { cwd, env = {}, timeout } = {}) {
    const process = await this.#started();
    const variables = Object.entries(env).map(([name, value]) => {
      if (!/^[A-Za-z_]\w*$/.test(name)) throw new TypeError(`\`${name}\` is no name for a variable`);
      return `export ${name}=${quoted(value)}\n`;
    });
    const folder = cwd === undefined ? '' : `cd -- ${quoted(cwd)} || exit\n`;
    const whole = `${folder}${variables.join('')}${command}`;
    if (timeout === undefined) return process.exec(whole);
    if (!(timeout > 0)) throw new TypeError('`timeout` is a number of milliseconds');
    return process.exec(`exec timeout -k 1 ${timeout / 1000} /bin/sh -c ${quoted(whole)}`);
  }

  /** Resolves when it has ended, however that came about. */
  async monitor() {
    await this.#process;
    await this.#over;
  }

  async destroy() {
    const process = await this.#process?.catch(() => undefined);
    await process?.end();
    await this.#over;
  }

  /** Requests to `target` over HTTP go through `handler`: `{ name, params }`, as `ctx.exports.NAME({ props })` makes it. */
  async interceptOutboundHttp(target, handler) {
    return this.#intercept(patternOf('http', target), handler);
  }

  async interceptOutboundHttps(target, handler) {
    return this.#intercept(patternOf('https', target), handler);
  }

  /** All of HTTP at port 80 that nothing more specific is said of. */
  async interceptAllOutboundHttp(handler) {
    return this.#intercept(patternOf('http', '*'), handler);
  }

  async interceptOutboundTcp() {
    throw new UnsupportedError(
      'handlers see HTTP only: bytes of any other kind pass unseen where `raw` of a policy names their port, or not at all',
    );
  }

  async #intercept(host, { name, params } = {}) {
    if (typeof name !== 'string') throw new TypeError('a handler is what `ctx.exports.NAME({ props })` makes');
    return this.change('setOutboundByHost', { host, handler: name, params });
  }
}
