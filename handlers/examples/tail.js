// A tail: hears of exchanges after they are over, and delays none. Tells the operator of those that were refused, and what
// handlers wrote at that.

import { WorkerEntrypoint } from '@proxy-everything/handler';

export class Tail extends WorkerEntrypoint {
  async tail(events) {
    for (const { record, logs } of events) {
      if (record.status < 400) continue;
      console.warn({ from: this.ctx.props?.id, status: record.status, authority: record.authority, error: record.error });
      for (const { handler, level, message } of logs) console.warn({ handler, level, message });
    }
  }
}
