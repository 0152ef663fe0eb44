// What belongs to one instance: `env.NAME.get(env.NAME.idFromString(ctx.containerId))` is an object of the program's class,
// made for this call, whose `ctx.storage` is a store of that instance alone.

import { current } from 'egress:handler/context@0.1.0';

import { DurableObject } from './classes.js';
import { Storage } from './keyvalue.js';

class Id {
  constructor(text) {
    this.name = text;
  }

  toString() {
    return this.name;
  }

  equals(other) {
    return String(other) === this.name;
  }
}

// MY_CONTAINER means MyContainer.
const plain = (name) => name.replaceAll('_', '').toLowerCase();

function classOf(module, name) {
  const classes = Object.entries(module).filter(([, value]) => value?.prototype instanceof DurableObject);
  const named = (wanted) => classes.find(([known, Class]) => plain(known) === wanted || plain(Class.name) === wanted);
  const found = named(plain(name)) ?? named(plain(current().className)) ?? (classes.length === 1 ? classes[0] : undefined);
  if (found === undefined) throw new TypeError(`no class of the module is meant by \`${name}\``);
  return found[1];
}

export class Namespace {
  #name;
  #module;
  #env;

  constructor(name, module, env) {
    this.#name = name;
    this.#module = module;
    this.#env = env;
  }

  idFromString(text) {
    const own = current().containerId;
    if (String(text) !== own) throw new TypeError(`the state of \`${text}\` cannot be had by \`${own}\``);
    return new Id(own);
  }

  idFromName(name) {
    return this.idFromString(name);
  }

  getByName(name) {
    return this.get(this.idFromString(name));
  }

  /** A stub: each of its methods is the object's, as a promise. */
  get(id) {
    this.idFromString(id);
    const Class = classOf(this.#module, this.#name);
    let object;
    const ready = [];
    const make = () => {
      const blockConcurrencyWhile = (run) => {
        const done = Promise.resolve().then(run);
        ready.push(done);
        return done;
      };
      return new Class({ id, storage: new Storage(this.#name), waitUntil() {}, blockConcurrencyWhile }, this.#env);
    };
    const call = (method) => async (...words) => {
      object ??= make();
      await Promise.all(ready);
      if (typeof object[method] !== 'function') throw new TypeError(`${Class.name} has no method ${method}`);
      return object[method](...words);
    };
    // A stub is no promise, though whoever awaits it asks for its `then`.
    const own = { id, name: id.name, then: undefined };
    return new Proxy(own, { get: (_, method) => (method in own ? own[method] : call(method)) });
  }
}
