// Adds the token to what may be read, and refuses the rest.
//
// The workload never sees the token: it is added here, after the policy has let the request pass.

export default {
  async fetch(request, env, ctx) {
    if (request.method !== 'GET') {
      console.warn(`${request.method} ${request.url} was refused`);
      return new Response('only reading is allowed\n', { status: 405 });
    }
    const onward = new Request(request);
    onward.headers.set('authorization', `Bearer ${env.API_TOKEN}`);
    return fetch(onward);
  },
};
