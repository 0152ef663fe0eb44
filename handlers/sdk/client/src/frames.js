// How commands reach the shell inside, and how what they leave behind comes back.
//
// A command is one line, with `\` and line ends escaped as printf's %b reads them. An answer is a line of three numbers
// (exit status, bytes of standard output, bytes of standard error; `+` behind a number: there was more), then the bytes.
// All that comes back is said by the workload, so it is read strictly and within bounds, and believed in nothing else.

import { ProxyError } from './errors.js';

/** execve(2): the longest argument, in bytes, with its NUL. */
const MAX_ARGUMENT = 128 * 1024;
const MAX_HEAD = 64;

/** `$1` is a folder for what a command writes, `$2` the most bytes that are handed back of each stream. */
export const SHELL = `
echo ready
while IFS= read -r line; do
  rm -f "$1/out" "$1/err"
  /bin/sh -c "$(printf '%b' "$line")" </dev/null >"$1/out" 2>"$1/err"
  head="$?"
  for stream in out err; do
    size=$(($(wc -c <"$1/$stream")))
    if [ "$size" -gt "$2" ]; then head="$head $2+"; else head="$head $size"; fi
  done
  echo "$head"
  set -- "$1" "$2" $head
  head -c "\${4%+}" "$1/out"
  head -c "\${5%+}" "$1/err"
  set -- "$1" "$2"
done`;

/** The line that stands for `command`. */
export function line(command) {
  if (typeof command !== 'string' || command.includes('\0')) throw new TypeError('a command is a text without NUL');
  if (Buffer.byteLength(command) >= MAX_ARGUMENT) throw new TypeError(`a command has less than ${MAX_ARGUMENT} bytes`);
  return `${command.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`;
}

/** Cuts what comes into answers. */
export class Frames {
  #limit;
  #chunks = [];
  #length = 0;
  #head;
  #ready = false;

  /** `limit`: the most bytes of one stream. */
  constructor(limit) {
    this.#limit = limit;
  }

  /** The answers that are whole now. `true` stands for the shell's word that it is there. */
  push(chunk) {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const whole = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) whole.push(next);
    return whole;
  }

  #next() {
    if (this.#head === undefined) {
      const head = this.#line();
      if (head === undefined) return undefined;
      if (!this.#ready) {
        if (head !== 'ready') throw new ProxyError('the shell in the sandbox did not start');
        this.#ready = true;
        return true;
      }
      this.#head = this.#parse(head);
    }
    const { exitCode, out, err, truncated } = this.#head;
    if (this.#length < out + err) return undefined;
    this.#head = undefined;
    const [stdout, stderr] = [this.#take(out).toString(), this.#take(err).toString()];
    return { success: exitCode === 0, exitCode, stdout, stderr, truncated };
  }

  #line() {
    const all = this.#take(this.#length);
    const end = all.indexOf('\n');
    if (end > MAX_HEAD || (end < 0 && all.length > MAX_HEAD)) throw new ProxyError('the sandbox does not answer as it should');
    const rest = end < 0 ? all : all.subarray(end + 1);
    this.#chunks = [rest];
    this.#length = rest.length;
    return end < 0 ? undefined : all.toString('latin1', 0, end);
  }

  #parse(head) {
    const found = /^(\d{1,3}) (\d{1,10})(\+?) (\d{1,10})(\+?)$/.exec(head);
    const [exitCode, out, err] = found === null ? [] : [found[1], found[2], found[4]].map(Number);
    if (found === null || out > this.#limit || err > this.#limit) {
      throw new ProxyError('the sandbox does not answer as it should');
    }
    return { exitCode, out, err, truncated: found[3] === '+' || found[5] === '+' };
  }

  #take(length) {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const rest = all.subarray(length);
    this.#chunks = [rest];
    this.#length = rest.length;
    return all.subarray(0, length);
  }
}
