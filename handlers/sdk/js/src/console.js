// console: words for the operator's log. They never reach the workload.

import { write } from 'egress:handler/log@0.1.0';

import { wordsOf } from './errors.js';

const DEEP = 4; // levels of a value that are shown

function shown(value) {
  return typeof value === 'string' ? value : inspected(value, DEEP, []);
}

function inspected(value, deep, above) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `[function ${value.name || 'without a name'}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Error || value instanceof DOMException) return wordsOf(value);
  if (value instanceof Date || value instanceof RegExp) return value instanceof Date ? value.toJSON() : String(value);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (above.includes(value)) return '[above]';
  if (deep === 0) return Array.isArray(value) ? '[...]' : '{...}';
  const inner = (one) => inspected(one, deep - 1, [...above, value]);
  if (Array.isArray(value) || value instanceof Set) return `[${[...value].map(inner).join(',')}]`;
  const pairs = value instanceof Map || value instanceof Headers ? [...value] : Object.entries(value);
  const name = value.constructor?.name;
  const isPlain = name === 'Object' || name === undefined;
  return `${isPlain ? '' : `${name} `}{${pairs.map(([key, one]) => `${shown(key)}:${inner(one)}`).join(',')}}`;
}

const DIRECTIVES = {
  s: String,
  d: (value) => String(Number(value)),
  i: (value) => String(Math.trunc(Number(value))),
  f: (value) => String(Number(value)),
  j: JSON.stringify,
  o: shown,
  O: shown,
  c: () => '',
};

/** The text of what a program gives to `console`: `%s` and its kin take the words that follow. */
export function text(words) {
  const rest = [...words];
  if (typeof rest[0] !== 'string' || rest.length === 1) return rest.map(shown).join(' ');
  const first = rest.shift().replace(/%([sdifjoOc%])/g, (whole, kind) => {
    if (kind === '%') return '%';
    return rest.length > 0 ? DIRECTIVES[kind](rest.shift()) : whole;
  });
  return [first, ...rest.map(shown)].join(' ');
}

const writer = (level) => (...words) => write(level, text(words));

export const console = {
  debug: writer('debug'),
  trace: writer('debug'),
  log: writer('info'),
  info: writer('info'),
  dir: (value) => write('info', shown(value)),
  warn: writer('warn'),
  error: writer('error'),
  assert: (holds, ...words) => holds || write('error', `assertion failed: ${text(words)}`),
};
