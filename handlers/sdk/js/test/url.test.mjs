// URLs: ours against Node's, on the borders of what is cut up by one expression.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { URL as Ours } from '../src/url.js';

const PARTS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

function partsOf(Class, text, base) {
  try {
    const url = new Class(text, base);
    return PARTS.map((part) => url[part]).join(' | ');
  } catch {
    return 'invalid';
  }
}

// The same texts in every run.
function* texts() {
  const pieces = ['http://', 'https://', 'HTTP://', 'ftp://', 'a', 'b.test', 'x_y', 'xn--a', '1', '127.1', '0x7f', '.', '..', '%2e', '%41', '/', '//', '?',
    '#', ':', ':80', ':443', ':8080', ':080', '@', '\\', ' ', '\t', '"', "'", '[::1]', '{', '|', '^', '`', '\u00e9', 'A', '-', '~', ';', '&', '='];
  let state = 1;
  const next = (count) => {
    state = (state * 48271) % 0x7fffffff;
    return state % count;
  };
  for (let count = 0; count < 10000; count++) {
    let text = next(5) === 0 ? '' : pieces[next(2)];
    for (let length = next(8); length >= 0; length--) text += pieces[next(pieces.length)];
    yield text;
  }
}

test('every part is what the standard says', () => {
  for (const text of texts()) assert.equal(partsOf(Ours, text), partsOf(URL, text), JSON.stringify(text));
  for (const [text, base] of [['../x?y', 'https://a.test/b/c/d'], ['//b.test', 'http://a.test'], ['?q', new URL('https://a.test/b#c')], ['x', 'y']]) {
    assert.equal(partsOf(Ours, text, base), partsOf(URL, text, base), text);
    assert.equal(partsOf(Ours, text, typeof base === 'string' ? base : new Ours(base.href)), partsOf(URL, text, base), text);
  }
});

test('a change has the same effect', () => {
  const changes = { href: 'http://b.test/c', protocol: 'http', username: 'u', password: 'p', host: 'c.test:81', hostname: 'd.test', port: '90', pathname: '/e f', search: 'g=h', hash: 'i' };
  for (const [part, value] of Object.entries(changes)) {
    const [ours, theirs] = [new Ours('https://a.test/b?c'), new URL('https://a.test/b?c')];
    ours[part] = value;
    theirs[part] = value;
    assert.equal(`${ours} ${JSON.stringify(ours)}`, `${theirs} ${JSON.stringify(theirs)}`, part);
  }
  const url = new Ours('https://a.test/b?c=d');
  assert.equal(url.searchParams.get('c'), 'd');
  url.searchParams.append('e', 'f');
  assert.equal(url.href, 'https://a.test/b?c=d&e=f');
  assert.deepEqual([Ours.canParse('x'), Ours.canParse('https://a.test/'), Ours.parse('x'), `${Ours.parse('x', 'https://a.test/')}`], [false, true, null, 'https://a.test/x']);
});
