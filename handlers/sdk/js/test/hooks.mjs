// Lets the SDK run in Node: what it imports of the host comes from `globalThis.host`, by interface and name, and the Web
// platform is the SDK's own, not Node's. Loaded with --import.

import { register } from 'node:module';

const INTERFACES = {
  'egress:handler/http@0.1.0': ['fetch', 'next', 'pipe', 'respond', 'send'],
  'egress:handler/context@0.1.0': ['bindings', 'current'],
  'egress:handler/secrets@0.1.0': ['get'],
  'egress:handler/log@0.1.0': ['write'],
  'egress:handler/rate-limit@0.1.0': ['limit'],
  'egress:handler/blobstore@0.1.0': ['delete', 'get', 'head', 'list', 'put'],
  'wasi:config/store@0.2.0-rc.1': ['get'],
  'wasi:random/random@0.2.6': ['getRandomBytes'],
  'wasi:keyvalue/store@0.2.0-draft': ['open'],
  'wasi:keyvalue/atomics@0.2.0-draft': ['increment'],
  'wasi:keyvalue/batch@0.2.0-draft': ['getMany', 'setMany'],
};

const stub = (id) =>
  INTERFACES[id]
    .map((name) => `const $${name} = (...words) => globalThis.host[${JSON.stringify(id)}].${name}(...words); export { $${name} as ${name} };`)
    .join('\n');

const hooks = `
const stubs = ${JSON.stringify(Object.fromEntries(Object.keys(INTERFACES).map((id) => [id, stub(id)])))};
export const resolve = (id, context, next) => (id in stubs ? { url: id, shortCircuit: true } : next(id, context));
export const load = (id, context, next) => (id in stubs ? { format: 'module', source: stubs[id], shortCircuit: true } : next(id, context));
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const WEB = [
  'AbortController AbortSignal Blob CustomEvent Event EventTarget File FormData Headers Request Response TextDecoder TextEncoder',
  'ReadableStream TransformStream WritableStream TextDecoderStream TextEncoderStream ByteLengthQueuingStrategy',
  'CountQueuingStrategy URL URLSearchParams console crypto fetch structuredClone setTimeout setInterval clearTimeout clearInterval',
];
for (const name of WEB.join(' ').split(' ')) delete globalThis[name];
await import('../src/onward.js');
