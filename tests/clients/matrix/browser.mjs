// A browser without a window, driven by playwright-core: `browser.mjs PACKAGES PROGRAM`. Pages ask their own server with `fetch`; what other
// servers answer is looked at as a page.
import { createRequire } from "node:module";
import { resolve } from "node:path";

import { run, talk } from "./checks.mjs";

const [packages, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(`${resolve(packages)}/`)("playwright-core");
// The sandbox around it is the proxy's, in which there can be no other.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
// One to look at answers, one that stays where it is, and asks.
const page = await browser.newPage();
const home = await browser.newPage();
await home.goto(`${process.env.WEB}/version`);

async function visit(url) {
  const answer = await page.goto(url);
  const headers = answer.headers();
  return { status: answer.status(), header: (name) => headers[name], text: await answer.text() };
}

// What a page says about the last thing that it loaded.
const spoken = () => page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);

// Runs in the page: hands on the body of an answer, piece by piece, as binary strings.
async function read(url) {
  for await (const part of (await fetch(url)).body) {
    let text = "";
    for (let at = 0; at < part.length; at += 8192) text += String.fromCharCode(...part.subarray(at, at + 8192));
    await globalThis.hand(text);
  }
  await globalThis.hand(null);
}

const parts = [];
let wake = () => {};
await home.exposeFunction("hand", (part) => {
  parts.push(part);
  wake();
});

await run({
  version: browser.version(),
  async ask(method, url, body) {
    if (method === "GET") {
      const answer = await visit(url);
      return { ...answer, protocol: (await spoken()) === "h2" ? "HTTP/2" : "HTTP/1.1" };
    }
    const binary = typeof body === "string" ? body : Buffer.from(body).toString("base64");
    const send = async ([url, method, body, coded]) => {
      const bytes = coded ? Uint8Array.from(atob(body), (c) => c.charCodeAt(0)) : body;
      const answer = await fetch(url, { method, body: bytes });
      return { status: answer.status, text: await answer.text() };
    };
    return home.evaluate(send, [url, method, binary, typeof body !== "string"]);
  },
  digest: (url) =>
    home.evaluate(async (url) => {
      const digest = await crypto.subtle.digest("SHA-256", await (await fetch(url)).arrayBuffer());
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    }, url),
  async *parts(url) {
    const reading = home.evaluate(read, url);
    for (;;) {
      while (parts.length === 0) await new Promise((done) => (wake = done));
      const part = parts.shift();
      if (part === null) break;
      yield Buffer.from(part, "latin1");
    }
    await reading;
  },
  talk(url, text) {
    return home.evaluate(([talk, url, text]) => eval(`(${talk})`)(WebSocket, url, text), [talk.toString(), url, text]);
  },
});
await browser.close();
