// From the module of a class to the component that has all its handlers.

import { fileURLToPath } from 'node:url';

import { build as component } from '../../js/component.mjs';

/** Writes the component of `module`, a path or a file URL, to `output`. The module's top level runs, without a network. */
export async function build(module, output) {
  await component(module instanceof URL || module.startsWith('file:') ? fileURLToPath(module) : module, output);
}
