// From the module of a class to the component that has all its handlers.

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { component } from '../../js/component.mjs';

const HANDLER = fileURLToPath(new URL('handler.js', import.meta.url));

/** Writes the component of `module`, a path or a file URL, to `output`. The module's top level runs, without a network. */
export async function build(module, output) {
  const path = module instanceof URL || module.startsWith('file:') ? fileURLToPath(module) : resolve(module);
  const source = [
    `import { dispatch } from ${JSON.stringify(HANDLER)};`,
    `import * as program from ${JSON.stringify(path)};`,
    'export const handle = serve(dispatch(program));',
  ];
  await component(source.join('\n'), output, { '@proxy-everything/client': HANDLER });
}
