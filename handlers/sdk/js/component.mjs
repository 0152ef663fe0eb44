// From a module to a component of the world egress:handler/handler.
//
// rolldown joins the entry, what it imports and the SDK into one module and strips types; componentize-qjs runs its top
// level once and snapshots the result. Both the builder of single handlers and that of the client's classes end here.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { componentize } from 'componentize-qjs';
import { rolldown } from 'rolldown';

const sdk = dirname(fileURLToPath(import.meta.url));
const ENTRY = '\0handler-entry';

// `aliases`: what stands in a component for a package that its module imports, by the package's name.
function plugin(source, aliases) {
  const imports = [
    `import ${JSON.stringify(resolve(sdk, 'src/globals.js'))};`,
    `import { serve } from ${JSON.stringify(resolve(sdk, 'src/serve.js'))};`,
  ];
  return {
    name: 'handler-entry',
    resolveId: (id) => (id === ENTRY ? id : (aliases[id] ?? null)),
    load: (id) => (id === ENTRY ? [...imports, source].join('\n') : null),
  };
}

async function bundle(source, aliases) {
  const build = await rolldown({
    input: ENTRY,
    external: /^(egress|wasi):/,
    platform: 'neutral',
    // Packages written for node find their globals there.
    transform: { define: { global: 'globalThis' } },
    resolve: { mainFields: ['module', 'main'] },
    plugins: [plugin(source, aliases)],
    onLog(level, log, report) {
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message);
      report(level, log);
    },
  });
  const { output } = await build.generate({ format: 'esm', codeSplitting: false });
  await build.close();
  return output[0].code;
}

/** Writes the component whose module is `source`; in it `serve` makes the export of a `{ fetch }`. */
export async function component(source, output, aliases = {}) {
  const jsSource = await bundle(source, aliases);
  const witPath = resolve(sdk, '../../wit');
  const built = await componentize({ witPath, world: 'handler', jsSource });
  await mkdir(dirname(resolve(output)), { recursive: true });
  await writeFile(output, built.component);
}
