// Types of programs: `import { Sandbox, type Env } from '@proxy-everything/handler'`. What a program uses of the Web
// platform is on globalThis, and its types are TypeScript's own (`"lib": ["es2022", "dom"]`).

/** What the policy granted by name. A program may tell more of its own: `interface Mine { KEYS: KeyValue; TOKEN: string }`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Env = { readonly [name: string]: any };

/** What a program may know about the exchange. */
export interface OutboundHandlerContext<Params = unknown> {
  readonly containerId: string;
  readonly className: string;
  readonly handlerName: string;
  /** The host pattern that chose this handler. */
  readonly matched: string;
  /** The id of this exchange in the audit record. */
  readonly requestId: string;
  /** The workload's address and port. */
  readonly source: string;
  /** The handler's parameters, as the policy gives them. */
  readonly params: Params;
  /** The call goes on until this is over, but its response is sent. */
  waitUntil(promise: Promise<unknown>): void;
  /** Always throws: a handler that fails means deny. */
  passThroughOnException(): never;
}

type Answer = Response | Promise<Response>;

/** `export default` of a handler. */
export interface Handler<Params = unknown, E = Env> {
  fetch(request: Request, env: E, ctx: OutboundHandlerContext<Params>): Answer;
}

/** A function of a class: those of different params stand in one table, each says what its own are. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type OutboundHandler<Params = any, E = any> = (request: Request, env: E, ctx: OutboundHandlerContext<Params>) => Answer;

/** Names the type of a handler's params; at run time it is the params themselves. */
export function outboundParams<Params>(handler: OutboundHandler<Params>, params: Params): Params;

/** The head of a request, for filters. */
export interface RequestHead {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** The host, with the port if it is not the scheme's own. */
  readonly authority: string;
  /** With the query. */
  readonly path: string;
  readonly url: string;
  readonly headers: Headers;
}

/** The head of a response, with that of its request as the workload sent it. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  readonly request: RequestHead;
}

/** Changes: first those of `remove` go, then each name of `set` loses its values and gets these. */
export interface Edit {
  set?: HeadersInit;
  remove?: string | string[];
  /** A new path with its query; for requests only. */
  path?: string;
}

/** An answer instead: `new Response('text')` will do as well. */
export interface Reply {
  status?: number;
  headers?: HeadersInit;
  body?: string | Uint8Array;
}

/** `deny` is the reason for the operator. */
export type Action = void | undefined | null | 'pass' | Edit | Reply | Response | { deny: string | true };

/** `export default` of a filter: heads only, and nothing can be waited for. */
export interface Filter<Params = unknown, E = Env> {
  onRequest?(head: RequestHead, env: E, ctx: OutboundHandlerContext<Params>): Action;
  onResponse?(head: ResponseHead, env: E, ctx: OutboundHandlerContext<Params>): Action;
}

/** An exchange that is over. */
export interface TailEvent {
  /** Its line of the audit. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly record: { readonly [name: string]: any };
  /** What its handlers wrote. */
  readonly logs: readonly { handler: string; level: 'debug' | 'info' | 'warn' | 'error'; message: string }[];
}

/** `export default` of a tail. */
export interface TailHandler<Params = unknown, E = Env> {
  tail(events: TailEvent[], env: E, ctx: OutboundHandlerContext<Params>): void | Promise<void>;
}

type Shapes = { text: string; arrayBuffer: ArrayBuffer; stream: ReadableStream<Uint8Array> };

/** `env.NAME` of a key-value store. */
export interface KeyValue {
  get(key: string): Promise<string | null>;
  get<T = unknown>(key: string, type: 'json' | { type: 'json' }): Promise<T | null>;
  get<S extends keyof Shapes>(key: string, type: S | { type: S }): Promise<Shapes[S] | null>;
  get(keys: string[]): Promise<Map<string, string | null>>;
  get<T = unknown>(keys: string[], type: 'json' | { type: 'json' }): Promise<Map<string, T | null>>;
  /** There is no metadata: it is null. */
  getWithMetadata(key: string): Promise<{ value: string | null; metadata: null }>;
  put(key: string, value: string | ArrayBuffer | ArrayBufferView | ReadableStream): Promise<void>;
  delete(key: string): Promise<void>;
  /** Adds to a number, which is 0 if there is none yet: the sum. No two additions are lost. */
  increment(key: string, by?: number): Promise<number>;
  list(options?: { prefix?: string; cursor?: string; limit?: number }): Promise<
    { keys: { name: string }[] } & ({ list_complete: true } | { list_complete: false; cursor: string })
  >;
}

/** What is known of an object in a bucket. */
export interface ObjectHead {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Empty if the store has none. */
  readonly etag: string;
  readonly httpEtag: string;
  readonly uploaded: Date;
  readonly httpMetadata: { contentType?: string };
  writeHttpMetadata(headers: Headers): void;
}

/** An object with its bytes, which are streamed. */
export interface ObjectBody extends ObjectHead {
  readonly body: ReadableStream<Uint8Array>;
  readonly bodyUsed: boolean;
  readonly range?: { offset: number; length: number | null };
  text(): Promise<string>;
  json<T = unknown>(): Promise<T>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
}

/** `env.NAME` of a blob store. */
export interface Bucket {
  get(key: string, options?: { range?: { offset?: number; length?: number } | { suffix: number } | Headers }): Promise<ObjectBody | null>;
  head(key: string): Promise<ObjectHead | null>;
  put(key: string, value: BodyInit | null, options?: { httpMetadata?: { contentType?: string } | Headers }): Promise<ObjectHead>;
  delete(keys: string | string[]): Promise<void>;
  list(options?: { prefix?: string; limit?: number; cursor?: string }): Promise<{ objects: ObjectHead[]; truncated: boolean; cursor?: string }>;
}

/** `env.NAME` of a rate limit. */
export interface RateLimit {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** `ctx.storage`: values that JSON can hold, of this instance alone. */
export interface Storage {
  get<T = unknown>(key: string): Promise<T | undefined>;
  get<T = unknown>(keys: string[]): Promise<Map<string, T>>;
  put(key: string, value: unknown): Promise<void>;
  put(entries: Record<string, unknown>): Promise<void>;
  delete(key: string): Promise<boolean>;
  delete(keys: string[]): Promise<number>;
  list<T = unknown>(options?: { prefix?: string; start?: string; end?: string; limit?: number; reverse?: boolean }): Promise<Map<string, T>>;
  deleteAll(): Promise<void>;
}

export interface StateId {
  readonly name: string;
  toString(): string;
  equals(other: StateId): boolean;
}

export interface StateContext {
  readonly id: StateId;
  readonly storage: Storage;
  waitUntil(promise: Promise<unknown>): void;
  blockConcurrencyWhile<T>(run: () => Promise<T>): Promise<T>;
}

/** The methods of an object's class, each a promise now. */
export type Stub<T> = { readonly [K in keyof T as T[K] extends (...words: never[]) => unknown ? K : never]: T[K] extends (
  ...words: infer W
) => infer R
  ? (...words: W) => Promise<Awaited<R>>
  : never } & { readonly id: StateId; readonly name: string };

/** `env.NAME` of state: only the instance's own can be had. */
export interface Namespace<T> {
  idFromString(containerId: string): StateId;
  idFromName(containerId: string): StateId;
  get(id: StateId): Stub<T>;
  getByName(containerId: string): Stub<T>;
}

/** A class whose objects have state, one for each instance. An object is made for a call, and gone after it. */
export class DurableObject<E = Env> {
  constructor(ctx: StateContext, env: E);
  readonly ctx: StateContext;
  readonly env: E;
}

/** What has handlers, as functions of its class. The client starts them; in a component it only holds what is declared. */
export class Container<E = Env> extends DurableObject<E> {
  /** For every host that has no function of its own. */
  static outbound?: OutboundHandler;
  /** By pattern. */
  static outboundByHost?: Record<string, OutboundHandler>;
  /** By the name that `setOutboundHandler` and its kin take. */
  static outboundHandlers?: Record<string, OutboundHandler>;
  enableInternet?: boolean;
  interceptHttps?: boolean;
  allowedHosts?: string[];
  deniedHosts?: string[];
}

export class Sandbox<E = Env> extends Container<E> {}

/** A program of its own: `fetch` serves requests under the name of the class, `tail` hears of those that are over. */
export class WorkerEntrypoint<E = Env, Props = unknown> {
  constructor(ctx: OutboundHandlerContext<Props> & { readonly props: Props }, env: E);
  readonly ctx: OutboundHandlerContext<Props> & { readonly props: Props };
  readonly env: E;
}
