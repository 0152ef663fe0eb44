// The package @grpc/grpc-js, whose folder is the argument: one call, a stream whose every message is answered before the next is sent,
// and a refusal. Prints its version if all is well.
import assert from "node:assert";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(`${resolve(process.argv[2])}/`);
const grpc = require("@grpc/grpc-js");
const client = new grpc.Client("grpc.example.test:443", grpc.credentials.createSsl());
const same = (bytes) => bytes;
const deadline = Date.now() + 60_000;

const one = (path, message) =>
  new Promise((done, failed) => {
    const answered = (error, answer) => (error ? failed(error) : done(answer));
    client.makeUnaryRequest(path, same, same, message, { deadline }, answered);
  });

assert.equal((await one("/matrix.Echo/One", Buffer.from("hello"))).toString(), "hello");

const both = client.makeBidiStreamRequest("/matrix.Echo/Both", same, same, { deadline });
let next = 0;
both.write(Buffer.from("0"));
for await (const answer of both) {
  assert.equal(answer.toString(), String(next++));
  if (next === 100) both.end();
  else both.write(Buffer.from(String(next)));
}
assert.equal(next, 100);

await assert.rejects(one("/matrix.Echo/Unknown", Buffer.from("")), { code: grpc.status.UNIMPLEMENTED });
client.close();
console.log(require("@grpc/grpc-js/package.json").version);
