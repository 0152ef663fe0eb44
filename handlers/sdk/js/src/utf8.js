// TextEncoder and TextDecoder for UTF-8 alone. Our own, because the small published ones lose bytes that are not valid
// UTF-8 instead of replacing them, and the complete ones are slow in an interpreter.

import { bytesOf, joined } from './bytes.js';

const REPLACEMENT = 0xfffd;
const UNITS = 8192; // UTF-16 units put into a string at once: the most that one call takes safely

export class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(text = '') {
    const string = String(text).toWellFormed();
    const bytes = new Uint8Array(string.length * 3);
    let at = 0;
    for (let i = 0; i < string.length; i++) {
      let code = string.charCodeAt(i);
      if (code < 0x80) {
        bytes[at++] = code;
        continue;
      }
      if (code >= 0xd800 && code <= 0xdbff) code = string.codePointAt(i++);
      if (code >= 0x10000) {
        bytes[at++] = 0xf0 | (code >> 18);
        bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
      } else if (code >= 0x800) {
        bytes[at++] = 0xe0 | (code >> 12);
      }
      if (code >= 0x800) bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      else bytes[at++] = 0xc0 | (code >> 6);
      bytes[at++] = 0x80 | (code & 0x3f);
    }
    return bytes.slice(0, at);
  }
}

export class TextDecoder {
  #fatal;
  #keepMark;
  #rest = new Uint8Array(0); // the begun character at the end of a stream's last chunk
  #begun = false;

  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*utf-?8\s*$/i.test(label)) throw new RangeError(`only utf-8 can be decoded, not ${label}`);
    this.#fatal = fatal;
    this.#keepMark = ignoreBOM;
  }

  get encoding() {
    return 'utf-8';
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#keepMark;
  }

  decode(input = new Uint8Array(0), { stream = false } = {}) {
    let bytes = bytesOf(input);
    if (this.#rest.length > 0) bytes = joined([this.#rest, bytes]);
    const length = stream ? bytes.length - begun(bytes) : bytes.length;
    this.#rest = bytes.slice(length);
    const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf && length >= 3;
    const at = marked && !this.#keepMark && !this.#begun ? 3 : 0;
    this.#begun = stream && (this.#begun || length > 0);
    return decoded(bytes.subarray(0, length), at, this.#fatal);
  }
}

// How many bytes at the end are the beginning of a character that is not whole yet.
function begun(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    const [code, length] = sequence(bytes, bytes.length - back);
    return code === null && length === back && back < need && byte >= 0xc2 && byte <= 0xf4 ? back : 0;
  }
  return 0;
}

function decoded(bytes, at, fatal) {
  let text = '';
  let units = [];
  while (at < bytes.length) {
    if (bytes[at] < 0x80) {
      units.push(bytes[at++]);
    } else {
      const [code, length] = sequence(bytes, at);
      if (fatal && code === null) throw new TypeError('not valid UTF-8');
      at += length;
      if (code === null) units.push(REPLACEMENT);
      else if (code < 0x10000) units.push(code);
      else units.push(0xd7c0 + (code >> 10), 0xdc00 | (code & 0x3ff));
    }
    if (units.length >= UNITS) {
      text += String.fromCharCode.apply(null, units);
      units = [];
    }
  }
  return text + String.fromCharCode.apply(null, units);
}

// The code point that begins here and its length in bytes; null and the length to replace if it is not valid. Bounds
// of the second byte are those of the Unicode standard, table 3-7.
function sequence(bytes, at) {
  const first = bytes[at];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return [null, 1];
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  let code = first & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i]; // undefined behind the end, which no comparison accepts
    if (!(byte >= (i === 1 ? low : 0x80) && byte <= (i === 1 ? high : 0xbf))) return [null, i];
    code = (code << 6) | (byte & 0x3f);
  }
  return [code, length];
}
