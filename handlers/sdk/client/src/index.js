// What programs import in Node; `handler.js` stands for it in components.

export * from './errors.js';
export { Container, Sandbox, WorkerEntrypoint, outboundParams } from './container.js';
export { sandboxes } from './sandboxes.js';
