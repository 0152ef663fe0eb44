// The targets of the layer below, `<address|network|name|glob>[:port]`, as patterns of the policy.

import { isIPv4, isIPv6 } from 'node:net';

const PORTS = { http: 80, https: 443 };

/** The pattern that `target` is for `http` or `https`. Without a port, the scheme's own; a network's host bits are cleared. */
export function patternOf(scheme, target) {
  if (typeof target !== 'string' || target === '') throw new TypeError('a target is a text');
  const { host, port } = split(target);
  const network = masked(host);
  const written = network.includes(':') ? `[${network}]` : network;
  return `${scheme}://${written}:${port ?? PORTS[scheme]}`;
}

/** The port is behind the last colon, unless that is one of an IPv6 address without brackets. */
function split(target) {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(target);
  if (bracketed !== null) return { host: bracketed[1], port: bracketed[2] };
  if (isIPv6(target.split('/')[0])) return { host: target };
  const named = /^(.*):(\d+)$/.exec(target);
  return named === null ? { host: target } : { host: named[1], port: named[2] };
}

function masked(host) {
  const [address, length, ...rest] = host.split('/');
  const bits = isIPv4(address) ? 32 : 128;
  const isNetwork = (bits === 32 || isIPv6(address)) && /^\d{1,3}$/.test(length) && rest.length === 0 && length <= bits;
  if (!isNetwork) return host;
  const shift = BigInt(bits - length);
  const number = (numberOf(address, bits) >> shift) << shift;
  return `${bits === 32 ? dotted(number) : grouped(number)}/${length}`;
}

function numberOf(address, bits) {
  if (bits === 32) return address.split('.').reduce((number, part) => (number << 8n) | BigInt(part), 0n);
  // The URL parser writes every spelling in one way: hexadecimal groups, `::` at most once.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head, tail = ''] = canonical.split('::');
  const groups = (text) => (text === '' ? [] : text.split(':'));
  const zeros = canonical.includes('::') ? 8 - groups(head).length - groups(tail).length : 0;
  const all = [...groups(head), ...Array(zeros).fill('0'), ...groups(tail)];
  return all.reduce((number, part) => (number << 16n) | BigInt(`0x${part}`), 0n);
}

const dotted = (number) => [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 0xffn).join('.');

function grouped(number) {
  const groups = Array.from({ length: 8 }, (_, at) => (number >> BigInt(112 - 16 * at)) & 0xffffn);
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]/`).hostname.slice(1, -1);
}
