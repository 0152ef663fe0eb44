// The layer below: which requests a Worker gets, by address, network, name and glob, and another answer while a connection
// is open.

import { Container, WorkerEntrypoint } from '@proxy-everything/client';

export class Speaker extends WorkerEntrypoint {
  fetch(request) {
    return new Response(`${this.ctx.props.says} to ${new URL(request.url).hostname}\n`);
  }
}

export class Layers extends Container {
  /** What `says` goes to all of `targets` from now on. */
  async speak(says, ...targets) {
    const speaker = this.ctx.exports.Speaker({ props: { says } });
    for (const target of targets) await this.ctx.container.interceptOutboundHttp(target, speaker);
  }
}
