// The admin API of one instance, spoken over its unix socket.

import { request } from 'node:http';

import { EndedError, OutdatedError, ProxyError, RefusedError } from './errors.js';

/** For a whole answer, in milliseconds. A change that names a new component compiles it first. */
const DEADLINE_MS = 60_000;
/** Of an answer, in bytes; a policy has 4 MiB at most, and its JSON somewhat more. */
const MAX_ANSWER = 16 * 1024 * 1024;

/** What `method` of `path` answers: `{ generation, body }`. With `generation`, only if that one is in force. */
export async function ask(socketPath, method, path, { body, generation } = {}) {
  const headers = { host: 'localhost' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (generation !== undefined) headers['if-match'] = `"${generation}"`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await exchange({ socketPath, method, path, headers, agent: false }, text);
  const value = parsed(answer.text);
  if (answer.status === 412) throw new OutdatedError(412, value);
  if (answer.status >= 300) throw new RefusedError(answer.status, value);
  return { generation: Number(/^"(\d+)"$/.exec(answer.etag ?? '')?.[1] ?? value?.generation), body: value };
}

function exchange(options, text) {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const fail = (error) => reject(failure(error));
    const sent = request({ ...options, signal }, (answer) => {
      const chunks = [];
      let length = 0;
      answer.on('data', (chunk) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > MAX_ANSWER) answer.destroy(new Error('its answer is too long'));
      });
      answer.on('error', fail);
      answer.on('end', () => {
        resolve({ status: answer.statusCode, etag: answer.headers.etag, text: Buffer.concat(chunks).toString() });
      });
    });
    sent.on('error', fail);
    sent.end(text);
  });
}

function failure(error) {
  const isGone = ['ENOENT', 'ECONNREFUSED'].includes(error.code);
  if (isGone) return new EndedError('nobody answers at the admin socket', { cause: error });
  return new ProxyError(`the admin API: ${error.message}`, { cause: error });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
