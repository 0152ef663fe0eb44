// Parts of the client by themselves: targets as patterns, and answers that are cut anywhere.
import assert from 'node:assert/strict';
import { Frames, line } from './node_modules/@proxy-everything/client/src/frames.js';
import { patternOf } from './node_modules/@proxy-everything/client/src/targets.js';

const TARGETS = {
  '192.0.2.1': 'http://192.0.2.1:80',
  '192.0.2.1:8080': 'http://192.0.2.1:8080',
  '123.123.123.123/23': 'http://123.123.122.0/23:80',
  '123.123.123.123/0': 'http://0.0.0.0/0:80',
  '123.123.123.123/32:81': 'http://123.123.123.123/32:81',
  '::1': 'http://[::1]:80',
  '[::1]': 'http://[::1]:80',
  '[::1]:8080': 'http://[::1]:8080',
  'fe80::1:2:3:4/10': 'http://[fe80::/10]:80',
  '[2001:db8:ffff::1]:81': 'http://[2001:db8:ffff::1]:81',
  '[2001:db8:ffff::1/33]:81': 'http://[2001:db8:8000::/33]:81',
  '2001:db8:1:2:3:4:5:6/112': 'http://[2001:db8:1:2:3:4:5:0/112]:80',
  '::ffff:192.0.2.1/104': 'http://[::ffff:c000:0/104]:80',
  'example.test': 'http://example.test:80',
  'example.test:81': 'http://example.test:81',
  '*.example.test': 'http://*.example.test:80',
  '*': 'http://*:80',
};
for (const [target, pattern] of Object.entries(TARGETS)) assert.equal(patternOf('http', target), pattern);
assert.equal(patternOf('https', 'example.test'), 'https://example.test:443');
// What makes no sense is left as it is: the proxy says what is wrong with it.
for (const wrong of ['192.0.2.1/33', '192.0.2.1/x', '192.0.2.1/8/8', 'example.test/8']) {
  assert.equal(patternOf('http', wrong), `http://${wrong}:80`);
}
for (const wrong of ['', undefined, 1]) assert.throws(() => patternOf('http', wrong), TypeError);

assert.equal(line('a\\n\nb'), 'a\\\\n\\nb\n');
const whole = Buffer.from('ready\n0 3 0\nabc7 2+ 1\nab!0 0 0\n');
const wanted = [
  true,
  { success: true, exitCode: 0, stdout: 'abc', stderr: '', truncated: false },
  { success: false, exitCode: 7, stdout: 'ab', stderr: '!', truncated: true },
  { success: true, exitCode: 0, stdout: '', stderr: '', truncated: false },
];
for (let size = 1; size <= whole.length; size += 1) {
  const frames = new Frames(3);
  const heard = [];
  for (let at = 0; at < whole.length; at += size) heard.push(...frames.push(whole.subarray(at, at + size)));
  assert.deepEqual(heard, wanted, `in pieces of ${size}`);
}
for (const wrong of ['reedy\n', 'ready\nx\n', 'ready\n0 4 0\n', 'ready\n0 -1 0\n', 'ready\n1000 0 0\n', 'ready\n0 0\n', `ready\n${'0'.repeat(99)}`]) {
  assert.throws(() => new Frames(3).push(Buffer.from(wrong)), undefined, wrong);
}
