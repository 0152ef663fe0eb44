// env: what the policy granted by name. A name is looked up when it is asked for, so that a secret that was rotated is seen
// at once.

import { bindings } from 'egress:handler/context@0.1.0';
import { limit } from 'egress:handler/rate-limit@0.1.0';
import { get as secretOf } from 'egress:handler/secrets@0.1.0';
import { get as configOf } from 'wasi:config/store@0.2.0-rc.1';

import { hostError } from './errors.js';

class Limiter {
  #name;

  constructor(name) {
    this.#name = name;
  }

  async limit({ key }) {
    try {
      return { success: limit(this.#name, String(key)) };
    } catch (reason) {
      throw hostError(reason);
    }
  }
}

const COMMON = {
  secret: (name) => secretOf(name) ?? undefined,
  config: (name) => configOf(name) ?? undefined,
  'rate-limit': (name) => new Limiter(name),
};

/** `makers`: from a kind of binding to what makes one of its name, for the kinds that not every program can have. */
export function environment(makers = {}) {
  const all = { ...COMMON, ...makers };
  // Not before the first call: when the component is built there is nobody to ask.
  let kinds = null;
  const granted = () => (kinds ??= new Map(bindings()));
  const get = (_, name) => all[granted().get(name)]?.(name);
  const no = () => false;
  return new Proxy({}, {
    get,
    set: no,
    defineProperty: no,
    deleteProperty: no,
    has: (_, name) => granted().has(name),
    ownKeys: () => [...granted().keys()],
    getOwnPropertyDescriptor(_, name) {
      if (!granted().has(name)) return undefined;
      return { value: get(_, name), enumerable: true, configurable: true, writable: false };
    },
  });
}
