// What stands in a tail's component beside the user's module.

import '../onward.js';

import { methodOf } from '../program.js';
import { tailing } from '../tail.js';

export * from '../classes.js';
export { worldOf } from '../program.js';

export function exportsOf(program) {
  const all = [program.default, ...Object.values(program)];
  const run = all.map((value) => methodOf(value, 'tail')).find((method) => method !== null);
  return { tail: tailing(program, run) };
}
