/**
 * The encapsulation path: the outer layers of a packet, outermost first, and what they mean for its flow.
 *
 * While a packet is walked over, each layer goes as int32 words into `layers`:
 *
 *   | type 8 bits, ids 4, IP version 4 | id ... | outer source 0, 1 or 4 | outer destination 0, 1 or 4 |
 *
 * At the end the list is interned to a small `pathId` (0: no layers), and what the flow table needs is kept by path:
 *
 *   scopeId     the layers with their ids, without outer addresses: two packets with equal inner addresses belong
 *               together only when this is equal. It holds the type of every layer and VXLAN and GENEVE VNI, GRE key,
 *               ERSPAN session and VLAN, VLAN id, MPLS label, GTP TEID, PPPoE and L2TP session.
 *   scopeGroup  of these only the layers whose id is the same in both directions: VXLAN, GENEVE, GRE with a key, ERSPAN
 *               session, PPPoE. VLAN, MPLS, GTP, L2TP, PPTP and tunnels without an id are not in it, so that a tagged
 *               and an untagged direction, or a tunnelled request and a direct response, still meet.
 *
 * Both come from one numbering: they are equal when the path has nothing that may differ by direction. VLAN id 0 (priority
 * tag) counts like no tag. With decode.vni `merge` no tunnel separates flows: scopeId has only the VLAN ids and MPLS labels
 * inside the innermost tunnel, and scopeGroup is 0.
 *
 * Limit: decode.pathsMax, raised as limit.decode.paths. A path beyond it has the id of "other"; its scopes stay right. A
 * scope beyond it (there are as many only when there are as many paths) gets a negative number, its salted hash, so that
 * two of them may in theory be taken for one.
 */
import { formatAddress } from '../base/address.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import { hashWords, Interner } from './interner.ts';
import type { Segment } from './segment.ts';

const PATHS_REACHED = weird('limit.decode.paths');

export const VLAN_LAYER = 1;
export const MPLS_LAYER = 2;
export const PPPOE_LAYER = 3;
export const GRE_LAYER = 4;
export const PPTP_LAYER = 5;
export const ERSPAN_LAYER = 6;
export const IPIP_LAYER = 7;
export const VXLAN_LAYER = 8;
export const GENEVE_LAYER = 9;
export const TEREDO_LAYER = 10;
export const GTP_LAYER = 11;
export const L2TP_LAYER = 12;
export const NSH_LAYER = 13;
export const OTHER_LAYER = 14;

/** One outer layer as the records have it; structurally `ApiCall['encapsulation'][number]`. */
export interface Layer {
  type: 'vlan' | 'mpls' | 'pppoe' | 'gre' | 'erspan' | 'ipip' | 'vxlan' | 'geneve' | 'teredo' | 'gtp' | 'l2tp' | 'nsh' | 'other';
  source?: string;
  destination?: string;
  vni?: number;
  vlan?: number;
  key?: number;
  session?: number;
  label?: number;
  teid?: number;
}

interface LayerType {
  readonly type: Layer['type'];
  /** Name of each id in the record. */
  readonly ids: readonly ('vni' | 'vlan' | 'key' | 'session' | 'label' | 'teid')[];
  /** Whether the first id is the same in both directions and keeps equal addresses apart. */
  readonly isolates: boolean;
}

/** By layer number. */
const layerTypes: readonly LayerType[] = [
  { type: 'other', ids: [], isolates: false },
  { type: 'vlan', ids: ['vlan'], isolates: false },
  { type: 'mpls', ids: ['label'], isolates: false },
  { type: 'pppoe', ids: ['session'], isolates: true },
  { type: 'gre', ids: ['key'], isolates: true },
  { type: 'gre', ids: ['key'], isolates: false },
  { type: 'erspan', ids: ['session', 'vlan'], isolates: true },
  { type: 'ipip', ids: [], isolates: false },
  { type: 'vxlan', ids: ['vni'], isolates: true },
  { type: 'geneve', ids: ['vni'], isolates: true },
  { type: 'teredo', ids: [], isolates: false },
  { type: 'gtp', ids: ['teid'], isolates: false },
  { type: 'l2tp', ids: ['session'], isolates: false },
  { type: 'nsh', ids: [], isolates: false },
  { type: 'other', ids: [], isolates: false },
];

/** Words that one layer takes at most: head, two ids, two IPv6 addresses. */
const LAYER_WORDS_MAX = 11;
/** Headers, and therefore layers, that decode.depthMax allows at most. */
const LAYERS_MAX = 64;

/** The layers of the packet under way. A step of the walk adds at most one, so it cannot overflow. */
const layers = new Int32Array(LAYERS_MAX * LAYER_WORDS_MAX);
let used = 0;
const SEED = 0x2545f491;
const MIX = 0x9e3779b1 | 0;
const scope = new Int32Array(layers.length);

/** Id of the path that stands for all beyond the limit. */
const OTHER_PATH = 1;
let paths = new Interner(1);
let scopes = new Interner(1);
let scopeIds = new Int32Array(64);
let scopeGroups = new Int32Array(64);
let merge = false;

/** Forgets all paths; ids handed out before lose their meaning. */
export function resetPaths(settings: Settings): void {
  // One more for "other"; a path brings at most two scopes.
  severalOrigins[0] = 0;
  firstTunnels = -1;
  firstInterface = -1;
  notedPath = -1;
  tunnelIds = [];
  tunnelNumbers = new Map();
  paths = new Interner(settings.decode.pathsMax + 1);
  scopes = new Interner(settings.decode.pathsMax * 2);
  scopeIds = new Int32Array(64);
  scopeGroups = new Int32Array(64);
  merge = settings.decode.vni === 'merge';
  used = 1;
  layers[0] = OTHER_LAYER;
  paths.intern(layers, 1);
  used = 0;
  recent.fill(0);
}

/** A new packet: no layers yet. */
export function startPath(): void {
  used = 0;
}

/** Adds a layer that does not ride on IP, with one id. */
export function pushLayer(type: number, id: number): void {
  layers[used] = type | (1 << 8);
  layers[used + 1] = id;
  used += 2;
}

/** Adds a layer that does not ride on IP and has no id. */
export function pushPlain(type: number): void {
  layers[used++] = type;
}

/** Adds a layer that rides on the IP packet whose addresses stand in the segment, with 0 to 2 ids. */
export function pushTunnel(type: number, ids: number, id: number, id2: number, s: Segment): void {
  let n = used;
  layers[n++] = type | (ids << 8) | (s.ipVersion << 12);
  if (ids > 0) layers[n++] = id;
  if (ids > 1) layers[n++] = id2;
  if (s.ipVersion === 4) {
    layers[n] = s.src0;
    layers[n + 1] = s.dst0;
    used = n + 2;
  } else {
    pushIpv6Addresses(n, s);
  }
}

function pushIpv6Addresses(n: number, s: Segment): void {
  layers[n] = s.src0;
  layers[n + 1] = s.src1;
  layers[n + 2] = s.src2;
  layers[n + 3] = s.src3;
  layers[n + 4] = s.dst0;
  layers[n + 5] = s.dst1;
  layers[n + 6] = s.dst2;
  layers[n + 7] = s.dst3;
  used = n + 8;
}

/** 1 once packets have come through more than one tunnel or interface: only then can a call be there twice. */
export const severalOrigins: Int32Array = new Int32Array(1);
const SEVERAL = severalOrigins;
let firstTunnels = -1;
let firstInterface = -1;
let notedPath = -1;
let notedInterface = -1;

function noteOrigin(s: Segment): void {
  notedPath = s.pathId;
  notedInterface = s.interfaceId;
  const tunnels = tunnelsOf(s.pathId);
  if (firstTunnels < 0) {
    firstTunnels = tunnels;
    firstInterface = s.interfaceId;
  } else if (tunnels !== firstTunnels || s.interfaceId !== firstInterface) SEVERAL[0] = 1;
}

/** Sets `pathId`, `scopeId` and `scopeGroup` from the layers of this packet. */
export function internPath(s: Segment): void {
  if (used !== 0) internLayers(s);
  else {
    s.pathId = 0;
    s.scopeId = 0;
    s.scopeGroup = 0;
  }
  if (SEVERAL[0] === 0 && (s.pathId !== notedPath || s.interfaceId !== notedInterface)) noteOrigin(s);
}

/**
 * The recent paths by hash, one row each: number of words, path id, scope id, scope group, words. A row that is longer, or
 * two paths that fall on one row, only cost the way through the table of all paths.
 */
const RECENT_ROWS = 512;
const ROW_WORDS = 16;
const ROW_HEAD = 4;
const recent = new Int32Array(RECENT_ROWS * ROW_WORDS);

function internLayers(s: Segment): void {
  const n = used;
  let h = SEED;
  for (let i = 0; i < n; i++) h = Math.imul(h ^ layers[i], MIX);
  const row = ((h ^ (h >>> 15)) & (RECENT_ROWS - 1)) * ROW_WORDS;
  let same = recent[row] === n;
  for (let i = 0; same && i < n; i++) same = recent[row + ROW_HEAD + i] === layers[i];
  if (same) {
    s.pathId = recent[row + 1];
    s.scopeId = recent[row + 2];
    s.scopeGroup = recent[row + 3];
    return;
  }
  internSlowly(s);
  if (n > ROW_WORDS - ROW_HEAD || s.pathId === OTHER_PATH) return;
  recent[row] = n;
  recent[row + 1] = s.pathId;
  recent[row + 2] = s.scopeId;
  recent[row + 3] = s.scopeGroup;
  for (let i = 0; i < n; i++) recent[row + ROW_HEAD + i] = layers[i];
}

/** Through the table of all paths. */
function internSlowly(s: Segment): void {
  const before = paths.size;
  const id = paths.intern(layers, used);
  if (id === 0) {
    raise(PATHS_REACHED);
    s.pathId = OTHER_PATH;
    s.scopeId = scopeOf(false);
    s.scopeGroup = scopeOf(true);
    return;
  }
  if (paths.size !== before) keepScopes(id);
  s.pathId = id;
  s.scopeId = scopeIds[id];
  s.scopeGroup = scopeGroups[id];
}

/** The layers of a path, outermost first, as plain data. Not for the hot path. */
export function describePath(pathId: number): Layer[] {
  const words = new Int32Array(layers.length);
  const length = pathId === 0 ? 0 : paths.read(pathId, words);
  const described: Layer[] = [];
  for (let at = 0; at < length; ) {
    const head = words[at++];
    const { type, ids } = layerTypes[head & 255];
    const layer: Layer = { type };
    const idsAt = at;
    const idCount = (head >> 8) & 15;
    const ipVersion = head >> 12;
    at += idCount;
    if (ipVersion === 4) {
      layer.source = formatAddress(4, words[at], 0, 0, 0);
      layer.destination = formatAddress(4, words[at + 1], 0, 0, 0);
      at += 2;
    } else if (ipVersion === 6) {
      layer.source = formatAddress(6, words[at], words[at + 1], words[at + 2], words[at + 3]);
      layer.destination = formatAddress(6, words[at + 4], words[at + 5], words[at + 6], words[at + 7]);
      at += 8;
    }
    for (let i = 0; i < idCount && i < ids.length; i++) {
      // ERSPAN states VLAN 0 for a frame without a tag.
      if (i === 0 || words[idsAt + i] !== 0) layer[ids[i]] = words[idsAt + i] >>> 0;
    }
    described.push(layer);
  }
  return described;
}

function keepScopes(id: number): void {
  if (id >= scopeIds.length) {
    scopeIds = doubled(scopeIds);
    scopeGroups = doubled(scopeGroups);
  }
  scopeIds[id] = scopeOf(false);
  scopeGroups[id] = scopeOf(true);
}

function doubled(from: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const to = new Int32Array(from.length * 2);
  to.set(from);
  return to;
}

/** The scope of the packet's layers, or the group of it. */
function scopeOf(group: boolean): number {
  let n = 0;
  for (let at = 0; at < used; ) {
    const head = layers[at];
    const type = head & 255;
    const ids = (head >> 8) & 15;
    const tag = type === VLAN_LAYER || type === MPLS_LAYER;
    if (merge && !tag) n = 0;
    else if (!group && !(type === VLAN_LAYER && layers[at + 1] === 0)) n = copyIds(n, head, at + 1, ids);
    else if (group && !merge && ids > 0 && layerTypes[type].isolates) n = copyIds(n, head, at + 1, 1);
    at += 1 + ids + (head >> 12 === 4 ? 2 : head >> 12 === 6 ? 8 : 0);
  }
  if (n === 0) return 0;
  const id = scopes.intern(scope, n);
  return id !== 0 ? id : hashWords(scope, n) | 0x80000000;
}

/** Appends type and `ids` ids to the scope at `n`; returns its new length. */
function copyIds(n: number, head: number, idsAt: number, ids: number): number {
  scope[n++] = (head & 255) | (ids << 8);
  for (let i = 0; i < ids; i++) scope[n++] = layers[idsAt + i];
  return n;
}

/** The layers of every path seen so far, in order of appearance. Not for the hot path. */
export function describePaths(): Layer[][] {
  const all: Layer[][] = [];
  for (let id = OTHER_PATH + 1; id <= paths.size; id++) all.push(describePath(id));
  return all;
}

let tunnelIds: number[] = [];
let tunnelNumbers = new Map<string, number>();

/** A number for the tunnels of a path alone: equal for paths that differ only in VLAN tags. 0 for none. */
export function tunnelsOf(pathId: number): number {
  if (pathId === 0) return 0;
  let id = tunnelIds[pathId];
  if (id === undefined) {
    const key = JSON.stringify(describePath(pathId).filter((layer) => layer.type !== 'vlan'));
    id = key === '[]' ? 0 : (tunnelNumbers.get(key) ?? tunnelNumbers.size + 1);
    tunnelNumbers.set(key, id);
    tunnelIds[pathId] = id;
  }
  return id;
}
