// `proxy-everything run` around a shell, as a child process: started, given commands one after the other, and ended.

import { spawn } from 'node:child_process';

import { EndedError, StartError } from './errors.js';
import { Frames, SHELL, line } from './frames.js';

/** From the start to the shell's first word; handlers are compiled before it. */
const START_MS = 120_000;
/** From asking the proxy to end to making it. */
const END_MS = 5_000;
/** Commands that wait for their turn. */
const MAX_WAITING = 1_000;
/** Of what the proxy writes to standard error, for the message when it ends; in characters. */
const MAX_WORDS = 16 * 1024;

export class Process {
  #child;
  #waiting = [];
  #words = '';
  #frames;
  // What is said before it started is the message of the exception.
  #isStarted = false;
  #isEnding = false;
  /** Resolves when the shell is there. */
  started;
  /** Resolves when the proxy has ended and all that was in its pipes has been read. */
  ended;

  /** `flags`: those of `run`; `folder` and `limit`: for the shell. */
  constructor(program, flags, { folder, limit, cwd, env }) {
    this.#frames = new Frames(limit);
    const shell = ['--', '/bin/sh', '-c', SHELL, 'sh', folder, String(limit)];
    this.#child = spawn(program, ['run', ...flags, ...shell], { cwd, env, stdio: 'pipe' });
    this.started = new Promise((resolve, reject) => this.#begin(resolve, reject));
    this.ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.on('error', () => {});
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      if (this.#isStarted) process.stderr.write(text);
      this.#words = (this.#words + text).slice(-MAX_WORDS);
    });
  }

  #begin(resolve, reject) {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), START_MS);
    this.#waiting.push({
      resolve: () => {
        clearTimeout(late);
        this.#isStarted = true;
        resolve();
      },
      reject: (error) => reject(new StartError(error.message, { cause: error.cause })),
    });
    const over = (cause) => {
      clearTimeout(late);
      this.#abandon(new EndedError(this.#farewell(cause), { cause }));
    };
    this.#child.once('error', over);
    this.#child.once('close', () => over());
    this.#child.stdout.on('data', (chunk) => this.#hear(chunk));
  }

  #hear(chunk) {
    try {
      for (const answer of this.#frames.push(chunk)) {
        const first = this.#waiting.shift();
        if (first === undefined) throw new EndedError('the sandbox answered what nobody had asked');
        first.resolve(answer);
      }
    } catch (error) {
      // What comes after this could not be told apart.
      this.#child.stdout.removeAllListeners('data').resume();
      this.#child.kill('SIGKILL');
      this.#abandon(error);
    }
  }

  #farewell(cause) {
    if (cause !== undefined) return `cannot start the proxy: ${cause.message}`;
    if (this.#isEnding) return 'the sandbox was destroyed';
    const { exitCode, signalCode } = this.#child;
    return `the proxy ended with ${signalCode ?? exitCode}: ${this.#words.trim() || 'no message'}`;
  }

  #abandon(error) {
    for (const one of this.#waiting.splice(0)) one.reject(error);
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** What `command` leaves behind, once those before it have ended. */
  exec(command) {
    const text = line(command);
    if (!this.isRunning || this.#isEnding) throw new EndedError(this.#farewell());
    if (this.#waiting.length >= MAX_WAITING) throw new RangeError(`${MAX_WAITING} commands are waiting already`);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(text);
    });
  }

  async end() {
    this.#isEnding = true;
    if (!this.isRunning) return;
    this.#child.stdin.end();
    // Passed on to the shell, also while a command runs.
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    await this.ended;
    clearTimeout(late);
  }
}
