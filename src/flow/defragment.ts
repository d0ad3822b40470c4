/**
 * Defragmentation of IPv4 (RFC 791, 3.2) and IPv6 (RFC 8200, 4.5): fragments in, whole payloads out.
 *
 *   key: addresses, identification, protocol (IPv4 only) and scope group of the fragment
 *
 * The first copy of every byte wins; fragments that differ where they overlap, or state different ends, raise
 * flow.fragment.inconsistent. A packet under way holds one block of at most 64 KiB and the list of its parts.
 * Limits: `flow.fragmentedPacketsMax` [drop-oldest], `flow.fragmentTimeoutMs`, 64 KiB a packet.
 * Deliberately left out: RFC 5722's rule to drop IPv6 packets with overlaps, because receivers differ.
 */
import { bytes } from '../base/arena.ts';
import { capacity, enlarge, release, reserve } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import type { Segment } from '../decode/segment.ts';

const B = bytes;
const NOW = packetTimeUs;
const C = counts;
const OVERLAP = weird('flow.fragment.overlap');
const INCONSISTENT = weird('flow.fragment.inconsistent');
const TOO_LARGE = weird('flow.fragment.too_large');
const TIMEOUT = weird('flow.fragment.timeout');
const TOO_MANY = weird('limit.flow.fragments');
const C_JOINED = counter('fragments.joined');
const PACKET_BYTES_MAX = 65535;
/** Numbers in the list of one packet: 512 pieces apart, which is more than any network makes. */
const PARTS_MAX = 1024;

interface Underway {
  block: number;
  /** Disjoint [start, end) pairs, sorted. */
  parts: number[];
  /** Total length once the last fragment was seen, else -1. */
  total: number;
  readonly startedUs: number;
}

/** The payload put together last: valid until the next call. */
export const joined: { at: number; end: number } = { at: 0, end: 0 };

const underway = new Map<string, Underway>();
let lent = 0;
let packetsMax = 0;
let timeoutUs = 0;

export function resetDefragmentation(settings: Settings): void {
  underway.clear();
  lent = 0;
  packetsMax = settings.flow.fragmentedPacketsMax;
  timeoutUs = settings.flow.fragmentTimeoutMs * 1000;
}

/** Fragmented packets that wait for parts. */
export function fragmentedPacketsUnderway(): number {
  return underway.size;
}

/** Takes the fragment in the segment; true when it completed its packet, whose payload is then in `joined`. */
export function defragment(s: Segment): boolean {
  // A fragment may lie in the packet joined last, when fragments were wrapped and fragmented again.
  const before = lent;
  lent = 0;
  const whole = take(s);
  release(before);
  return whole;
}

/** The capture is over: packets under way are given up. */
export function finishDefragmentation(): void {
  for (const [key, u] of underway) forget(key, u);
  release(lent);
  lent = 0;
}

function take(s: Segment): boolean {
  const length = s.fragmentEnd - s.fragmentAt;
  const start = s.fragmentOffset;
  const end = start + length;
  if (end > PACKET_BYTES_MAX) {
    raise(TOO_LARGE);
    return false;
  }
  const protocol = s.ipVersion === 4 ? s.fragmentProtocol : 0;
  const key = `${s.src0},${s.src1},${s.src2},${s.src3}>${s.dst0},${s.dst1},${s.dst2},${s.dst3}#${s.fragmentId}/${protocol}@${s.scopeGroup}`;
  let u = underway.get(key);
  if (u !== undefined && NOW[0] - u.startedUs > timeoutUs) {
    raise(TIMEOUT);
    forget(key, u);
    u = undefined;
  }
  if (u === undefined) {
    makeRoom();
    const block = reserve(Math.max(end, 2048));
    if (block === 0) return false;
    u = { block, parts: [], total: -1, startedUs: NOW[0] };
    underway.set(key, u);
  }
  if (end > capacity(u.block)) {
    const larger = enlarge(u.block, capacity(u.block), end);
    if (larger === 0) {
      forget(key, u);
      return false;
    }
    u.block = larger;
  }
  if (s.fragmentMore === 0) {
    if (u.total >= 0 && u.total !== end) raise(INCONSISTENT);
    else u.total = end;
  } else if (u.total >= 0 && end > u.total) raise(INCONSISTENT);
  place(u, start, end, s.fragmentAt);
  if (u.parts.length > PARTS_MAX) {
    raise(TOO_MANY);
    forget(key, u);
    return false;
  }
  if (u.total < 0 || u.parts[0] !== 0 || u.parts[1] < u.total) return false;
  underway.delete(key);
  lent = u.block;
  joined.at = u.block;
  joined.end = u.block + u.total;
  C[C_JOINED]++;
  return true;
}

/** Copies what is new of `[start, end)` into the packet and merges the lists. */
function place(u: Underway, start: number, end: number, from: number): void {
  const merged: number[] = [];
  let at = start;
  let newStart = start;
  let newEnd = end;
  let overlaps = false;
  let differs = false;
  for (let i = 0; i < u.parts.length; i += 2) {
    const a = u.parts[i];
    const b = u.parts[i + 1];
    if (b < newStart || a > newEnd) {
      merged.push(a, b);
      continue;
    }
    if (a < end && b > start) {
      overlaps = true;
      const stop = Math.min(b, end);
      for (let p = Math.max(a, start); p < stop; p++) if (B[u.block + p] !== B[from + p - start]) differs = true;
      if (a > at) B.copyWithin(u.block + at, from + at - start, from + a - start);
      at = Math.max(at, b);
    }
    newStart = Math.min(newStart, a);
    newEnd = Math.max(newEnd, b);
  }
  if (at < end) B.copyWithin(u.block + at, from + at - start, from + end - start);
  merged.push(newStart, newEnd);
  const pairs: [number, number][] = [];
  for (let i = 0; i < merged.length; i += 2) pairs.push([merged[i], merged[i + 1]]);
  pairs.sort((p, q) => p[0] - q[0]);
  u.parts = pairs.flat();
  if (overlaps) raise(OVERLAP);
  if (differs) raise(INCONSISTENT);
}

/** Forgets packets that waited too long, and the oldest when there are too many. */
function makeRoom(): void {
  for (const [key, u] of underway) {
    const late = NOW[0] - u.startedUs > timeoutUs;
    if (!late && underway.size < packetsMax) return;
    raise(late ? TIMEOUT : TOO_MANY);
    forget(key, u);
  }
}

function forget(key: string, u: Underway): void {
  release(u.block);
  underway.delete(key);
}
