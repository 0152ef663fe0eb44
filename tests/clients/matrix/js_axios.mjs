// The package axios, whose folder is the argument.
import { createRequire } from "node:module";
import { resolve } from "node:path";

import { run } from "./checks.mjs";

const axios = createRequire(`${resolve(process.argv[2])}/`)("axios");
const client = axios.create({ timeout: 60_000, validateStatus: () => true, transformResponse: (text) => text });

await run({
  version: axios.VERSION,
  async ask(method, url, data) {
    const answer = await client.request({ method, url, data: data && Buffer.from(data) });
    return { status: answer.status, header: (name) => answer.headers[name], text: answer.data };
  },
  async *parts(url) {
    yield* (await client.get(url, { responseType: "stream" })).data;
  },
});
