// The `fetch` and the `WebSocket` that a runtime has of its own: Node's undici, Deno's, Bun's.
import process from "node:process";

import { run, talk } from "./checks.mjs";

const { bun, deno, node, undici } = process.versions;

await run({
  version: bun ?? deno ?? `${node}, undici ${undici}`,
  async ask(method, url, body) {
    const answer = await fetch(url, { method, body });
    return { status: answer.status, header: (name) => answer.headers.get(name), text: await answer.text() };
  },
  async *parts(url) {
    yield* (await fetch(url)).body;
  },
  talk: globalThis.WebSocket && ((url, text) => talk(WebSocket, url, text)),
});
