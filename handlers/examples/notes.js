// State that belongs to one container: `http://notes.internal/` keeps notes that no other container can see. `NOTES` is
// granted as state.

import { Container } from '@proxy-everything/handler';

export class Notes extends Container {
  static outboundByHost = {
    'notes.internal': async (request, env, ctx) => {
      const notes = env.NOTES.get(env.NOTES.idFromString(ctx.containerId));
      if (request.method === 'POST') return Response.json(await notes.add(await request.text()), { status: 201 });
      return Response.json(await notes.all());
    },
  };

  async add(text) {
    const { storage } = this.ctx;
    const count = ((await storage.get('count')) ?? 0) + 1;
    await storage.put({ count, [`note-${String(count).padStart(6, '0')}`]: { text, at: new Date().toISOString() } });
    return { count };
  }

  async all() {
    return [...(await this.ctx.storage.list({ prefix: 'note-' })).values()];
  }
}
