// The package got with HTTP/2. Its folder is the argument.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { run } from "./checks.mjs";

const folder = resolve(process.argv[2], "got");
const { exports, version } = JSON.parse(readFileSync(`${folder}/package.json`));
const { default: got } = await import(pathToFileURL(`${folder}/${exports.default}`));
const client = got.extend({ http2: true, throwHttpErrors: false, retry: { limit: 0 }, timeout: { request: 60_000 } });

await run({
  version,
  async ask(method, url, body) {
    const answer = await client(url, { method, body });
    const protocol = answer.httpVersion === "2.0" ? "HTTP/2" : `HTTP/${answer.httpVersion}`;
    return { status: answer.statusCode, header: (name) => answer.headers[name], text: answer.body, protocol };
  },
  async *parts(url) {
    yield* client.stream(url);
  },
});
