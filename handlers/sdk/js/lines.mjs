// Which lines of a component's script came from which lines of the program, as `src/errors.js` reads it.

import { relative, resolve } from 'node:path';

import { TraceMap, decodedMappings } from '@jridgewell/trace-mapping';

/** `{ files, runs }` of a source map whose script begins behind `before` other lines. Files are named from `folder`. */
export function linesOf(map, folder, before) {
  const files = [];
  const runs = [];
  decodedMappings(new TraceMap(map)).forEach((segments, at) => {
    const segment = segments.find((one) => one.length > 1);
    if (segment === undefined) return;
    const name = relative(folder, resolve(map.sources[segment[1]]));
    if (!files.includes(name)) files.push(name);
    const [file, line, from] = [files.indexOf(name), before + at + 1, segment[2] + 1];
    const last = runs.at(-1);
    const goesOn = last !== undefined && last[2] === file && last[0] + last[1] === line && last[3] + last[1] === from;
    if (goesOn) last[1]++;
    else runs.push([line, 1, file, from]);
  });
  return { files, runs };
}
