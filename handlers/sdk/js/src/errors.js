// What the operator reads of an error: its stack in terms of the program's own files and lines.
//
// The builder adds a table of which lines of the bundle came from which lines of the program. Lines of the SDK are not in
// it, and their frames are left out.

/** `[first line in the bundle, how many, file, first line in the file]`, and the names of the files; set by the builder. */
const table = () => globalThis.__handlerLines ?? { files: [], runs: [] };

function placeOf(line) {
  const { files, runs } = table();
  const run = runs.find(([first, count]) => line >= first && line < first + count);
  return run === undefined ? null : `${files[run[2]]}:${run[3] + line - run[0]}`;
}

/** The frames of a stack that are the program's own. */
export function framesOf(stack) {
  const frames = [];
  for (const frame of String(stack ?? '').split('\n')) {
    const [, name, line] = /^\s*at (?:(.*) \()?[^()]*?:(\d+)(?::\d+)?\)?\s*$/.exec(frame) ?? [];
    const place = line === undefined ? null : placeOf(Number(line));
    if (place !== null) frames.push(name ? `    at ${name} (${place})` : `    at ${place}`);
  }
  return frames.join('\n');
}

/** An error, or whatever else was thrown, as a text. */
export function wordsOf(thrown) {
  if (!(thrown instanceof Error) && !(thrown instanceof DOMException)) {
    return typeof thrown === 'object' && thrown !== null ? `thrown: ${JSON.stringify(thrown)}` : String(thrown);
  }
  const frames = framesOf(thrown.stack);
  const cause = thrown.cause === undefined ? '' : `\ncaused by ${wordsOf(thrown.cause)}`;
  return `${thrown.name}: ${thrown.message}${frames && `\n${frames}`}${cause}`;
}

/** An Error of what a host's function threw: it throws the words, or a value that holds them. */
export function hostError(reason) {
  const told = reason?.payload ?? reason;
  return new Error(typeof told === 'object' && told !== null ? String(told.val ?? told.tag) : String(told));
}
