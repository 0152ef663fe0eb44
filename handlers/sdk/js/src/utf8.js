// TextEncoder and TextDecoder for UTF-8 alone. Our own, because the small published ones lose bytes that are not valid
// UTF-8 instead of replacing them, and the complete ones are slow in an interpreter.

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

  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*utf-?8\s*$/i.test(label)) throw new RangeError(`only utf-8 can be decoded, not ${label}`);
    this.#fatal = fatal;
    this.#keepMark = ignoreBOM;
  }

  get encoding() {
    return 'utf-8';
  }

  decode(input = new Uint8Array(0)) {
    const bytes = ArrayBuffer.isView(input)
      ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
      : new Uint8Array(input);
    const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    return decoded(bytes, marked && !this.#keepMark ? 3 : 0, this.#fatal);
  }
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
