// From a module to a component, of the kind that its exports say.
//
// rolldown makes two scripts: the SDK, as small as it can be, and the user's module with all that it imports, its types
// stripped and its lines as they were. componentize-qjs runs both once and snapshots the result. What kind a module is shows
// when it has run: one that is no handler says so, and is built again.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { componentize } from 'componentize-qjs';
import { rolldown } from 'rolldown';

import { linesOf } from './lines.mjs';

const sdk = dirname(fileURLToPath(import.meta.url));
const HOST = /^(egress|wasi):/;

/** What programs import their classes from; in a component the SDK stands for all of them. */
const PACKAGES = ['@proxy-everything/handler', '@proxy-everything/client', '@cloudflare/containers', '@cloudflare/sandbox', 'cloudflare:workers'];

/** By world: the SDK's part, what the component exports, and whether it can wait for nothing, which spares a call a tenth. */
const WORLDS = {
  handler: { entry: 'handler', names: ['handle'] },
  'request-filter': { entry: 'filter', names: ['onRequest'], sync: true },
  'response-filter': { entry: 'filter', names: ['onResponse'], sync: true },
  filter: { entry: 'filter', names: ['onRequest', 'onResponse'], sync: true },
  tail: { entry: 'tail', names: ['tail'] },
};

/** A script `var NAME = ...` of what `input` exports. `globals`: the variables that its external modules are in. */
async function script(input, { name, external, globals, ...output }) {
  const build = await rolldown({
    input,
    external,
    platform: 'neutral',
    // Packages written for node find their globals there.
    transform: { define: { global: 'globalThis' } },
    resolve: { mainFields: ['module', 'main'] },
    onLog(level, log, report) {
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message);
      report(level, log);
    },
  });
  try {
    const made = await build.generate({ dir: '.', format: 'iife', exports: 'named', name, globals, codeSplitting: false, ...output });
    return made.output[0];
  } finally {
    await build.close();
  }
}

async function sdkOf(world) {
  const hosts = [];
  const variable = (id) => {
    if (!hosts.includes(id)) hosts.push(id);
    return `host${hosts.indexOf(id)}`;
  };
  const input = resolve(sdk, `src/entry/${WORLDS[world].entry}.js`);
  const { code } = await script(input, { name: 'sdk', external: HOST, globals: variable, minify: true });
  const imports = hosts.map((id) => `import * as ${variable(id)} from ${JSON.stringify(id)};`);
  return `${imports.join('\n')}\n${code.trimEnd()}\n`;
}

async function programOf(module) {
  const globals = Object.fromEntries(PACKAGES.map((name) => [name, 'sdk']));
  return script(module, { name: 'program', external: PACKAGES, globals, sourcemap: 'hidden' });
}

function exportsOf(world) {
  return [
    'const world = sdk.worldOf(program);',
    `if (world !== ${JSON.stringify(world)}) throw new Error(\`[[world \${world}]]\`);`,
    `export const { ${WORLDS[world].names.join(', ')} } = sdk.exportsOf(program);`,
  ].join('\n');
}

/** Writes the component of `module`, the path of a file. Its top level runs, without a network. */
export async function build(module, output) {
  const path = resolve(module);
  await readFile(path); // says what is missing
  const program = await programOf(path);
  const component = await builtAs('handler', program, dirname(path));
  await mkdir(dirname(resolve(output)), { recursive: true });
  await writeFile(output, component);
}

async function builtAs(world, program, folder) {
  const before = await sdkOf(world);
  const lines = linesOf(program.map, folder, before.split('\n').length - 1);
  const jsSource = `${before}${program.code}\n${exportsOf(world)}\nglobalThis.__handlerLines = ${JSON.stringify(lines)};\n`;
  try {
    const { sync } = WORLDS[world];
    return (await componentize({ witPath: resolve(sdk, '../../wit'), world, jsSource, sync })).component;
  } catch (error) {
    const other = /\[\[world ([a-z-]+)\]\]/.exec(error.message)?.[1];
    if (other === undefined || other === world) throw error;
    return builtAs(other, program, folder);
  }
}
