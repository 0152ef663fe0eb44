// Adds a token to every request that this handler is bound to. The policy says for which hosts that is, and grants
// the secret named SECRET; the workload never sees it.
//
//   outboundByHost: { "api.example.test": token }

export default {
  async fetch(request, env, ctx) {
    const authorised = new Request(request);
    authorised.headers.set('x-auth-token', env.SECRET);
    return fetch(authorised);
  },
};
