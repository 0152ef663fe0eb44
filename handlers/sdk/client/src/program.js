// What a class declares: which functions serve what, under the names that the policy knows them by.
//
// Read twice, on both sides: in Node, to write the policy, and in the component, to find the function that the policy
// names. Both import the same module, so both make the same names. No part of this needs Node.

/** The policy's names for what has no name in the class. */
const CATCH_ALL = '_outbound';
const hostHandler = (index) => `_host_${index}`;
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/**
 * `{ functions, byHost, outbound }`: name to `{ handler, label }`, pattern to name, name or undefined. The label is what
 * the class calls it: its key, its host, or `outbound`.
 */
export function programOf(Class) {
  const functions = new Map();
  const add = (name, label, handler) => {
    if (typeof handler !== 'function') throw new TypeError(`what ${Class.name} has for \`${label}\` is no function`);
    functions.set(name, { handler, label });
    return name;
  };
  for (const [name, handler] of Object.entries(Class.outboundHandlers ?? {})) add(handlerName(name), name, handler);
  const hosts = Object.entries(Class.outboundByHost ?? {});
  const byHost = hosts.map(([host, handler], at) => [host, add(hostHandler(at), host, handler)]);
  const outbound = Class.outbound === undefined ? undefined : add(CATCH_ALL, 'outbound', Class.outbound);
  return { functions, byHost: Object.fromEntries(byHost), outbound };
}

/** `name`, if a policy can have a handler of that name. */
export function handlerName(name) {
  if (NAME.test(name)) return name;
  throw new TypeError(`\`${name}\` is no name for a handler: 1 to 64 letters, digits, _ and -, with a letter first`);
}
