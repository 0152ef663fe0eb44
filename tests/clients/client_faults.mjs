// What goes wrong is an exception that says so, and changes nothing.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CommandError, EndedError, RefusedError, Sandbox, StartError, UnsupportedError, sandboxes,
} from '@proxy-everything/client';

const { options } = JSON.parse(process.argv[2]);
const starting = (Class, more) => sandboxes(Class, { ...options, ...more }).getByName('faults');
const start = (set, more) => starting(class extends Sandbox { constructor(ctx) { super(ctx); Object.assign(this, set); } }, more);

await assert.rejects(start({ allowedHosts: ['*github.com'] }), (error) => {
  assert(error instanceof StartError);
  return /policy\.json:1:\d+: pattern `\*github\.com`.*write `\*\.github\.com`/.test(error.message);
});
await assert.rejects(start({}, { program: '/nowhere/at/all' }), StartError);
await assert.rejects(start({}, { policies: ['missing.yaml'] }), /missing\.yaml/);
await assert.rejects(start({ interceptHttps: false }), UnsupportedError);
await assert.rejects(starting(class extends Sandbox { static outbound = () => new Response(); }), /`component` is needed/);
await assert.rejects(starting(class extends Sandbox { static outbound = 'text'; }), TypeError);
await assert.rejects(starting(class extends Sandbox { static outboundHandlers = { _mine() {} }; }), /no name for a handler/);
await assert.rejects(start({}, { secrets: { outbound: ['API_TOKEN'] } }), /has nothing for `outbound`/);
assert.throws(() => sandboxes(Sandbox, {}), TypeError);
assert.throws(() => sandboxes(Sandbox, options).get('../../etc/passwd'), TypeError);

const binding = sandboxes(Sandbox, options);
const idle = binding.get('faults');
await assert.rejects(idle.allowHost('a.test'), EndedError);
await assert.rejects(idle.exec('true'), EndedError);
const sandbox = await binding.getByName('faults');
await assert.rejects(start({}), /an instance with this id is running/);
const unchanged = async (change, detail, status = 422) => {
  await assert.rejects(change, (error) => {
    assert(error instanceof RefusedError, error);
    assert.match(error.message, detail);
    assert.equal(error.status, status);
    return error.problem.detail === error.message;
  });
  assert.equal((await sandbox.status()).generation, 1);
};
await unchanged(sandbox.setOutboundHandler('helo'), /unknown handler `helo`.*did you mean `hello`/);
await unchanged(sandbox.setOutboundByHost('*github.com', 'hello'), /whole labels/);
await unchanged(sandbox.allowHost({ host: 'a.test', method: 'GET' }), /unknown (key|field) `method`/);
await assert.rejects(sandbox.denyHost(), RefusedError);
await assert.rejects(sandbox.ctx.container.interceptOutboundTcp('192.0.2.1', { name: 'hello' }), UnsupportedError);
await assert.rejects(sandbox.ctx.container.interceptOutboundHttp('a.test', 'hello'), TypeError);
assert.throws(() => sandbox.start(), /started already/);

// Commands, and what they leave behind.
assert.deepEqual(await sandbox.exec('printf "%s" "a\\\\b"; echo >&2 c; exit 3'), {
  success: false, exitCode: 3, stdout: 'a\\b', stderr: 'c\n', truncated: false,
});
const several = await sandbox.exec("cd /\npwd\nprintf '%s\\n' \"$NAME\" \\\n  '\\n'", { env: { NAME: "it's" } });
assert.equal(several.stdout, "/\nit's\n\\n\n");
const variables = (await sandbox.exec('env')).stdout.split('\n').map((variable) => variable.split('=')[0]);
assert(variables.includes('PATH') && variables.includes('GIVEN'), variables.join());
for (const hidden of ['API_TOKEN', 'OF_NODE']) assert(!variables.includes(hidden), hidden);
assert.equal((await sandbox.exec('pwd', { cwd: '/usr' })).stdout, '/usr\n');
assert.equal((await sandbox.exec('sleep 60', { timeout: 100 })).exitCode, 124);
assert.equal((await sandbox.exec('cat')).stdout, '');
assert.deepEqual((await Promise.all(['1', '2', '3'].map((n) => sandbox.exec(`echo ${n}`)))).map((r) => r.stdout.trim()), ['1', '2', '3']);
const long = await sandbox.exec('yes | head -c 9000000');
assert.deepEqual([long.stdout.length, long.truncated], [8 * 1024 * 1024, true]);
await sandbox.exec('(while :; do echo late; done) & exit 0');
assert.equal((await sandbox.exec('echo early')).stdout, 'early\n');
await assert.rejects(sandbox.gitClone('https://nobody.example.test/x.git'), CommandError);
await assert.rejects(sandbox.exec('a\0b'), TypeError);
await assert.rejects(sandbox.exec(`: ${'x'.repeat(200_000)}`), TypeError);
await assert.rejects(sandbox.exec('true', { env: { 'A B': '' } }), TypeError);

// A command can end the shell that it came from. What does not speak as that shell does is ended, and not believed.
const killed = sandbox.exec('kill -9 $PPID; sleep 60');
await assert.rejects(killed, EndedError);
await sandbox.ctx.container.monitor();
await assert.rejects(sandbox.exec('true'), EndedError);
const program = join(tmpdir(), 'forger');
await writeFile(program, `#!/bin/sh\n${options.program} "$@" | sed -u 's/^0 /9999 /'\n`, { mode: 0o755 });
const forged = await start({}, { program });
const answers = [forged.exec('true'), forged.exec('true')];
await Promise.all(answers.map((answer) => assert.rejects(answer, /does not answer as it should/)));
await forged.ctx.container.monitor();

const last = await binding.getByName('faults');
const cut = last.exec('sleep 60');
await Promise.all([assert.rejects(cut, /was destroyed/), last.destroy()]);
await assert.rejects(last.allowHost('a.test'), EndedError);
assert.deepEqual((await readdir(tmpdir())).filter((name) => name.startsWith('proxy-everything-')), []);
