// Programs as their authors write them, for `tsc`: what should be accepted is, what should not is not; and what the types
// tell is what the modules have.

import * as told from '@proxy-everything/client';
import type { Env, OutboundHandlerContext } from '@proxy-everything/client';
import { build } from '@proxy-everything/client/build';
import * as real from '../src/index.js';

const { Container, Sandbox, WorkerEntrypoint, outboundParams, sandboxes } = told;

interface Open {
  open: string[];
}

function someDoors(request: Request, env: Env, ctx: OutboundHandlerContext<Open>): Promise<Response> | Response {
  const isOpen: boolean = ctx.params.open.includes(new URL(request.url).hostname);
  return isOpen ? fetch(request) : new Response(env.SECRET ?? null, { status: 403 });
}

class Doors extends Sandbox {
  static outboundByHost = { 'door.test': (request: Request) => fetch(request) };
  enableInternet = false;
  allowedHosts = ['door.test', { host: 'other.test', methods: ['GET'] }];
}
Doors.outboundHandlers = { someDoors };

class Speaker extends WorkerEntrypoint<{ says: string }> {
  fetch(): Response {
    return new Response(this.ctx.props.says);
  }
}

class Layers extends Container {
  interceptHttps = true;
  async speak(): Promise<void> {
    this.ctx.container.start({ enableInternet: false });
    await this.ctx.container.interceptOutboundHttp('192.0.2.1:80', this.ctx.exports.Speaker({ props: { says: 'hello' } }));
  }
}

export async function program(): Promise<string> {
  await build(new URL('file:///doors.js'), 'doors.wasm');
  const doors = sandboxes(Doors, { stateDir: '/state', component: 'doors.wasm', secrets: { someDoors: ['SECRET'] } });
  const sandbox: Doors = await doors.getByName('one');
  await sandbox.setOutboundHandler('someDoors', outboundParams(someDoors, { open: ['door.test'] }));
  await sandbox.setOutboundHandler<Open>('someDoors', { open: [] });
  const { generation } = await sandbox.denyHost({ host: 'door.test', paths: ['/private/**'] });
  await sandbox.ifGeneration(generation).setOutboundByHosts({ 'a.test': 'someDoors', 'b.test': { method: 'someDoors' } });
  await sandbox.setHandler('watch', '/watch.wasm').then(() => sandbox.resetHandler('watch'));
  await sandboxes(Layers, { stateDir: '/state', entrypoints: [Speaker] }).get('two').speak();
  const { stdout } = await sandbox.exec('true', { timeout: 1000 });
  // @ts-expect-error: params of another type
  outboundParams(someDoors, { open: 'door.test' });
  // @ts-expect-error: no such verb
  sandbox.setOutbound('someDoors');
  // @ts-expect-error: no class of ours
  sandboxes(Date, { stateDir: '/state' });
  // @ts-expect-error: the state folder is needed
  sandboxes(Doors, {});
  return stdout;
}

// What the types tell and the modules lack, or the reverse. `Verbs` is told for its methods; nobody makes one.
type Both = keyof typeof told & keyof typeof real;
type Members<C> = C extends abstract new (...words: never[]) => infer I ? keyof I : never;
type Said = 'enableInternet' | 'interceptHttps' | 'allowedHosts' | 'deniedHosts';
type Gap =
  | Exclude<keyof typeof told, keyof typeof real | 'Verbs'>
  | Exclude<keyof typeof real, keyof typeof told>
  | { [K in Both]: Exclude<Members<(typeof told)[K]>, Members<(typeof real)[K]> | Said> }[Both]
  | { [K in Both]: Exclude<Members<(typeof real)[K]>, Members<(typeof told)[K]>> }[Both];
export const theTypesTellTheTruth: [Gap] extends [never] ? true : Gap = true;
