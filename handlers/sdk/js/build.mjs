#!/usr/bin/env node
// Builds a handler: node build.mjs INPUT.js|.ts -o OUT.wasm

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { component } from './component.mjs';

async function main() {
  const options = { output: { type: 'string', short: 'o' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (positionals.length !== 1 || values.output === undefined) {
    console.error('usage: node build.mjs INPUT.js|.ts -o OUT.wasm');
    process.exitCode = 64;
    return;
  }
  const source = [
    `import handler from ${JSON.stringify(resolve(positionals[0]))};`,
    'export const handle = serve(handler);',
  ];
  await component(source.join('\n'), values.output);
}

try {
  await main();
} catch (error) {
  console.error(error.message || error.stack);
  process.exitCode = 1;
}
