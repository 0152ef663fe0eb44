// The binding: from ids to the running instances of one class.

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Instance } from './instance.js';

/** Ids become names of files. */
const ID = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/;

/** Of this process's environment; whatever else it holds is nothing that a sandbox should see. */
const KEPT = ['HOME', 'LANG', 'LOGNAME', 'PATH', 'PROXY_EVERYTHING_LOG', 'TMPDIR', 'TZ', 'USER', 'XDG_RUNTIME_DIR', 'XDG_STATE_HOME'];

/** `ctx.exports.NAME({ props })`: the handler `NAME` of the policy with these params. */
const exports = new Proxy(Object.freeze({}), {
  get: (_, name) => ({ props } = {}) => ({ name, params: props }),
});

/** Containers of `Class`, each under an id. Paths in `options` start from the working directory of now. */
export function sandboxes(Class, options) {
  const { stateDir, program = 'proxy-everything', policies = [], component, directory } = options;
  if (typeof stateDir !== 'string') throw new TypeError('`stateDir` is needed: the folder of admin sockets and of what was changed');
  const settings = {
    secrets: {},
    entrypoints: [],
    flags: [],
    maxOutputBytes: 8 * 1024 * 1024,
    ...options,
    stateDir: resolve(stateDir),
    env: { ...Object.fromEntries(KEPT.map((name) => [name, process.env[name]])), ...options.env },
    program: program.includes('/') ? resolve(program) : program,
    policies: policies.map((path) => resolve(path)),
    component: component instanceof URL ? fileURLToPath(component) : component && resolve(component),
    directory: directory && resolve(directory),
  };
  const known = new Map();
  const get = (id) => {
    if (typeof id !== 'string' || !ID.test(id)) {
      throw new TypeError(`\`${id}\` is no id: 1 to 64 letters, digits, -, _ and ., with no . first`);
    }
    if (!known.has(id)) known.set(id, make(Class, id, settings));
    return known.get(id);
  };
  return {
    /** The container of this id, which may not run yet. */
    get,
    /** The container of this id, started if it did not run. */
    async getByName(id) {
      const container = get(id);
      await container.ctx.container.ready();
      return container;
    },
  };
}

function make(Class, id, settings) {
  const instance = new Instance(id, settings);
  const container = new Class({ id: { name: id, toString: () => id }, container: instance, exports });
  instance.belongsTo(container);
  return container;
}
