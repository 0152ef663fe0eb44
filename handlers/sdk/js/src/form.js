// Forms: FormData, and its two spellings in bodies.

import { Blob, File } from './blob.js';

const LATIN = 8192; // units put into a string at once

export class FormData {
  #entries = [];

  append(name, value, filename) {
    this.#entries.push([String(name), valueOf(value, filename)]);
  }

  set(name, value, filename) {
    const at = this.#entries.findIndex(([known]) => known === String(name));
    this.delete(name);
    this.#entries.splice(at < 0 ? this.#entries.length : at, 0, [String(name), valueOf(value, filename)]);
  }

  delete(name) {
    this.#entries = this.#entries.filter(([known]) => known !== String(name));
  }

  get(name) {
    return this.getAll(name)[0] ?? null;
  }

  getAll(name) {
    return this.#entries.filter(([known]) => known === String(name)).map(([, value]) => value);
  }

  has(name) {
    return this.#entries.some(([known]) => known === String(name));
  }

  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }

  keys() {
    return this.#entries.map(([name]) => name).values();
  }

  values() {
    return this.#entries.map(([, value]) => value).values();
  }

  entries() {
    return this.#entries.map((entry) => [...entry]).values();
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

function valueOf(value, filename) {
  if (!(value instanceof Blob)) return String(value);
  if (value instanceof File && filename === undefined) return value;
  return new File([value], filename ?? 'blob', { type: value.type });
}

// RFC 7578; names are written as browsers write them.
const escaped = (name) => name.replace(/\r\n|\r|\n/g, '%0D%0A').replaceAll('"', '%22');

/** The form as `{ bytes, type }`, the type with its boundary. */
export function multipart(form) {
  const boundary = `form-${globalThis.crypto.randomUUID()}`;
  const parts = [];
  for (const [name, value] of form) {
    const file = value instanceof Blob;
    const named = file ? `; filename="${escaped(value.name)}"` : '';
    const type = file ? `content-type: ${value.type || 'application/octet-stream'}\r\n` : '';
    parts.push(`--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"${named}\r\n${type}\r\n`, value, '\r\n');
  }
  parts.push(`--${boundary}--\r\n`);
  return { bytes: Blob.bytesOf(new Blob(parts)), type: `multipart/form-data; boundary=${boundary}` };
}

/** The form that these bytes are, by the type of their message. */
export function formOf(bytes, type) {
  const [kind] = type.toLowerCase().split(';');
  const form = new FormData();
  if (kind.trim() === 'application/x-www-form-urlencoded') {
    for (const [name, value] of new URLSearchParams(new TextDecoder().decode(bytes))) form.append(name, value);
    return form;
  }
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type) ?? [];
  if (kind.trim() !== 'multipart/form-data' || !(quoted ?? plain)) throw new TypeError(`\`${type}\` is no form`);
  for (const part of partsOf(bytes, quoted ?? plain)) add(form, part);
  return form;
}

// One character for each byte, so that what is found in the text is at the same place in the bytes.
function latin(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += LATIN) text += String.fromCharCode.apply(null, bytes.subarray(at, at + LATIN));
  return text;
}

function* partsOf(bytes, boundary) {
  const text = `\r\n${latin(bytes)}`;
  const mark = `\r\n--${boundary}`;
  let from = text.indexOf(mark);
  for (;;) {
    const at = from + mark.length;
    if (from < 0) throw new TypeError('the form has no end');
    if (text.startsWith('--', at)) return;
    from = text.indexOf(mark, at);
    const blank = text.indexOf('\r\n\r\n', at);
    if (blank < 0 || from < blank) throw new TypeError('a part of the form has no head');
    // Two less, because of the line's end that was put before.
    const head = new TextDecoder().decode(bytes.subarray(at - 2, blank - 2));
    yield { head, content: bytes.subarray(blank + 2, from - 2) };
  }
}

function add(form, { head, content }) {
  const word = (name) => new RegExp(`^content-disposition:.*;\\s*${name}="([^"]*)"`, 'im').exec(head)?.[1];
  const read = (text) => text.replaceAll('%22', '"').replaceAll('%0D%0A', '\r\n');
  const [name, filename] = [word('name'), word('filename')];
  if (name === undefined) throw new TypeError('a part of the form has no name');
  if (filename === undefined) return form.append(read(name), new TextDecoder().decode(content));
  const type = /^content-type:\s*(.*)$/im.exec(head)?.[1].trim() ?? '';
  return form.append(read(name), new File([content], read(filename), { type }));
}
