// The lists of a class, changed while its sandbox runs; what was changed is there again after a restart.
import assert from 'node:assert/strict';
import { OutdatedError, Sandbox, sandboxes } from '@proxy-everything/client';

const { options } = JSON.parse(process.argv[2]);
const HOSTS = ['api.example.test', 'b.example.test', 'c.example.test'];

class Lists extends Sandbox {
  allowedHosts = ['api.example.test'];
}

const binding = sandboxes(Lists, options);
let sandbox = await binding.getByName('lists');
const reached = async () => {
  const tried = HOSTS.map((host) => sandbox.exec(`curl -sSf -o /dev/null https://${host}/`));
  const results = await Promise.all(tried);
  return HOSTS.filter((_, at) => results[at].success).map((host) => host[0]).join('');
};
const step = async (change, wanted) => {
  const { generation, changed } = await change;
  assert.equal(changed, true);
  assert.equal((await sandbox.status()).generation, generation);
  assert.equal(await reached(), wanted);
};

assert.equal(await reached(), 'a');
await step(sandbox.allowHost('b.example.test'), 'ab');
await step(sandbox.denyHost('api.example.test'), 'b');
await step(sandbox.setAllowedHosts(['*.example.test']), 'bc');
await step(sandbox.removeDeniedHost('api.example.test'), 'abc');
await step(sandbox.setDeniedHosts([{ host: 'b.example.test', name: 'not b' }, 'c.example.test']), 'a');
await step(sandbox.removeAllowedHost('*.example.test'), '');
assert.equal((await sandbox.removeAllowedHost('*.example.test')).changed, false);
await step(sandbox.allowHost('c.example.test'), '');
await step(sandbox.setDeniedHosts([]), 'c');

// Of several who change the same generation, one does.
const { generation, overrides } = await sandbox.overrides();
assert.deepEqual(overrides, { allowedHosts: ['c.example.test'], deniedHosts: [] });
const writers = HOSTS.map((host) => sandbox.ifGeneration(generation).allowHost({ host, methods: ['HEAD'] }));
const ends = await Promise.allSettled(writers);
const won = ends.filter(({ status }) => status === 'fulfilled');
assert.deepEqual(won.map(({ value }) => value), [{ generation: generation + 1, changed: true }]);
for (const { reason } of ends.filter(({ status }) => status === 'rejected')) {
  assert(reason instanceof OutdatedError, reason);
  assert.deepEqual([reason.status, reason.generation], [412, generation + 1]);
}
await sandbox.setAllowedHosts(['b.example.test']);

const ended = sandbox.ctx.container.monitor();
await sandbox.destroy();
await ended;
assert.equal(sandbox.ctx.container.running, false);
sandbox = await binding.getByName('lists');
assert.equal(await reached(), 'b');
await step(sandbox.clear(), 'a');
await sandbox.destroy();
