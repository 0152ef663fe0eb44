// So many requests per container and host, and no more. `LIMITER` is granted as a rate limit.

export default {
  async fetch(request, env, ctx) {
    const key = `${ctx.containerId} ${new URL(request.url).hostname}`;
    const { success } = await env.LIMITER.limit({ key });
    if (success) return fetch(request);
    return new Response('too many requests\n', { status: 429, headers: { 'retry-after': '60' } });
  },
};
