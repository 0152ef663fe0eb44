// The event loop of a call: fetches and timers that are under way, and the one place where the guest waits for them.
//
// The host's imports block the whole guest, so waiting comes last. Whatever begins starts a pump, a microtask that puts
// itself behind all others some rounds long; when nothing new has begun in that time, it waits for what comes first.

import { fetch as fetchOne, next, send } from 'egress:handler/http@0.1.0';

const ROUNDS = 8; // before what was begun is sent
const MORE_ROUNDS = 128; // before the first of many things is waited for: other work may still go on
const LONGEST = 0x7fffffff; // milliseconds

let call = null;

/** Begins a call; what an earlier one left behind is forgotten. */
export function begin() {
  const mine = { queued: [], sent: new Map(), timers: [], writing: new Set(), news: 0, seen: 0, rounds: 0, pumping: false };
  mine.pump = () => pump(mine);
  call = mine;
}

/** Ends it: timers do not fire any more, and nobody hears of responses. */
export function end() {
  call = null;
}

function running() {
  if (call === null) throw new TypeError('outside a call nothing can be fetched or waited for');
  return call;
}

/** Says that something went on, so that the loop does not wait yet. */
export function stir() {
  const mine = call;
  if (mine === null) return;
  mine.news++;
  if (mine.pumping) return;
  mine.pumping = true;
  queueMicrotask(mine.pump);
}

/** Sends a request of the host's kind: a promise of the response, and a function that gives up waiting for it. */
export function launch(request, feed) {
  const one = { request, feed, dropped: false };
  const response = new Promise((resolve, reject) => Object.assign(one, { resolve, reject }));
  running().queued.push(one);
  stir();
  return { response, drop: () => (one.dropped = true) };
}

/** Says that a body is being written, which gives the loop work to do until the promise is settled. */
export function write(work) {
  const { writing } = running();
  const done = () => writing.delete(work);
  writing.add(work);
  work.then(done, done);
  stir();
  return work;
}

export const isWriting = () => running().writing.size > 0;

/** Waits until no body is being written. */
export async function written() {
  const { writing } = running();
  while (writing.size > 0) await Promise.allSettled(writing);
}

function pump(mine) {
  if (mine !== call) return;
  if (mine.seen !== mine.news) {
    mine.seen = mine.news;
    mine.rounds = mine.queued.length > 0 ? ROUNDS : MORE_ROUNDS;
  }
  if (mine.rounds-- <= 0) {
    turn(mine);
    mine.news++;
    if (mine.queued.length + mine.timers.length === 0 && !isAwaited(mine)) {
      mine.pumping = false;
      return;
    }
  }
  queueMicrotask(mine.pump);
}

// Whether anybody still waits for a response.
const isAwaited = ({ sent }) => [...sent.values()].some((one) => !one.dropped);

// One fetch and nothing that could come before its response: one call of the host does it all.
function isSimple({ queued, sent, timers, writing }) {
  return queued.length === 1 && queued[0].feed === null && sent.size === 0 && timers.length === 0 && writing.size === 0;
}

function turn(mine) {
  if (isSimple(mine)) {
    const one = mine.queued.pop();
    if (!one.dropped) attempt(one, () => settle(one, fetchOne([one.request])[0]));
    return;
  }
  const queued = mine.queued;
  mine.queued = [];
  for (const one of queued) if (!one.dropped) attempt(one, () => dispatch(mine, one));
  // A body that is being written is told so by its own writes; only when they have paused is there time to wait.
  const isDue = mine.timers.length > 0 && mine.timers[0].due <= performance.now();
  wait(mine, queued.length > 0 || isDue);
  if (mine === call) fire(mine);
}

function attempt(one, run) {
  try {
    run();
  } catch (reason) {
    one.reject(reason);
  }
}

function dispatch(mine, one) {
  mine.sent.set(send(one.request), one);
  // If it fails, so does the response.
  if (one.feed !== null) write(one.feed()).catch(() => {});
}

// `isBusy`: looks without waiting.
function wait(mine, isBusy) {
  const { sent, timers } = mine;
  if (timers.length === 0 && !isAwaited(mine)) return;
  let timeout = timers.length === 0 ? null : Math.max(0, Math.ceil(timers[0].due - performance.now()));
  if (isBusy) timeout = 0;
  if (timeout === 0 && sent.size === 0) return;
  for (let arrived = next(timeout); arrived !== null && arrived !== undefined; ) {
    const [number, result] = arrived;
    const one = sent.get(number);
    sent.delete(number);
    if (one !== undefined) settle(one, result);
    arrived = sent.size > 0 ? next(0) : null;
  }
}

function settle({ resolve, reject, dropped }, { tag, val }) {
  if (tag !== 'ok') reject(new TypeError(val));
  else if (!dropped) resolve(val);
  else if (val.body.tag === 'stream') val.body.val[Symbol.dispose]?.();
}

// One timer a turn, so that what it set going comes before the next one.
function fire(mine) {
  const first = mine.timers[0];
  if (first === undefined || first.due > performance.now()) return;
  mine.timers.shift();
  if (first.every !== null) schedule(mine, { ...first, due: performance.now() + first.every });
  try {
    first.run(...first.words);
  } catch (error) {
    globalThis.console.error('in a timer:', error);
  }
}

function schedule(mine, timer) {
  const at = mine.timers.findIndex(({ due }) => due > timer.due);
  mine.timers.splice(at < 0 ? mine.timers.length : at, 0, timer);
}

let ids = 0;

function timer(run, delay, every, words) {
  if (typeof run !== 'function') throw new TypeError('a timer runs a function');
  const wait = Math.min(Math.max(Number(delay) || 0, every ? 1 : 0), LONGEST);
  schedule(running(), { id: ++ids, due: performance.now() + wait, every: every ? wait : null, run, words });
  stir();
  return ids;
}

export const setTimeout = (run, delay, ...words) => timer(run, delay, false, words);
export const setInterval = (run, delay, ...words) => timer(run, delay, true, words);

/** Takes back a timer of either kind. */
export function clearTimeout(id) {
  if (call !== null) call.timers = call.timers.filter((one) => one.id !== Number(id));
}
