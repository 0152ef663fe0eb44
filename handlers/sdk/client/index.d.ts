// Types of the client: programs in Node, and the modules of classes, which are in components too.

/** What a handler may know about the exchange. */
export interface OutboundHandlerContext<Params = unknown> {
  readonly containerId: string;
  readonly className: string;
  readonly params: Params;
}

/** What the policy grants to the handlers of a class, by name: secrets, settings, stores, limits. */
export interface Env {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [name: string]: any;
}

// Handlers of different params stand in one table; each says what its own are.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type OutboundHandler<Params = any> = (
  request: Request,
  env: Env,
  ctx: OutboundHandlerContext<Params>,
) => Response | Promise<Response>;

/** Names the type of a handler's params; at run time it is the params themselves. */
export function outboundParams<Params>(handler: OutboundHandler<Params>, params: Params): Params;

/** A pattern, or what the policy says under `allowedHosts` and `deniedHosts` instead. */
export type HostRule =
  | string
  | {
      host: string;
      name?: string;
      methods?: string[];
      paths?: string[];
      answer?: { status?: number; headers?: Record<string, string>; body?: string };
      monitor?: boolean;
    };

/** A change that is in force. */
export interface Change {
  /** The generation that is in force now. */
  generation: number;
  /** Whether anything is other than it was. */
  changed: boolean;
}

/** Changes to what runs, each in force for the next request when its promise resolves. */
export class Verbs {
  setOutboundHandler<Params = unknown>(handler: string, params?: Params): Promise<Change>;
  removeOutboundHandler(): Promise<Change>;
  setOutboundByHost<Params = unknown>(host: string, handler: string, params?: Params): Promise<Change>;
  /** Takes the place of all that were set before. */
  setOutboundByHosts(hosts: Record<string, string | { method: string; params?: unknown }>): Promise<Change>;
  removeOutboundByHost(host: string): Promise<Change>;
  setAllowedHosts(hosts: HostRule[]): Promise<Change>;
  setDeniedHosts(hosts: HostRule[]): Promise<Change>;
  allowHost(host: HostRule): Promise<Change>;
  denyHost(host: HostRule): Promise<Change>;
  removeAllowedHost(host: string): Promise<Change>;
  removeDeniedHost(host: string): Promise<Change>;
  /** Another component, an absolute path or `sha256:…`, for a handler of the policies that is one. */
  setHandler(name: string, wasm: string, sha256?: string): Promise<Change>;
  /** The component of the policies again. */
  resetHandler(name: string): Promise<Change>;
  /** Takes back all changes. */
  clear(): Promise<Change>;
}

/** A handler of the policy, with params. */
export interface Handler {
  name: string;
  params?: unknown;
}

export interface StartOptions {
  /** In place of what the class says. */
  enableInternet?: boolean;
}

export interface ExecOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** In milliseconds; the exit status is 124 then. */
  timeout?: number;
}

/** What a command left behind, as the workload says. */
export interface ExecResult {
  success: boolean;
  exitCode: number;
  stdout: string;
  stderr: string;
  /** Whether a stream had more than `maxOutputBytes`. */
  truncated: boolean;
}

/** The layer below a container. Targets are `<address|network|name|glob>[:port]`. */
export interface Instance {
  readonly running: boolean;
  start(options?: StartOptions): Promise<void>;
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Resolves when it has ended. */
  monitor(): Promise<void>;
  destroy(): Promise<void>;
  interceptOutboundHttp(target: string, handler: Handler): Promise<Change>;
  interceptOutboundHttps(target: string, handler: Handler): Promise<Change>;
  interceptAllOutboundHttp(handler: Handler): Promise<Change>;
  /** Always throws an UnsupportedError. */
  interceptOutboundTcp(target: string, handler: Handler): Promise<never>;
}

export interface ContainerContext {
  readonly id: { readonly name: string; toString(): string };
  readonly container: Instance;
  /** `exports.NAME({ props })` is the handler NAME of the policy, with these params. */
  readonly exports: Readonly<Record<string, (options?: { props?: unknown }) => Handler>>;
}

export class Container extends Verbs {
  /** For every host that has no handler of its own. */
  static outbound?: OutboundHandler;
  /** By pattern. */
  static outboundByHost?: Record<string, OutboundHandler>;
  /** By the name that `setOutboundHandler` and its kin take. */
  static outboundHandlers?: Record<string, OutboundHandler>;

  constructor(ctx: ContainerContext);
  readonly ctx: ContainerContext;
  /** Whether a host that nothing else speaks of may be reached. Unless said, as the policies say; in the end, no. */
  enableInternet?: boolean;
  /** `false` cannot be had: HTTPS is opened always. */
  interceptHttps?: boolean;
  allowedHosts?: HostRule[];
  deniedHosts?: HostRule[];

  /** The same changes, made only if `generation` is in force; else they throw an OutdatedError. */
  ifGeneration(generation: number): Verbs;
  /** What was changed since the start. */
  overrides(): Promise<{ generation: number; overrides: Record<string, unknown> }>;
  status(): Promise<{ instance: string; class: string; generation: number; [more: string]: unknown }>;
  start(options?: StartOptions): Promise<void>;
  destroy(): Promise<void>;
}

export class Sandbox extends Container {
  /** Runs a shell command, behind those that were given before. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Throws a CommandError if it fails. */
  gitClone(url: string, options?: { branch?: string; directory?: string; depth?: number }): Promise<ExecResult>;
}

/** A Worker of its own, for `ctx.exports.NAME`: its `fetch` runs in the component. */
export class WorkerEntrypoint<Props = unknown> {
  constructor(ctx: { readonly props: Props; waitUntil(promise: Promise<unknown>): void }, env: Env);
  readonly ctx: { readonly props: Props; waitUntil(promise: Promise<unknown>): void };
  readonly env: Env;
}

export interface Options {
  /** The folder of the admin sockets and of what was changed at run time, which survives a restart. */
  stateDir: string;
  /** By default `proxy-everything`, of the search path. */
  program?: string;
  /** Files that are read before what the class says: secrets, resolve, limits, compat, built-in handlers. */
  policies?: string[];
  /** What `build` made of the module of the class. */
  component?: string | URL;
  /**
   * The secrets, declared in `policies`, that a handler gets in `env`: by its key in `outboundHandlers`, its host in
   * `outboundByHost`, the name of its Worker, or `outbound`. Who gets one serves HTTPS alone.
   */
  secrets?: Record<string, string[]>;
  /** The Workers that `ctx.exports` names. */
  entrypoints?: (new (...words: any[]) => WorkerEntrypoint<any>)[];
  /** Variables, besides a few of this process's own. Those that secrets are read from are not for the commands. */
  env?: Record<string, string | undefined>;
  /** More flags for `proxy-everything run`. */
  flags?: string[];
  /** Where commands run; by default an empty folder that goes when the sandbox ends. */
  directory?: string;
  /** Of one stream of one command; 8 MiB by default. */
  maxOutputBytes?: number;
}

export interface Binding<C extends Container> {
  /** The container of this id, which may not run yet. */
  get(id: string): C;
  /** The container of this id, started if it did not run. */
  getByName(id: string): Promise<C>;
}

/** Containers of a class, each under an id. */
export function sandboxes<C extends Container>(Class: new (ctx: ContainerContext) => C, options: Options): Binding<C>;

/** All that this package throws, but for wrong arguments. */
export class ProxyError extends Error {}
/** The proxy did not start; `message` has its words. */
export class StartError extends ProxyError {}
/** Nothing runs under this id. */
export class EndedError extends ProxyError {}
/** The proxy refused a change, and nothing has changed. */
export class RefusedError extends ProxyError {
  readonly status: number;
  /** Problem details (RFC 9457). */
  readonly problem?: { detail?: string; line?: number; column?: number; [more: string]: unknown };
}
/** Another generation than the expected one is in force, and nothing has changed. */
export class OutdatedError extends RefusedError {
  readonly generation?: number;
}
/** A command whose success was needed failed. */
export class CommandError extends ProxyError {
  readonly result: ExecResult;
}
/** What Cloudflare's API offers and this system does not have. */
export class UnsupportedError extends ProxyError {}
