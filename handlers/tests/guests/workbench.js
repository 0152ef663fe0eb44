// A guest for tests: the last part of the path says what to do.

const actions = {
  forward: (request) => fetch(request),
  async parallel(request) {
    const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => fetch(`${request.url}?${n}`)));
    return new Response((await Promise.all(answers.map((answer) => answer.text()))).join());
  },
  async many(request) {
    for (let n = 0; n < 65; n++) await fetch(request.url);
    return new Response('all');
  },
  async other() {
    try {
      return await fetch('https://other.example.test/');
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`);
    }
  },
  async caught(request) {
    return fetch(request).catch((error) => new Response(error.message, { status: 503 }));
  },
  json: async (request) => Response.json(await request.json()),
  length: async (request) => new Response(String((await request.arrayBuffer()).byteLength)),
  body: (request) => new Response(request.body),
  async chunks(request) {
    let sizes = [];
    for await (const chunk of request.body) sizes.push(chunk.length);
    return Response.json(sizes);
  },
  async clone(request) {
    const copy = request.clone();
    return new Response((await copy.text()) + (await request.text()) + copy.bodyUsed);
  },
  async twice(request) {
    await request.text();
    return new Response(await request.text().catch((error) => error.message));
  },
  change: (request) => fetch(request, { method: 'put', headers: { 'X-New': ' a ' }, body: 'gr\u00fcn' }),
  context: (request, env, { containerId, className, handlerName, matched, requestId, params }) =>
    Response.json({ containerId, className, handlerName, matched, requestId, params }),
  env: (request, env) => Response.json({ granted: env.SECRET, other: typeof env.OTHER, has: 'SECRET' in env }),
  wait(request, env, ctx) {
    ctx.waitUntil(Promise.reject(new Error('late')));
    return new Response('done');
  },
  pass: (request, env, ctx) => ctx.passThroughOnException(),
  throw(request, env) {
    throw new Error(`words with ${env.SECRET}`);
  },
  reject: (request, env) => Promise.reject(env.SECRET),
  nothing() {},
  error: () => Response.error(),
  crlf: (request) => fetch(request, { headers: { 'x-a': 'b\r\nx-c: d' } }),
  spin() {
    for (;;);
  },
  hoard() {
    for (const all = []; ; ) all.push(new Uint8Array(1 << 20).fill(1));
  },
  keep(request) {
    const before = globalThis.kept;
    globalThis.kept = request;
    return before === undefined ? new Response('first') : before.text().then((text) => new Response(text));
  },
  async sdk() {
    const failed = [];
    for (const [actual, expected] of await table()) {
      if (JSON.stringify(actual) !== JSON.stringify(expected)) failed.push([actual, expected]);
    }
    return Response.json(failed);
  },
};

export default {
  fetch: (request, env, ctx) => actions[request.url.split('/').pop()](request, env, ctx),
};

function thrown(run) {
  try {
    run();
    return 'nothing';
  } catch (error) {
    return error.name;
  }
}

// What the SDK promises, beside what it does.
async function table() {
  const headers = new Headers([['B', '2'], ['a', ' 1 '], ['b', '3'], ['Set-Cookie', 'x'], ['set-cookie', 'y']]);
  const set = new Headers(headers);
  set.set('b', '4');
  set.delete('a');
  const post = new Request('https://EXAMPLE.test:443/a b?c#d', { method: 'post', body: 'text' });
  const moved = new Request('http://example.test:80', post);
  const form = new Request('https://x.test/', { method: 'PUT', body: new URLSearchParams({ a: 'b c' }) });
  const made = new Response('body', { status: 201, statusText: 'Made', headers: { 'X-A': '1' } });
  const again = new Response(made.body, made);
  const url = new URL('../x?y=1&y=2#z', 'https://user:pw@b\u00fccher.test:8080/a/b');
  return [
    [[...headers], [['a', '1'], ['b', '2, 3'], ['set-cookie', 'x'], ['set-cookie', 'y']]],
    [headers.getSetCookie(), ['x', 'y']],
    [[...set], [['b', '4'], ['set-cookie', 'x'], ['set-cookie', 'y']]],
    [[headers.get('A'), headers.get('none'), headers.has('B'), set.has('a')], ['1', null, true, false]],
    [[...new Headers({ One: 1 }).keys()], ['one']],
    [thrown(() => new Headers({ 'a b': '1' })), 'TypeError'],
    [thrown(() => headers.set('a', 'b\nc')), 'TypeError'],
    [thrown(() => headers.set('a', '\u20ac')), 'TypeError'],
    [[post.url, post.method], ['https://example.test/a%20b?c', 'POST']],
    [post.headers.get('content-type'), 'text/plain;charset=UTF-8'],
    [[moved.url, moved.method, await moved.text()], ['http://example.test/', 'POST', 'text']],
    [[form.headers.get('content-type'), await form.text()], ['application/x-www-form-urlencoded;charset=UTF-8', 'a=b+c']],
    [thrown(() => new Request('https://x.test/', { body: 'a' })), 'TypeError'],
    [thrown(() => new Request('ftp://x.test/')), 'TypeError'],
    [thrown(() => new Request('/relative')), 'TypeError'],
    [thrown(() => new Request('https://user:pw@x.test/')), 'TypeError'],
    [[again.status, again.ok, again.statusText, await again.text()], [201, true, 'Made', 'body']],
    [again.headers.get('x-a'), '1'],
    [thrown(() => new Response('a', { status: 204 })), 'TypeError'],
    [thrown(() => new Response(null, { status: 101 })), 'RangeError'],
    [[Response.error().status, Response.error().ok, Response.error().type], [0, false, 'error']],
    [Response.redirect('https://x.test/', 307).headers.get('location'), 'https://x.test/'],
    [thrown(() => Response.redirect('https://x.test/', 200)), 'RangeError'],
    [[Response.json({ a: 1 }).headers.get('content-type'), await Response.json([1]).text()], ['application/json', '[1]']],
    [(await new Response(new Uint8Array([1, 2, 3]).subarray(1)).bytes()).length, 2],
    [await new Response('\ufeffgr\u00fc\u00df \ud83d\ude42').text(), 'gr\u00fc\u00df \ud83d\ude42'],
    [new TextDecoder().decode(new Uint8Array([0x61, 0xff])), 'a\ufffd'],
    [[...new TextEncoder().encode('\u20ac')], [0xe2, 0x82, 0xac]],
    [[url.host, url.pathname, url.searchParams.getAll('y')], ['xn--bcher-kva.test:8080', '/x', ['1', '2']]],
    [[new URL('https://x.test').href, URL.canParse('x')], ['https://x.test/', false]],
    [[...new URLSearchParams('a=1&a=2&b=%20')].length, 3],
    [new Request('https://x.test/').clone().url, 'https://x.test/'],
    [[new Response('a').bodyUsed, new Response().body], [false, null]],
  ];
}
