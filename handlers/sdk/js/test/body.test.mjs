// Bodies: passed on unread, read in every way, and made bit by bit.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Host, held, request, run, textOf, whole } from './host.mjs';

const post = (body) => request('https://api.test/', { method: 'POST', body });

test('what is only passed on is never opened', async () => {
  const [up, down] = [held('up'), held('down')];
  const host = new Host({ answer: () => ({ body: down }) });
  const ways = [
    (incoming) => fetch(incoming),
    async (incoming) => new Response((await fetch(new Request(incoming))).body, { status: 201 }),
    async (incoming) => {
      const response = await fetch(incoming.url, { method: 'POST', body: incoming.body });
      return new Response(response.body, response);
    },
  ];
  for (const way of ways) {
    const answer = await run(way, post(up));
    assert.deepEqual([answer.body, host.seen.at(-1).body, up.val.opened, down.val.opened], [down, up, false, false]);
  }
});

test('a body is read once, in any of the ways', async () => {
  new Host();
  const ways = {
    text: async (message) => message.text(),
    json: async (message) => JSON.stringify(await message.json()),
    bytes: async (message) => Buffer.from(await message.bytes()).toString(),
    buffer: async (message) => Buffer.from(await message.arrayBuffer()).toString(),
    blob: async (message) => (await message.blob()).text(),
    each: async (message) => {
      let text = '';
      for await (const chunk of message.body) text += Buffer.from(chunk);
      return text;
    },
    reader: async (message) => {
      const reader = message.body.getReader();
      const first = await reader.read();
      const second = await reader.read();
      const end = await reader.read();
      return Buffer.from(first.value).toString() + Buffer.from(second.value) + (end.done ? '' : '?');
    },
    decoded: async (message) => {
      let text = '';
      for await (const part of message.body.pipeThrough(new TextDecoderStream())) text += part;
      return text;
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    const answer = await run(async (incoming) => {
      const text = await way(incoming);
      const again = await incoming.text().catch((error) => error.message);
      return Response.json([text, again, incoming.bodyUsed]);
    }, post(held('"gr\u00fc', '\u00df"')));
    assert.deepEqual(JSON.parse(textOf(answer.body)), ['"gr\u00fc\u00df"', 'the body is already used', true], name);
  }
});

test('a stream that was looked at but not read can still be passed on; a locked one cannot', async () => {
  new Host({ answer: () => ({}) });
  const fine = await run((incoming) => new Response(incoming.body && !incoming.bodyUsed ? incoming.body : null), post(held('ab')));
  assert.equal(textOf(fine.body), 'ab');
  const locked = run((incoming) => {
    incoming.body.getReader();
    return new Response(incoming.body);
  }, post(held('ab')));
  await assert.rejects(locked, (words) => /already used/.test(words));
  const taken = run(async (incoming) => {
    const { body } = incoming;
    await incoming.text();
    return new Response(String(body.locked));
  }, post(held('ab')));
  assert.equal(textOf((await taken).body), 'true');
});

test('clones of any body hold the same', async () => {
  new Host();
  const made = () => new ReadableStream({ start: (c) => (c.enqueue(Buffer.from('ab')), c.close()) });
  const bodies = [(incoming) => incoming, () => new Response('ab'), () => new Response(made())];
  for (const body of bodies) {
    const answer = await run(async (incoming) => {
      const message = body(incoming);
      const copy = message.clone();
      return new Response((await copy.text()) + (await message.text()));
    }, post(held('a', 'b')));
    assert.equal(textOf(answer.body), 'abab');
  }
});

test('a response is streamed as it is made', async () => {
  const host = new Host({ answer: () => ({ body: held('one ', 'two ', 'three') }) });
  const upper = new TransformStream({ transform: (text, controller) => controller.enqueue(text.toUpperCase()) });
  await run(async (incoming) => {
    const { body } = await fetch(incoming);
    const text = body.pipeThrough(new TextDecoderStream()).pipeThrough(upper).pipeThrough(new TextEncoderStream());
    return new Response(text, { status: 203, headers: { 'x-a': 'b' } });
  });
  const { status, headers, body } = host.answered.response;
  assert.deepEqual([status, headers, textOf(body)], [203, [['x-a', 'b']], 'ONE TWO THREE']);
});

test('a stream that waits for timers and fetches is written on', async () => {
  const host = new Host({ answer: () => ({ after: 20, body: held('fetched ') }) });
  await run(() => {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const write = async () => {
      await writer.write(new TextEncoder().encode('begun '));
      await new Promise((resolve) => setTimeout(resolve, 10));
      await writer.write(await (await fetch('https://api.test/')).bytes());
      await writer.close();
    };
    write();
    return new Response(readable);
  });
  assert.deepEqual([textOf(host.answered.response.body), host.answered.at, host.clock], ['begun fetched ', 0, 30]);
});

test('a stream that fails breaks off, and the operator hears why', async () => {
  const host = new Host();
  const failing = new ReadableStream({ start: (c) => c.enqueue(Buffer.from('a')), pull: () => Promise.reject(new Error('no more')) });
  await assert.rejects(run(() => new Response(failing)), (words) => /no more/.test(words));
  assert.throws(() => textOf(host.answered.response.body), (reason) => reason === 'broken off');
  const texts = new ReadableStream({ start: (c) => c.enqueue('text') });
  new Host();
  await assert.rejects(run(() => new Response(texts)), (words) => /bytes are needed/.test(words));
});

test('a stream whose reader has gone is told so', async () => {
  const host = new Host();
  host.deaf = true;
  let reason;
  const endless = new ReadableStream({ pull: (c) => c.enqueue(Buffer.from('a')), cancel: (error) => (reason = error.message) });
  await assert.rejects(run(() => new Response(endless)), (words) => /nobody reads/.test(words));
  assert.match(reason, /nobody reads/);
});

test('a request can be streamed too', async () => {
  const host = new Host({ answer: ({ body }, at) => (at < 50 ? { after: 50 } : { body: whole(`got ${textOf(body)}`) }) });
  const answer = await run(async () => {
    const source = new ReadableStream({ start: (c) => [1, 2, 3].forEach((n) => c.enqueue(Buffer.from(`${n} `))) || c.close() });
    return fetch('https://api.test/', { method: 'POST', body: source });
  });
  assert.deepEqual([textOf(answer.body), host.calls[0]], ['got 1 2 3 ', 'send']);
});

test('a request is still streamed when its response has come, and been passed on', async () => {
  let sent;
  const host = new Host({ answer: ({ body }) => ((sent = body), { body: whole('early') }) });
  await run(() => {
    const pull = (controller) => new Promise((resolve) => setTimeout(() => resolve(controller.enqueue(Buffer.from('late')) || controller.close()), 30));
    return fetch('https://api.test/', { method: 'POST', body: new ReadableStream({ pull }, { highWaterMark: 0 }) });
  });
  assert.deepEqual([textOf(host.answered.response.body), host.answered.at, textOf(sent), host.clock], ['early', 0, 'late', 30]);
});

test('a body that breaks off is an error', async () => {
  new Host();
  const answer = await run((incoming) => incoming.text().catch((error) => new Response(error.message)), post(held('a', new Error('reset'))));
  assert.equal(textOf(answer.body), 'the body broke off: reset');
});

test('forms are written and read', async () => {
  new Host();
  const form = new FormData();
  form.append('plain', 'gr\u00fc\u00df');
  form.append('file', new File([new Uint8Array([0, 13, 10, 255])], 'a "b".bin', { type: 'x/y' }));
  const again = await new Response(form).formData();
  const file = again.get('file');
  assert.deepEqual([again.get('plain'), file.name, file.type, [...(await file.bytes())]], ['gr\u00fc\u00df', 'a "b".bin', 'x/y', [0, 13, 10, 255]]);
  assert.deepEqual([...(await new Response(new URLSearchParams('a=1&b=%20')).formData())], [['a', '1'], ['b', ' ']]);
  await assert.rejects(new Response('x').formData(), TypeError);
  for (const broken of ['', '--b', '--b\r\n\r\n', '--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--']) {
    const message = new Response(broken, { headers: { 'content-type': 'multipart/form-data; boundary=b' } });
    await assert.rejects(message.formData(), TypeError, broken);
  }
});
