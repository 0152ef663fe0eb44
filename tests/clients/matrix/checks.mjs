// The checks of the matrix for a client in JavaScript, on any runtime. Receives a client, prints its version and one line of JSON for
// each check. A client has `version`; `ask(method, url, body)`, which follows redirects and gives { status, header(name), text, protocol };
// `parts(url)`, an asynchronous iterable of the pieces of a body as they come; and, where it can, `talk(url, text)`, which says
// something over a WebSocket and gives the answer; and `digest(url)`, if its pieces are better not handed on. What it cannot do it says with `Cannot`.
import { createHash } from "node:crypto";
import process from "node:process";

const { WEB, OLD, DENIED, EXPIRED, SOCKET, NAME, DIGEST } = process.env;
const DOWN = 100 * 1024 * 1024;
const UP = 20 * 1024 * 1024;

export class Cannot extends Error {}

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

function expect(found, wanted) {
  if (found !== wanted) throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
}

function refused(answer, status, reason) {
  expect(answer.status, status);
  expect(JSON.parse(answer.text).reason, reason);
}

const checks = {
  async get(client) {
    const answer = await client.ask("GET", `${WEB}/version`);
    expect(`${answer.status} ${answer.header("x-version")} ${answer.text}`, "200 HTTP/2.0 HTTP/2.0\n");
    expect((await client.ask("GET", `${OLD}/version`)).text, "HTTP/1.1\n");
  },
  async post(client) {
    const echo = JSON.parse((await client.ask("POST", `${WEB}/echo`, "the body")).text);
    expect(`${echo.method} ${echo.body}`, "POST the body");
  },
  async stream(client) {
    let text = "";
    const decoder = new TextDecoder();
    for await (const part of client.parts(`${WEB}/parts/${NAME}`)) {
      const first = text === "";
      text += decoder.decode(part);
      if (first) {
        expect(text, "one\n");
        await client.ask("GET", `${WEB}/more/${NAME}`);
      }
    }
    expect(text, "one\ntwo\n");
  },
  async down(client) {
    const url = `${WEB}/stream/${DOWN}`;
    if (client.digest) return expect(await client.digest(url), DIGEST);
    const digest = createHash("sha256");
    for await (const part of client.parts(url)) digest.update(part);
    expect(digest.digest("hex"), DIGEST);
  },
  async up(client) {
    const body = new Uint8Array(UP).map((_, index) => index % 251);
    const answer = await client.ask("POST", `${WEB}/upload`, body);
    expect(JSON.parse(answer.text).sha256, hash(body));
  },
  async http2(client) {
    const { protocol } = await client.ask("GET", `${WEB}/version`);
    if (protocol === undefined) throw new Cannot("HTTP/1.1");
    expect(protocol, "HTTP/2");
  },
  async compressed(client) {
    expect((await client.ask("GET", `${WEB}/gzip`)).text, "hello in gzip\n");
  },
  async redirect(client) {
    expect((await client.ask("GET", `${WEB}/moved?${OLD}/version`)).text, "HTTP/1.1\n");
    refused(await client.ask("GET", `${WEB}/moved?${DENIED}/`), 403, "host_not_allowed");
  },
  async denied(client) {
    refused(await client.ask("GET", `${DENIED}/`), 403, "host_not_allowed");
  },
  async certificate(client) {
    refused(await client.ask("GET", `${EXPIRED}/`), 502, "upstream_tls_expired");
  },
  async websocket(client) {
    if (!client.talk) throw new Cannot("no WebSocket");
    expect(await client.talk(`${SOCKET}/echo`, "hello"), "hello");
  },
};

// Says one thing over a WebSocket of the interface that browsers have.
export function talk(Socket, url, text) {
  return new Promise((resolve, reject) => {
    const socket = new Socket(url);
    socket.onopen = () => socket.send(text);
    socket.onerror = (event) => reject(new Error(event.message ?? "it failed"));
    socket.onmessage = (event) => {
      resolve(event.data);
      socket.close();
    };
  });
}

export async function run(client) {
  console.log(JSON.stringify({ version: client.version }));
  for (const [check, work] of Object.entries(checks)) {
    let [result, why] = ["pass", ""];
    try {
      await work(client);
    } catch (error) {
      result = error instanceof Cannot ? "none" : "fail";
      why = `${error.message} ${error.cause ?? ""}`.trim();
    }
    console.log(JSON.stringify({ check, result, why }));
  }
}
