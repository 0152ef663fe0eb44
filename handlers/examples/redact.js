// Takes e-mail addresses out of text responses before the workload sees them. Other responses go through unread.
//
// The whole text is held in memory, so this is for pages and API answers, not for downloads.

const ADDRESS = /[\w.+-]+@[\w-]+(\.[\w-]+)+/g;

export default {
  async fetch(request) {
    // Compressed text could not be searched.
    const plain = new Request(request);
    plain.headers.set('accept-encoding', 'identity');
    const response = await fetch(plain);
    const type = response.headers.get('content-type') ?? '';
    if (!type.startsWith('text/') && !type.startsWith('application/json')) return response;
    const text = await response.text();
    return new Response(text.replace(ADDRESS, '[redacted]'), response);
  },
};
