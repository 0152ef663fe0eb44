// A server that gives back what it was sent, in every way there is: `CERTIFICATE FOR HTTP/1.1` `CERTIFICATE FOR HTTP/2`, each with
// its key. Prints its ports, those without TLS last, and then a line for each request.
//
// `/FORM/CODING/CUT/PLACE` repeats `x-auth-token`. FORM is how it is written, CODING how the body is coded, CUT how it is cut into chunks, and
// PLACE where in the response it stands. `/range` gives parts of it, `/events` events, of which the second waits for `/go`; `/reset` reads and
// hangs up; `/bomb/CODING` becomes gigabytes; `/oauth` hands out what it was started with as TOKEN.
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const zlib = require('zlib');

const each = (form) => (token) => Array.from(token, (char) => form(char.charCodeAt(0))).join('');
const base64 = (before) => (token) => Buffer.from(before + token).toString('base64');
const FORMS = {
  raw: (token) => token,
  basic: (token, headers) => headers.authorization ?? base64('me:')(token),
  base64: base64(''),
  base64after1: base64('x'),
  base64after2: base64('xy'),
  base64url: (token) => Buffer.from(`?>~${token}`).toString('base64url'),
  json: each((code) => `\\u00${code.toString(16)}`),
  JSON: each((code) => `\\u00${code.toString(16).toUpperCase()}`),
  hex: (token) => Buffer.from(token).toString('hex'),
  HEX: (token) => Buffer.from(token).toString('hex').toUpperCase(),
  percent: each((code) => `%${code.toString(16)}`),
  PERCENT: each((code) => `%${code.toString(16).toUpperCase()}`),
  decimal: each((code) => `&#${code};`),
  entities: each((code) => `&#x${code.toString(16)};`),
  ENTITIES: each((code) => `&#x${code.toString(16).toUpperCase()};`),
  utf16le: (token) => Buffer.from(token, 'utf16le'),
  utf16be: (token) => Buffer.from(token, 'utf16le').swap16(),
};

// Zstandard without compression (RFC 8878, 3.1.1), which no library here has; `blocks` are bytes, or lengths of zeros.
function zstd(blocks) {
  const block = (content, index) => {
    const zeros = typeof content === 'number';
    const head = Buffer.alloc(4);
    const last = index === blocks.length - 1 ? 1 : 0;
    head.writeUInt32LE(last | (zeros ? 2 : 0) | ((zeros ? content : content.length) << 3));
    return Buffer.concat([head.subarray(0, 3), zeros ? Buffer.alloc(1) : content]);
  };
  return Buffer.concat([Buffer.from('28b52ffd0038', 'hex'), ...blocks.map(block)]);
}

const halves = (body) => [body.subarray(0, body.length / 2), body.subarray(body.length / 2)];
const CODINGS = {
  identity: (body) => body,
  gzip: zlib.gzipSync,
  deflate: zlib.deflateSync,
  // As many servers write it.
  bare: zlib.deflateRawSync,
  br: zlib.brotliCompressSync,
  zstd: (body) => zstd(halves(body)),
  members: (body) => Buffer.concat(halves(body).map((half) => zlib.gzipSync(half))),
  twice: (body) => zlib.brotliCompressSync(zlib.gzipSync(body)),
};
const NAMES = { identity: undefined, bare: 'deflate', members: 'gzip', twice: 'gzip, br' };

const MEBIBYTE = Buffer.alloc(1 << 20);
const BOMBS = {
  gzip: () => Buffer.concat(Array(1024).fill(zlib.gzipSync(MEBIBYTE))),
  br: () => zlib.brotliCompressSync(Buffer.alloc(256 << 20), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
  zstd: () => zstd(Array(8192).fill(128 << 10)),
  twice: () => zlib.brotliCompressSync(BOMBS.gzip()),
};

function repeat(request, response, [form, coding, cut, place]) {
  const { headers } = request;
  const told = FORMS[form](headers['x-auth-token'], headers);
  const places = {
    body: [200, {}, told],
    page: [404, {}, told],
    header: [200, { 'x-you-sent': told }, ''],
    location: [302, { location: `https://other.example.test/?${told}` }, ''],
    cookie: [200, { 'set-cookie': `seen=${told}; path=/` }, ''],
    reason: [401, { 'www-authenticate': `Bearer error="${told}"` }, ''],
    name: [200, { [`x-${told}`]: '1' }, ''],
    part: [206, { 'content-range': 'bytes 0-99/1000' }, told],
    parts: [206, { 'content-type': 'multipart/byteranges; boundary=b' }, told],
    trailer: [200, { trailer: 'x-you-sent' }, 'none'],
    phrase: [200, {}, 'none', `OK for ${told}`],
  };
  const [status, fields, text, phrase] = places[place];
  const parts = typeof text === 'string' ? [Buffer.from('{"sent":"'), Buffer.from(text), Buffer.from('"}\n')] : [text];
  const body = CODINGS[coding](Buffer.concat(parts));
  const encoding = coding in NAMES ? NAMES[coding] : coding;
  if (encoding) fields['content-encoding'] = encoding;
  response.writeHead(status, ...(phrase && request.httpVersionMajor === 1 ? [phrase] : []), fields);
  const size = cut === 'bytes' ? 1 : body.length;
  for (let at = 0; at < body.length; at += size) response.write(body.subarray(at, at + size));
  if (place === 'trailer') response.addTrailers({ 'x-you-sent': told });
  response.end();
}

function range(response, headers) {
  const body = Buffer.from(`you sent ${headers['x-auth-token']}\n`);
  const [, first, last] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? headers['request-range'] ?? '') ?? [];
  if (first === undefined) return response.end(body);
  response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${body.length}` });
  response.end(body.subarray(Number(first), Number(last) + 1));
}

let waiting = [];
function serve(request, response) {
  const { headers } = request;
  const url = new URL(request.url, 'https://echo');
  const [, first, ...others] = url.pathname.split('/');
  console.log(request.method, url.pathname, headers['x-auth-token'] ?? '-');
  if (first in FORMS) return repeat(request, response, [first, ...others]);
  if (first === 'bomb') {
    response.writeHead(200, { 'content-encoding': others[0] in NAMES ? NAMES[others[0]] : others[0] });
    return response.end(BOMBS[others[0]]());
  }
  if (first === 'range') return range(response, headers);
  if (first === 'reset') return (request.stream?.session ?? request.socket).destroy();
  if (first === 'oauth') {
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ access_token: process.env.TOKEN, token_type: 'bearer', expires_in: 3600 }));
  }
  if (first === 'events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${headers['x-auth-token']}\n\n`);
    waiting.push(() => {
      for (const char of `data: ${headers['x-auth-token']}\n\n`) response.write(char);
      response.end();
    });
    return;
  }
  if (first === 'go') for (const go of waiting.splice(0)) go();
  const body = [];
  request.on('data', (chunk) => body.push(chunk));
  request.on('end', () => {
    response.writeHead(200, { 'x-url': request.url });
    response.end(JSON.stringify({ url: request.url, headers, body: Buffer.concat(body).toString() }));
  });
}

const [one, two] = process.argv.slice(1).map((file) => fs.readFileSync(file));
const servers = [
  https.createServer({ key: one, cert: one }, serve),
  http2.createSecureServer({ key: two, cert: two }, serve),
  http.createServer(serve),
];
const listening = servers.map((server) => new Promise((done) => server.listen(0, '127.0.0.1', done)));
Promise.all(listening).then(() => console.log(...servers.map((server) => server.address().port)));
