// A guest for tests: the first part of the path says what to do with what was granted, the others are words for it.

import { DurableObject } from '@proxy-everything/handler';

const text = (value) => new Response(value === null ? 'none' : `${value}`);

const actions = {
  get: async ({ env }, key) => text(await env.KEYS.get(key)),
  async set({ env }, key, value) {
    await env.KEYS.put(key, value);
    return text('set');
  },
  sum: async ({ env }, key) => text(await env.KEYS.increment(key)),
  async own({ env, ctx }, key) {
    const state = env.STATE.get(env.STATE.idFromString(ctx.containerId));
    return text(await state.seen(key));
  },
  async other({ env }, id) {
    return text(env.STATE.get(env.STATE.idFromString(id)) && 'got it');
  },
  async range({ env }, offset, length) {
    const found = await env.FILES.get('one/two', { range: { offset: Number(offset), length: Number(length) } });
    return new Response(found.body);
  },
  async list({ env }) {
    const { objects } = await env.FILES.list({ prefix: 'one/' });
    return text(objects.map(({ key, size }) => `${key} ${size}`).join());
  },
  limit: async ({ env }, key) => text((await env.LIMITER.limit({ key })).success),
  fetch: ({ target, env }) => fetch(target, { headers: { 'x-auth-token': env.SECRET ?? 'none' } }),
  caught: ({ target }) => fetch(target).catch((error) => text(error.message)),
  async log({ env }, lines) {
    console.warn('the secret is', env.SECRET);
    for (let line = 1; line < Number(lines); line++) console.log(line);
    return text('logged');
  },
  status: (_, status) => new Response('as asked', { status: Number(status) }),
};

export class State extends DurableObject {
  // All words so far.
  async seen(word) {
    await this.ctx.storage.put(word, true);
    return [...(await this.ctx.storage.list()).keys()].join();
  }
}

export default {
  fetch(request, env, ctx) {
    const { pathname, search } = new URL(request.url);
    const [action, ...words] = pathname.slice(1).split('/');
    return actions[action]({ env, ctx, target: search.slice(1) }, ...words);
  },
};
