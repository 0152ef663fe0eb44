#!/usr/bin/env node
// Builds a handler: node build.mjs INPUT.js|.ts -o OUT.wasm
//
// rolldown joins the user's module, what it imports and the SDK into one module and strips types; componentize-qjs
// runs its top level once and snapshots the result into a component of the world egress:handler/handler.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { componentize } from 'componentize-qjs';
import { rolldown } from 'rolldown';

const sdk = dirname(fileURLToPath(import.meta.url));
const ENTRY = '\0handler-entry';

function entry(input) {
  const source = [
    `import ${JSON.stringify(resolve(sdk, 'src/globals.js'))};`,
    `import { serve } from ${JSON.stringify(resolve(sdk, 'src/serve.js'))};`,
    `import handler from ${JSON.stringify(resolve(input))};`,
    'export const handle = serve(handler);',
  ].join('\n');
  return {
    name: 'handler-entry',
    resolveId: (id) => (id === ENTRY ? id : null),
    load: (id) => (id === ENTRY ? source : null),
  };
}

async function bundle(input) {
  const build = await rolldown({
    input: ENTRY,
    external: /^egress:/,
    platform: 'neutral',
    // Packages written for node find their globals there.
    transform: { define: { global: 'globalThis' } },
    resolve: { mainFields: ['module', 'main'] },
    plugins: [entry(input)],
    onLog(level, log, report) {
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message);
      report(level, log);
    },
  });
  const { output } = await build.generate({ format: 'esm', codeSplitting: false });
  await build.close();
  return output[0].code;
}

async function main() {
  const options = { output: { type: 'string', short: 'o' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (positionals.length !== 1 || values.output === undefined) {
    console.error('usage: node build.mjs INPUT.js|.ts -o OUT.wasm');
    process.exitCode = 64;
    return;
  }
  const jsSource = await bundle(positionals[0]);
  const witPath = resolve(sdk, '../../wit');
  const { component } = await componentize({ witPath, world: 'handler', jsSource });
  await mkdir(dirname(resolve(values.output)), { recursive: true });
  await writeFile(values.output, component);
}

try {
  await main();
} catch (error) {
  console.error(error.message || error.stack);
  process.exitCode = 1;
}
