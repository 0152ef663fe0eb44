// What stands in a handler's component beside the user's module.

import '../onward.js';

import { fetcherOf } from '../program.js';
import { serve } from '../serve.js';

export * from '../classes.js';
export { worldOf } from '../program.js';

export const exportsOf = (program) => ({ handle: serve(program, fetcherOf(program)) });
