// Puts the parts of the Web platform that QuickJS lacks on globalThis, so that a program needs no import line. Imported
// before the user's module: its top level may use them already. These are for every kind of program; `onward.js` adds
// those that fetch or wait.

import structuredClone from '@ungap/structured-clone';
import URLSearchParams from 'core-js-pure/actual/url-search-params/index.js';

import { Blob, File } from './blob.js';
import { console } from './console.js';
import { crypto } from './crypto.js';
import { AbortController, AbortSignal, CustomEvent, Event, EventTarget } from './events.js';
import { FormData } from './form.js';
import { Headers } from './headers.js';
import { Request } from './request.js';
import { Response } from './response.js';
import * as streams from './streams.js';
import { URL } from './url.js';
import { TextDecoder, TextEncoder } from './utf8.js';

/** Makes these global, but for those that are there already. */
export function install(values) {
  for (const [name, value] of Object.entries(values)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
}

install({ URL, URLSearchParams, TextDecoder, TextEncoder, console, crypto, structuredClone, Headers, Request, Response });
install({ Blob, File, FormData, AbortController, AbortSignal, CustomEvent, Event, EventTarget, ...streams });
install({ self: globalThis });
