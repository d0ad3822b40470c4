/**
 * The kinds of generated traffic and what can be asked of them.
 */
const CONNECTIONS_MAX = 4000;
/** A smaller capture has fewer connections at once, so that each still carries many calls. */
const CONNECTIONS_PER_MEGABYTE = 10;
/** Connections of HTTP/2 carry as many calls at once as a hundred of HTTP/1. */
const HTTP2_CONNECTIONS_MAX = 100;
const HTTP2_CONNECTIONS_PER_MEGABYTE = 0.5;

/**
 * - `small`: keep-alive, 10 to 50 calls a connection, bodies of 200 to 2000 bytes
 * - `large`: 3 to 12 calls a connection, response bodies of 20 to 200 KB
 * - `short`: one call a connection
 * - `vxlan`: small in VXLAN, seven VNIs
 * - `gzip`: small, 60 % of the bodies compressed
 * - `reordered`: small, 2 % of the packets late and 2 % twice
 * - `lossy`: reordered, and 1 % of the packets lost
 * - `http2-json`: HTTP/2, small JSON calls, 100 streams of a connection open at a time, 300 to 900 calls a connection
 * - `http2-grpc`: the same with unary calls of gRPC, messages of 10 to 300 bytes
 */
export const trafficKinds = ['small', 'large', 'short', 'vxlan', 'gzip', 'reordered', 'lossy', 'http2-json', 'http2-grpc'] as const;
export type TrafficKind = (typeof trafficKinds)[number];

export interface TrafficOptions {
  readonly kind: TrafficKind;
  /** Size of the capture in millions of bytes, about: connections end after their current call once it is reached. */
  readonly megabytes: number;
  readonly seed: number;
  /** Connections open at the same time. */
  readonly connections: number;
  /** Share of the packets that are lost on the way to the sensor. */
  readonly lossRate: number;
  /** Share of the packets that are overtaken by later ones. */
  readonly reorderRate: number;
  /** Share of the packets that come twice. */
  readonly duplicateRate: number;
  readonly ipv6Share: number;
  /** Share of the bursts that are two to five requests sent before the first response. */
  readonly pipelineShare: number;
  /** Put every packet into VXLAN. */
  readonly vxlan: boolean;
  /** Both ends are mirrored: every packet comes under two VNIs. */
  readonly mirroredTwice: boolean;
  /** Connections under different VNIs have the same addresses and ports. */
  readonly overlappingAddresses: boolean;
}

export function isHttp2(kind: TrafficKind): boolean {
  return kind === 'http2-json' || kind === 'http2-grpc';
}

function connectionsOf(kind: TrafficKind, megabytes: number): number {
  const [perMegabyte, most] = isHttp2(kind)
    ? [HTTP2_CONNECTIONS_PER_MEGABYTE, HTTP2_CONNECTIONS_MAX]
    : [CONNECTIONS_PER_MEGABYTE, CONNECTIONS_MAX];
  return Math.max(1, Math.min(most, Math.round(megabytes * perMegabyte)));
}

/** The options of a kind, with what differs from its defaults. */
export function trafficOptions(given: Partial<TrafficOptions> & { readonly kind: TrafficKind }): TrafficOptions {
  const megabytes = given.megabytes ?? 1;
  const disorder = given.kind === 'reordered' || given.kind === 'lossy' ? 0.02 : 0;
  return {
    megabytes,
    seed: 1,
    connections: connectionsOf(given.kind, megabytes),
    lossRate: given.kind === 'lossy' ? 0.01 : 0,
    reorderRate: disorder,
    duplicateRate: disorder,
    ipv6Share: 0.1,
    pipelineShare: 0,
    mirroredTwice: false,
    overlappingAddresses: false,
    ...given,
    vxlan: given.vxlan === true || given.kind === 'vxlan' || given.mirroredTwice === true || given.overlappingAddresses === true,
  };
}
