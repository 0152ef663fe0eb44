// Named handlers with params, applied and changed while sandboxes run, each for its own.
import assert from 'node:assert/strict';
import { sandboxes } from '@proxy-everything/client';
import { Doors, job } from './doors.js';

const { options, component, source } = JSON.parse(process.argv[2]);
const doors = sandboxes(Doors, { ...options, component, secrets: { withToken: ['API_TOKEN'] } });
const said = async (sandbox, url) => (await sandbox.exec(`curl -sS ${url}`)).stdout;
const SHUT = 'all doors are shut\n';

const [one, two] = await Promise.all([job(doors, 'one', source), doors.getByName('two')]);
assert.equal(await doors.getByName('one'), one);
assert.equal((await one.exec('cat source/main.rs')).stdout, 'fn main() {}\n');
for (const scheme of ['http', 'https']) {
  assert.equal(await said(one, `${scheme}://api.example.test/`), SHUT);
  assert.deepEqual(JSON.parse(await said(one, `${scheme}://whoami.test/`)), { id: 'one', class: 'Doors' });
}

// What was changed for the one holds for it alone.
assert.equal((await two.exec('curl -sS https://api.example.test/')).exitCode, 6);
assert.equal(JSON.parse(await said(two, 'https://whoami.test/')).id, 'two');

assert.equal((await one.setOutboundByHost('api.example.test', 'withToken')).changed, true);
assert.equal(await said(one, 'https://api.example.test/token'), 'the token is right\n');
assert.equal((await one.exec('env')).stdout.includes('API_TOKEN'), false);
assert.equal((await one.removeOutboundByHost('api.example.test')).changed, true);
assert.equal((await one.removeOutboundByHost('api.example.test')).changed, false);
assert.equal(await said(one, 'https://api.example.test/token'), SHUT);

await one.setOutboundByHosts({
  'api.example.test': { method: 'someDoors', params: { open: ['api.example.test'] } },
  'b.example.test': { method: 'someDoors', params: { open: ['api.example.test'] } },
});
assert.equal(await said(one, 'https://api.example.test/'), 'hello from api.example.test\n');
assert.equal(await said(one, 'https://b.example.test/'), 'this door is shut\n');
assert.equal((await one.removeOutboundHandler()).changed, true);
assert.equal((await one.exec('curl -sS https://c.example.test/')).exitCode, 6);
await Promise.all([one.destroy(), two.destroy()]);
