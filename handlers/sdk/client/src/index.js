// What programs import in Node; in components the SDK's own classes stand for it.

export * from './errors.js';
export { Container, Sandbox, WorkerEntrypoint, outboundParams } from './container.js';
export { sandboxes } from './sandboxes.js';
