// A filter: it sees heads only, and costs a few microseconds. Marks what the sandbox sends, keeps it from private paths, and
// takes the server's name off what comes back.

export default {
  onRequest(head, env, ctx) {
    if (head.path.startsWith('/private')) return { deny: 'private paths are not for sandboxes' };
    if (head.path === '/ping') return new Response('pong\n');
    return { set: { 'x-sandbox': ctx.containerId }, remove: ['x-forwarded-for'] };
  },

  onResponse: () => ({ remove: ['server', 'x-powered-by'] }),
};
