// What a module is, and which of its functions serves a request.
//
// A module has a default export of functions, or exports classes: of containers, whose static `outbound`, `outboundByHost`
// and `outboundHandlers` are functions, and entry points, programs of their own.

import { programOf } from '../../client/src/program.js';

import { Container, WorkerEntrypoint } from './classes.js';
import { globMatches } from './glob.js';

const isClass = (value, Base) => value?.prototype instanceof Base;
const has = (value, name) => typeof value?.[name] === 'function' || typeof value?.prototype?.[name] === 'function';

/** Whether the module is a `handler`, a `filter` of one or both kinds, or a `tail`, as the worlds of the contract are named. */
export function worldOf(module) {
  const all = Object.values(module);
  const main = module.default;
  if (all.some((value) => isClass(value, Container)) || all.some((value) => has(value, 'fetch'))) return 'handler';
  if (has(main, 'onRequest')) return has(main, 'onResponse') ? 'filter' : 'request-filter';
  if (has(main, 'onResponse')) return 'response-filter';
  if (all.some((value) => has(value, 'tail'))) return 'tail';
  throw new TypeError(
    'nothing to run: a module has `export default` of { fetch }, { onRequest, onResponse } or { tail }, or exports a class',
  );
}

/** `name` of the default export, of an object or of a class, as a function of a call's words. */
export function methodOf(value, name) {
  if (typeof value?.[name] === 'function') return (first, env, ctx) => value[name](first, env, ctx);
  if (has(value, name)) return (first, env, ctx) => new value(ctx, env)[name](first);
  return null;
}

/** The function that serves requests: `(request, env, ctx)` to a Response. */
export function fetcherOf(module) {
  const containers = Object.values(module).filter((value) => isClass(value, Container));
  // A container without functions has nothing to serve; what stands beside it may.
  const active = containers.filter((Class) => programOf(Class).functions.size > 0);
  const main = methodOf(module.default, 'fetch');
  const chosen = (ctx) => {
    const named = module[ctx.handlerName];
    if (isClass(named, WorkerEntrypoint)) return methodOf(named, 'fetch');
    const Class = classOf(module, active, ctx.className);
    if (Class !== undefined) return (request, env, ctx) => functionOf(Class, request, ctx)(request, env, ctx);
    const only = main ?? lonely(module);
    if (only === null) throw new Error(`the module has nothing for the class ${ctx.className}`);
    return only;
  };
  // Handler and class are the same in all calls of an instance.
  let fetcher = null;
  return (request, env, ctx) => (fetcher ??= chosen(ctx))(request, env, ctx);
}

function classOf(module, active, name) {
  if (active.includes(module[name])) return module[name];
  return active.find((Class) => Class.name === name) ?? (active.length === 1 ? active[0] : undefined);
}

// The one entry point of a module that has no more than one.
function lonely(module) {
  const fetchers = Object.values(module).filter((value) => isClass(value, WorkerEntrypoint) && has(value, 'fetch'));
  return fetchers.length === 1 ? methodOf(fetchers[0], 'fetch') : null;
}

// By the handler's name, if it is one that the class gives its functions; else by the host, as the class says.
function functionOf(Class, request, ctx) {
  const { functions, byHost, outbound } = programOf(Class);
  const named = functions.get(ctx.handlerName);
  if (named !== undefined) return named.handler;
  const { protocol, hostname, port } = new URL(request.url);
  const target = { scheme: protocol.slice(0, -1), host: hostname, port };
  const patterns = Object.keys(byHost);
  const found = patterns.find((pattern) => !pattern.includes('*') && globMatches(pattern, target)) ??
    patterns.find((pattern) => globMatches(pattern, target));
  const name = found === undefined ? outbound : byHost[found];
  if (name === undefined) throw new Error(`${Class.name} has no function for ${hostname}, and no \`outbound\``);
  return functions.get(name).handler;
}
