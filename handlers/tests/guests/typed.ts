// A guest in TypeScript, for tests: says which of its parameters the path names.

import type { Handler } from '@proxy-everything/handler';

enum Found {
  No = 404,
  Yes = 200,
}

const handler: Handler<Record<string, string>> = {
  async fetch(request, _env, ctx): Promise<Response> {
    const name: string = new URL(request.url).pathname.slice(1);
    const value = ctx.params[name] as string | undefined;
    return new Response(value ?? null, { status: value === undefined ? Found.No : Found.Yes });
  },
};

export default handler;
