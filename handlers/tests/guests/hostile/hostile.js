// A guest that does harm: the handler's params say which.

const WORDS = 'GUEST-WORDS ';
const forever = () => new Promise((resolve) => setTimeout(resolve, 3_600_000));

const deeds = {
  spin() {
    for (;;);
  },
  async microtasks() {
    for (;;) await null;
  },
  arrays() {
    for (const all = []; ; ) all.push(new Uint8Array(1 << 20).fill(1));
  },
  strings() {
    for (let text = WORDS; ; ) text += text + text.length;
  },
  async bodies(request) {
    const all = [];
    for (let n = 0; n < 200; n++) all.push(await fetch(request.url));
    throw new Error(WORDS + all.length);
  },
  fetches(request) {
    for (let n = 0; n < 200; n++) fetch(request.url).catch(() => {});
    throw new Error(WORDS);
  },
  async itself(request) {
    for (;;) await fetch(request.url, { headers: { again: WORDS } });
  },
  'other-host': () => fetch('https://other.example.test/GUEST-WORDS'),
  'private-address': () => fetch('http://127.0.0.1/GUEST-WORDS'),
  metadata: () => fetch('http://169.254.169.254/latest'),
  'other-scheme': () => fetch('file:///etc/passwd'),
  'bad-value': (request) => fetch(request, { headers: { x: `${WORDS}\r\ny: z` } }),
  'bad-path': (request) => fetch(`${request.url}\r\nx: y`, { method: 'A B' }),
  crash() {
    throw new Error(WORDS);
  },
  huge() {
    throw new Error(WORDS.repeat(100_000));
  },
  recursion: (request, env, ctx) => deeds.recursion(request, env, ctx) + 1,
  async half(request) {
    const reader = (await fetch(request)).body.getReader();
    await reader.read();
    throw new Error(WORDS);
  },
  never: forever,
  nothing() {},
  async late() {
    await forever();
    return new Response(WORDS);
  },
  logs() {
    for (;;) console.error(WORDS.repeat(1000));
  },
  'logs-secrets'(request, env) {
    for (const line of [env.SECRET, `${WORDS}${env.SECRET}${env.SECRET}`, { of: [env.SECRET] }, new Error(env.SECRET)]) {
      console.error(line);
    }
    throw new Error(env.SECRET);
  },
  prototypes(request, env, ctx) {
    const found = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'].filter((name) => typeof env[name] === 'string');
    env.__proto__ = { SECRET: WORDS };
    Object.prototype.then = (resolve) => resolve(WORDS);
    throw new Error(WORDS + found + ctx.params.constructor.name);
  },
  random() {
    for (;;) crypto.getRandomValues(new Uint8Array(65536));
  },
  key: (request, env) => env.KEYS.put('k'.repeat(2000), WORDS),
  value: (request, env) => env.KEYS.put('key', new Uint8Array((8 << 20) + 1)),
  async 'rate-keys'(request, env) {
    for (let n = 0; ; n++) await env.LIMITER.limit({ key: `${WORDS}${n}` });
  },
  'bad-status': () => new Response(WORDS, { status: 99 }),
  // These answer: what follows is nobody's loss but their own.
  'loops-after'(request, env, ctx) {
    ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 1)).then(deeds.spin));
    return new Response('done');
  },
  'throws-after'(request, env, ctx) {
    ctx.waitUntil(Promise.reject(new Error(WORDS)));
    return new Response('done');
  },
  'waits-after'(request, env, ctx) {
    ctx.waitUntil(forever());
    return new Response('done');
  },
  unfinished: () => new Response(new ReadableStream({ pull: forever })),
};

export default {
  fetch: (request, env, ctx) => deeds[ctx.params.deed](request, env, ctx),
};
