// Events, and signals that something was given up. What the Web platform has besides (bubbling, trees of targets) has no
// place to happen here.

export class Event {
  #stopped = false;
  #prevented = false;

  constructor(type, { cancelable = false } = {}) {
    this.type = String(type);
    this.cancelable = cancelable;
    this.target = null;
    this.currentTarget = null;
    this.timeStamp = performance.now();
  }

  static isStopped(event) {
    return event.#stopped;
  }

  get defaultPrevented() {
    return this.#prevented;
  }

  preventDefault() {
    if (this.cancelable) this.#prevented = true;
  }

  stopImmediatePropagation() {
    this.#stopped = true;
  }

  stopPropagation() {}
}

export class CustomEvent extends Event {
  constructor(type, init = {}) {
    super(type, init);
    this.detail = init.detail ?? null;
  }
}

export class EventTarget {
  #listeners = [];

  addEventListener(type, callback, options = {}) {
    const { once = false, signal } = typeof options === 'object' && options !== null ? options : {};
    if (callback === null || callback === undefined || signal?.aborted) return;
    if (this.#listeners.some((one) => one.type === type && one.callback === callback)) return;
    this.#listeners.push({ type, callback, once });
    signal?.addEventListener('abort', () => this.removeEventListener(type, callback));
  }

  removeEventListener(type, callback) {
    this.#listeners = this.#listeners.filter((one) => one.type !== type || one.callback !== callback);
  }

  dispatchEvent(event) {
    event.target = this;
    event.currentTarget = this;
    for (const { type, callback, once } of this.#listeners) {
      if (type !== event.type || Event.isStopped(event)) continue;
      if (once) this.removeEventListener(type, callback);
      try {
        if (typeof callback === 'function') callback.call(this, event);
        else callback.handleEvent(event);
      } catch (error) {
        globalThis.console.error('in a listener:', error);
      }
    }
    return !event.defaultPrevented;
  }
}

const abortError = () => new DOMException('it was aborted', 'AbortError');

export class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  onabort = null;

  static abort(reason = abortError()) {
    const signal = new AbortSignal();
    AbortSignal.trigger(signal, reason);
    return signal;
  }

  static timeout(delay) {
    const signal = new AbortSignal();
    const run = () => AbortSignal.trigger(signal, new DOMException('it took too long', 'TimeoutError'));
    globalThis.setTimeout(run, delay);
    return signal;
  }

  static any(signals) {
    const all = [...signals];
    const signal = new AbortSignal();
    const first = all.find((one) => one.aborted);
    if (first !== undefined) return AbortSignal.abort(first.reason);
    for (const one of all) one.addEventListener('abort', () => AbortSignal.trigger(signal, one.reason), { once: true });
    return signal;
  }

  static trigger(signal, reason) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason;
    const event = new Event('abort');
    signal.onabort?.(event);
    signal.dispatchEvent(event);
  }

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
}

export class AbortController {
  signal = new AbortSignal();

  abort(reason = abortError()) {
    AbortSignal.trigger(this.signal, reason);
  }
}
