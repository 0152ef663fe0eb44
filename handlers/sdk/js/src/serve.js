// The export of a handler, made from the user's module.

import { respond } from 'egress:handler/http@0.1.0';

import { Bucket } from './bucket.js';
import { Context } from './context.js';
import { environment } from './env.js';
import { hostError, wordsOf } from './errors.js';
import { KeyValue } from './keyvalue.js';
import { begin, end, isWriting, write, written } from './loop.js';
import { piped } from './pipe.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { Namespace } from './state.js';

/** The environment of programs that may keep things. */
export function storing(module) {
  const env = environment({
    keyvalue: (name) => new KeyValue(name),
    blobstore: (name) => new Bucket(name),
    state: (name) => new Namespace(name, module, env),
  });
  return env;
}

export function serve(module, run) {
  const env = storing(module);
  return async (incoming) => {
    begin();
    const ctx = new Context();
    try {
      const response = await run(Request.fromHost(incoming), env, ctx);
      if (!(response instanceof Response)) throw new TypeError('no Response was returned');
      const { record, feed } = Response.toHost(response, piped);
      if (feed === null && !isWriting() && !Context.isWorking(ctx)) return record;
      return await answered(record, feed, ctx);
    } catch (reason) {
      // The host takes a string, and shows it to the operator only.
      throw wordsOf(reason);
    } finally {
      Context.end(ctx);
      end();
    }
  };
}

// The workload has its answer first; what is returned afterwards is not looked at.
async function answered(record, feed, ctx) {
  try {
    respond(record);
  } catch (reason) {
    throw hostError(reason);
  }
  if (feed !== null) await write(feed());
  await written();
  await Context.rest(ctx);
  return { status: 200, headers: [], body: { tag: 'empty' } };
}
