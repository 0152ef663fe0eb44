// A component of wasi:http 0.2, made by componentize-js as its users do: sets a header and sends the request onward; `/hello`
// it answers itself.

addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

async function handle(request) {
  const url = new URL(request.url);
  if (url.pathname === '/hello') return new Response('hello from StarlingMonkey');
  const headers = new Headers(request.headers);
  headers.set('x-other', 'starling');
  const body = request.method === 'GET' || request.method === 'HEAD' ? undefined : await request.arrayBuffer();
  return fetch(request.url, { method: request.method, headers, body });
}
