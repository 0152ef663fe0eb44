// The layer below: targets by address, port, network, name and glob, and another Worker while a connection is open.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { sandboxes } from '@proxy-everything/client';
import { Layers, Speaker } from './layers.js';

const { options, component, folder, keepAlive } = JSON.parse(process.argv[2]);
const layers = sandboxes(Layers, { ...options, component, entrypoints: [Speaker], directory: folder }).get('layers');
const { container, exports } = layers.ctx;
const said = async (url) => (await container.exec(`curl -sS --max-time 20 ${url}`)).stdout;

// Not awaited: whatever comes next waits for it.
container.start({ enableInternet: false });
await layers.speak('hello', '192.0.2.1:80', 'example.test', '*.example.test', '198.51.100.77/24', '2001:db8::77/32');
for (const host of ['192.0.2.1', 'example.test', 'a.b.example.test', '198.51.100.1', '[2001:db8::1]']) {
  assert.equal(await said(`http://${host}/`), `hello to ${host}\n`);
}
// Another port, another scheme, and another network are other targets.
for (const url of ['http://192.0.2.1:8080/', 'https://192.0.2.1/', 'http://198.51.101.1/', 'http://192.0.2.2/']) {
  assert.match(await said(`-k ${url}`), /"status":403/, url);
}
await container.interceptOutboundHttps('192.0.2.1', exports.Speaker({ props: { says: 'safely' } }));
assert.equal(await said('https://192.0.2.1/'), 'safely to 192.0.2.1\n');
assert.equal(await said('http://192.0.2.1/'), 'hello to 192.0.2.1\n');
await container.interceptAllOutboundHttp(exports.Speaker({ props: { says: 'anyone' } }));
assert.equal(await said('http://elsewhere.test/'), 'anyone to elsewhere.test\n');
assert.equal(await said('http://203.0.113.1/'), 'anyone to 203.0.113.1\n');
assert.equal(await said('http://192.0.2.1/'), 'hello to 192.0.2.1\n');

// One connection, two requests; the second when the pipe says so.
execFileSync('mkfifo', [`${folder}/go`]);
const before = (await layers.status()).requests;
await writeFile(`${folder}/twice.py`, keepAlive);
const twice = container.exec('python3 twice.py');
while ((await layers.status()).requests === before);
await layers.speak('goodbye', '192.0.2.1:80');
await writeFile(`${folder}/go`, 'go');
const { stdout, stderr } = await twice;
assert.equal(stdout, 'hello to 192.0.2.1\ngoodbye to 192.0.2.1\nconnections: 1\n', stderr);
// Unlike there, an interception can be taken back.
assert.equal((await layers.removeOutboundByHost('http://*:80')).changed, true);
assert.equal((await container.exec('curl -sS http://elsewhere.test/')).exitCode, 6);
await layers.destroy();
