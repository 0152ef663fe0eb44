#!/usr/bin/env node
// Builds a component: node build.mjs INPUT.js|.ts -o OUT.wasm

import { parseArgs } from 'node:util';

import { build } from './component.mjs';

const { values, positionals } = parseArgs({ options: { output: { type: 'string', short: 'o' } }, allowPositionals: true });
if (positionals.length !== 1 || values.output === undefined) {
  console.error('usage: node build.mjs INPUT.js|.ts -o OUT.wasm');
  process.exit(64);
}
try {
  await build(positionals[0], values.output);
} catch (error) {
  console.error(error.message || error.stack);
  process.exitCode = 1;
}
