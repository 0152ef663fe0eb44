// Node's modules `https` and `http2`, and the package `ws`, whose folder is the argument.
import http2 from "node:http2";
import https from "node:https";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";

import { run, talk } from "./checks.mjs";

const { WebSocket } = createRequire(`${resolve(process.argv[2])}/`)("ws");
const agent = new https.Agent({ keepAlive: true });

function open(method, url, body) {
  return new Promise((done, reject) => {
    const request = https.request(url, { method, agent, timeout: 60_000 }, done);
    request.on("error", reject);
    request.end(body);
  });
}

async function read(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function protocol(url) {
  const session = http2.connect(url);
  const stream = session.request({ ":path": new URL(url).pathname });
  const text = (await read(stream)).toString();
  const spoken = session.alpnProtocol;
  session.close();
  return spoken === "h2" && text === "HTTP/2.0\n" ? "HTTP/2" : `${spoken} ${text}`;
}

async function ask(method, url, body) {
  const answer = await open(method, url, body);
  if (answer.headers.location) {
    answer.resume();
    return ask("GET", answer.headers.location);
  }
  const content = await read(answer);
  const text = (answer.headers["content-encoding"] === "gzip" ? gunzipSync(content) : content).toString();
  const spoken = url.endsWith("/version") && !url.includes("old.") ? await protocol(url) : undefined;
  return { status: answer.statusCode, header: (name) => answer.headers[name], text, protocol: spoken };
}

await run({
  version: process.versions.node,
  ask,
  async *parts(url) {
    yield* await open("GET", url);
  },
  talk: (url, text) => talk(WebSocket, url, text),
});
agent.destroy();
