// What stands in a filter's component beside the user's module. Nothing here may fetch, wait, or keep anything.

import '../globals.js';

import { filter, requestHead, responseHead } from '../filter.js';
import { methodOf } from '../program.js';

export * from '../classes.js';
export { worldOf } from '../program.js';

export function exportsOf(program) {
  const made = (name, head) => {
    const run = methodOf(program.default, name);
    return run === null ? undefined : filter(run, head);
  };
  return { onRequest: made('onRequest', requestHead), onResponse: made('onResponse', responseHead) };
}
