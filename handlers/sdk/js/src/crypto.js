// crypto: random numbers of the host's, digests and HMAC. What signs requests needs no more; keys that are pairs, and
// ciphers, are not here.

import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { getRandomBytes } from 'wasi:random/random@0.2.6';

import { bufferOf, bytesOf } from './bytes.js';

const MOST = 65536; // bytes of one getRandomValues, as the standard says
const HASHES = { 'SHA-1': sha1, 'SHA-256': sha256, 'SHA-384': sha384, 'SHA-512': sha512 };

const unsupported = (what) => new DOMException(`${what} is not supported`, 'NotSupportedError');

function hashOf(algorithm) {
  const name = String(algorithm?.name ?? algorithm).toUpperCase();
  if (!Object.hasOwn(HASHES, name)) throw unsupported(name);
  return name;
}

class CryptoKey {
  #bytes;

  constructor(bytes, hash, extractable, usages) {
    this.#bytes = bytes;
    this.type = 'secret';
    this.algorithm = { name: 'HMAC', hash: { name: hash }, length: bytes.length * 8 };
    this.extractable = extractable;
    this.usages = usages;
  }

  static bytesOf(key, usage) {
    if (usage !== undefined && !key.usages.includes(usage)) {
      throw new DOMException(`the key is not for ${usage}`, 'InvalidAccessError');
    }
    return key.#bytes;
  }
}

function hmacNameOf(algorithm) {
  const name = String(algorithm?.name ?? algorithm).toUpperCase();
  if (name !== 'HMAC') throw unsupported(name);
}

function signature(key, usage, data) {
  return hmac(HASHES[key.algorithm.hash.name], CryptoKey.bytesOf(key, usage), bytesOf(data));
}

// All of it, however early a difference is found.
function same(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one[at] ^ other[at];
  return difference === 0;
}

const subtle = {
  async digest(algorithm, data) {
    return bufferOf(HASHES[hashOf(algorithm)](bytesOf(data)));
  },

  async importKey(format, data, algorithm, extractable, usages) {
    hmacNameOf(algorithm);
    if (format !== 'raw') throw unsupported(`the key format ${format}`);
    const bytes = bytesOf(data).slice();
    if (bytes.length === 0) throw new DOMException('the key is empty', 'DataError');
    return new CryptoKey(bytes, hashOf(algorithm.hash), Boolean(extractable), [...usages]);
  },

  async generateKey(algorithm, extractable, usages) {
    hmacNameOf(algorithm);
    const hash = hashOf(algorithm.hash);
    const bits = algorithm.length ?? HASHES[hash].blockLen * 8;
    return new CryptoKey(getRandomBytes(bits / 8), hash, Boolean(extractable), [...usages]);
  },

  async exportKey(format, key) {
    if (format !== 'raw') throw unsupported(`the key format ${format}`);
    if (!key.extractable) throw new DOMException('the key cannot be taken out', 'InvalidAccessError');
    return bufferOf(CryptoKey.bytesOf(key).slice());
  },

  async sign(algorithm, key, data) {
    hmacNameOf(algorithm);
    return bufferOf(signature(key, 'sign', data));
  },

  async verify(algorithm, key, given, data) {
    hmacNameOf(algorithm);
    return same(signature(key, 'verify', data), bytesOf(given));
  },

  timingSafeEqual(one, other) {
    const [a, b] = [bytesOf(one), bytesOf(other)];
    if (a.length !== b.length) throw new TypeError('the two differ in length');
    return same(a, b);
  },
};

export const crypto = {
  subtle,

  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || array instanceof Float32Array || array instanceof Float64Array) {
      throw new DOMException('random numbers go into an array of integers', 'TypeMismatchError');
    }
    if (array.byteLength > MOST) throw new DOMException(`at most ${MOST} bytes at once`, 'QuotaExceededError');
    bytesOf(array).set(getRandomBytes(array.byteLength));
    return array;
  },

  // RFC 9562 section 5.4.
  randomUUID() {
    const bytes = Uint8Array.from(getRandomBytes(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  },
};
