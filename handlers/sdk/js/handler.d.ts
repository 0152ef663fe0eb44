// Types for handlers in TypeScript: `import type { Handler } from '@proxy-everything/handler'`. The import line leaves
// no trace in the component; what a handler uses at run time is on globalThis.

/** The secrets that the policy granted to this handler, by name. */
export interface Env {
  readonly [secret: string]: string | undefined;
}

/** What a handler may know about the exchange. */
export interface OutboundHandlerContext<Params = unknown> {
  readonly containerId: string;
  readonly className: string;
  readonly handlerName: string;
  /** The host pattern that chose this handler. */
  readonly matched: string;
  /** The id of this exchange in the audit record. */
  readonly requestId: string;
  /** The handler's parameters, as the policy gives them. */
  readonly params: Params;
  /** Keeps a failing promise quiet; the call does not wait for it. */
  waitUntil(promise: Promise<unknown>): void;
  /** Always throws: a handler that fails means deny. */
  passThroughOnException(): never;
}

/** What a handler's module exports by default. */
export interface Handler<Params = unknown> {
  fetch(request: Request, env: Env, ctx: OutboundHandlerContext<Params>): Response | Promise<Response>;
}
