// Asks the upstream again if it is slow or fails, and tells a collector about it after the workload has its answer. Only
// what may be repeated is: requests that change something go through once. The policy must grant `fetch` to the collector.

const REPEATABLE = ['GET', 'HEAD'];
const TRIES = 3;
const PATIENCE = 2000; // milliseconds for the head of a response

async function attempt(request) {
  try {
    const response = await fetch(request.clone(), { signal: AbortSignal.timeout(PATIENCE) });
    return response.status >= 500 ? null : response;
  } catch {
    return null;
  }
}

export default {
  async fetch(request, env, ctx) {
    if (!REPEATABLE.includes(request.method)) return fetch(request);
    for (let tries = 1; tries <= TRIES; tries++) {
      const response = await attempt(request);
      if (response !== null) {
        if (tries > 1 && env.COLLECTOR) ctx.waitUntil(fetch(env.COLLECTOR, { method: 'POST', body: `${request.url}: ${tries} tries\n` }));
        return response;
      }
      await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** tries));
    }
    return new Response('the upstream does not answer\n', { status: 504 });
  },
};
