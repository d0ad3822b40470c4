/**
 * TLS that passes by: nothing of it can be read but the hellos (RFC 8446, 4.1.2 and 4.1.3). The client's tells server name,
 * ALPN, versions and, by JA4, the kind of client; the server's tells the version that is spoken. They show the operator
 * which traffic is not visible.
 *
 * An unfinished hello waits in the tail of its direction, so all that waits counts against memory.blockBytesMax; it goes
 * with the connection (flow.idleTimeoutMs), or when http/handshake.ts says that it is too long. Raises http.tls.malformed,
 * http.tls.hello_cut.
 */

import { formatAddress } from '../base/address.ts';
import { bytes } from '../base/arena.ts';
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import * as table from '../flow/flow-table.ts';
import { hello, readClientHello } from './client-hello.ts';
import { connections, SKIP, TLS, X_STATE } from './connection.ts';
import { CLIENT_HELLO, gather, gathered, helloType, MORE, releaseGathered, WHOLE } from './handshake.ts';
import { noteHello, tlsVersions } from './hello-facts.ts';
import { reading, readTime } from './reading.ts';
import { setClient, setKind } from './role.ts';
import { keepTail } from './tail.ts';

const B = bytes;
const C = counts;
const N = connections;
const R = reading;
const rows = table.rows;
const MALFORMED = weird('http.tls.malformed');
const CUT = weird('http.tls.hello_cut');

/** By the version that the server chose. */
const SPOKEN = new Map(Object.entries(tlsVersions).map(([version, name]) => [Number(version), counter(`tls.spoken{${name}}`)]));
const SPOKEN_OTHER = counter('tls.spoken{other}');
const SUPPORTED_VERSIONS = 43;

/** A stream of TLS: its first records stand at `at`, at least 6 bytes of them. */
export function readTls(n: number, x: number, direction: number, at: number, end: number): number {
  const type = helloType(at, end);
  if (type !== 0) {
    const found = gather(at, end);
    if (found === MORE) {
      keepTail(x, at, end);
      return end;
    }
    if (type === CLIENT_HELLO) {
      setClient(n, direction);
      if (found !== WHOLE) onCutHello(direction, at, end);
      else if (!readClientHello(gathered.at, gathered.end)) raise(MALFORMED);
      if (found === WHOLE) note(direction);
    } else if (found === WHOLE) noteServerHello(gathered.at, gathered.end);
    releaseGathered();
  }
  setKind(n, TLS);
  N[x + X_STATE] = SKIP;
  return end;
}

/** A stream of TLS that ends, or has a hole, before its hello is whole. */
export function readCutTls(n: number, x: number, direction: number, at: number, end: number): void {
  if (helloType(at, end) === CLIENT_HELLO) {
    setClient(n, direction);
    onCutHello(direction, at, end);
    raise(CUT);
  }
  setKind(n, TLS);
  N[x + X_STATE] = SKIP;
}

/** What stands in the first record is told: the name of the server stands often there. */
function onCutHello(direction: number, at: number, end: number): void {
  const to = at + 5 + ((B[at + 3] << 8) | B[at + 4]);
  readClientHello(at + 5, to < end ? to : end);
  hello.isWhole = false;
  note(direction);
}

function note(direction: number): void {
  const f = R.flow << table.ROW_SHIFT;
  const ports = rows[f + table.PORTS];
  const originator = ports >>> 16;
  const responder = ports & 0xffff;
  noteHello({
    transport: 'tcp',
    timeUs: readTime[0],
    clientAddress: addressOf(f, direction),
    clientPort: direction === 0 ? originator : responder,
    serverAddress: addressOf(f, 1 - direction),
    serverPort: direction === 0 ? responder : originator,
  });
}

/** The end that sends in that direction: 0 the originator, 1 the responder. */
function addressOf(f: number, direction: number): string {
  const k = f + (direction === 0 ? table.KEY_A : table.KEY_B);
  const version = rows[f + table.FLAGS] & table.IS_IPV6 ? 6 : 4;
  return formatAddress(version, rows[k], rows[k + 1], rows[k + 2], rows[k + 3]);
}

/** 02 | length(3) | version(2) | random(32) | n session id | suite(2) | compression | n(2) extensions */
function noteServerHello(at: number, end: number): void {
  let p = at + 4 + 2 + 32;
  if (p >= end) return;
  let version = (B[at + 4] << 8) | B[at + 5];
  p += 1 + B[p] + 2 + 1 + 2;
  while (p + 4 <= end) {
    const type = (B[p] << 8) | B[p + 1];
    const length = (B[p + 2] << 8) | B[p + 3];
    if (type === SUPPORTED_VERSIONS && length === 2 && p + 6 <= end) version = (B[p + 4] << 8) | B[p + 5];
    p += 4 + length;
  }
  C[SPOKEN.get(version) ?? SPOKEN_OTHER]++;
}
