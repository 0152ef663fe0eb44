// What goes wrong, as types that say whose fault it is. No part of this module needs Node: it is in components too.

/** All that this package throws, but for wrong arguments, which are a TypeError. */
export class ProxyError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** The proxy did not start: a faulty policy, a missing secret, an id in use. `message` has its words. */
export class StartError extends ProxyError {}

/** Nothing runs under this id: not started, ended, or destroyed. */
export class EndedError extends ProxyError {}

/** The proxy refused a change, and nothing has changed. */
export class RefusedError extends ProxyError {
  /** `status` is that of HTTP, `problem` the whole body (RFC 9457). */
  constructor(status, problem) {
    super(problem?.detail ?? `the proxy answered with ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** Another generation than the one that was expected is in force, and nothing has changed. */
export class OutdatedError extends RefusedError {
  /** The one in force. */
  get generation() {
    return this.problem?.generation;
  }
}

/** A command whose success was needed failed. */
export class CommandError extends ProxyError {
  constructor(command, result) {
    super(`\`${command}\` ended with ${result.exitCode}: ${result.stderr.trim()}`);
    this.result = result;
  }
}

/** What Cloudflare's API offers and this system does not have. */
export class UnsupportedError extends ProxyError {}
