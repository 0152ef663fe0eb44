// Lets the workload read but not write: every method but GET and HEAD is answered with 405 and noted in the log.

const READS = ['GET', 'HEAD'];

export default {
  async fetch(request, env, ctx) {
    if (READS.includes(request.method)) return fetch(request);
    console.log(`${ctx.containerId} tried ${request.method} ${request.url}`);
    return new Response('only reading is allowed here\n', { status: 405, headers: { allow: READS.join(', ') } });
  },
};
