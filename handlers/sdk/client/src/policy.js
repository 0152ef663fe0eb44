// The policy document that says what a class says. Whatever it does not say (secrets, resolve, limits, compat, built-in
// handlers) stands in the policies that the options name, which are read before it.

import { UnsupportedError } from './errors.js';
import { handlerName, programOf } from './program.js';

/** The document of `container`, an instance of its class, as a value. */
export function policyOf(container, { component, secrets, entrypoints }, { enableInternet = container.enableInternet }) {
  if (container.interceptHttps === false) {
    throw new UnsupportedError(
      '`interceptHttps = false` cannot be had: HTTPS is opened always. Name hosts whose TLS must not be opened under `passthrough` of a policy',
    );
  }
  const { functions, byHost, outbound } = programOf(container.constructor);
  const labels = new Map([...functions].map(([name, { label }]) => [name, label]));
  for (const { name } of entrypoints) labels.set(handlerName(name), name);
  if (labels.size > 0 && component === undefined) {
    throw new TypeError(`${container.constructor.name} has handlers, so \`component\` is needed: what \`build\` made of its module`);
  }
  const known = new Set(labels.values());
  const unknown = Object.keys(secrets).find((label) => !known.has(label));
  if (unknown !== undefined) throw new TypeError(`\`secrets\`: ${container.constructor.name} has nothing for \`${unknown}\``);
  const handlers = [...labels].map(([name, label]) => [name, { wasm: component, secrets: secrets[label] }]);
  return {
    enableInternet,
    allowedHosts: container.allowedHosts,
    deniedHosts: container.deniedHosts,
    outboundByHost: byHost,
    outbound,
    handlers: Object.fromEntries(handlers),
  };
}
