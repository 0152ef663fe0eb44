// The globals of programs that fetch and wait: handlers and tails, but not filters.

import { fetch } from './fetch.js';
import { install } from './globals.js';
import { clearTimeout, setInterval, setTimeout } from './loop.js';

install({ fetch, setTimeout, setInterval, clearTimeout, clearInterval: clearTimeout });
