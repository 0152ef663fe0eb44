// The changes that can be made while a sandbox runs, with Cloudflare's names. Each is in force for the next request when
// its promise resolves, with `{ generation, changed }`; one that is refused changes nothing and throws.

export class Verbs {
  #change;

  /** `change(verb, body)` sends one to the proxy. */
  constructor(change) {
    this.#change = change;
  }

  setOutboundHandler(handler, ...params) {
    return this.#change('setOutboundHandler', { handler, params: params[0] });
  }

  removeOutboundHandler() {
    return this.#change('removeOutboundHandler', {});
  }

  setOutboundByHost(host, handler, ...params) {
    return this.#change('setOutboundByHost', { host, handler, params: params[0] });
  }

  /** Takes the place of all that were set before: pattern to name, or to `{ method, params }`. */
  setOutboundByHosts(hosts) {
    return this.#change('setOutboundByHosts', { hosts });
  }

  removeOutboundByHost(host) {
    return this.#change('removeOutboundByHost', { host });
  }

  setAllowedHosts(hosts) {
    return this.#change('setAllowedHosts', { hosts });
  }

  setDeniedHosts(hosts) {
    return this.#change('setDeniedHosts', { hosts });
  }

  allowHost(host) {
    return this.#change('allowHost', { host });
  }

  denyHost(host) {
    return this.#change('denyHost', { host });
  }

  removeAllowedHost(host) {
    return this.#change('removeAllowedHost', { host });
  }

  removeDeniedHost(host) {
    return this.#change('removeDeniedHost', { host });
  }

  /** Another component for a handler of the policies that is one; `sha256` is what its content must be. */
  setHandler(name, wasm, sha256) {
    return this.#change('setHandler', { name, wasm, sha256 });
  }

  /** The component of the policies again. */
  resetHandler(name) {
    return this.#change('resetHandler', { name });
  }

  /** Takes back all changes: the class and its policies are in force as they were at the start. */
  clear() {
    return this.#change('clear', {});
  }
}
