// Puts the parts of the Web platform that QuickJS lacks on globalThis, so that a handler needs no import line.
// Imported before the user's module: its top level may use them already.

import URL from 'core-js-pure/actual/url/index.js';
import URLSearchParams from 'core-js-pure/actual/url-search-params/index.js';

import { console } from './console.js';
import { fetch } from './fetch.js';
import { Headers } from './headers.js';
import { Request } from './request.js';
import { Response } from './response.js';
import { TextDecoder, TextEncoder } from './utf8.js';

const ours = { URL, URLSearchParams, TextDecoder, TextEncoder, console, fetch, Headers, Request, Response };

for (const [name, value] of Object.entries(ours)) {
  if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}
