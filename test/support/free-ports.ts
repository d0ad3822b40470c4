/**
 * Ports for servers that must be told their port before they start (a broker of Kafka's writes it
 * into what it advertises). A port that the kernel just gave out by listen(0) is the wrong choice:
 * between our closing it and the server's opening it, any connection made on the machine may get it
 * as its local port. So these come from outside the range that the kernel gives out by itself.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const HOST = '127.0.0.1';
const TRIES_MAX = 1_000;
/** Below it stand the well-known services. */
const LOWEST = 10_000;
const HIGHEST = 65_535;
const KERNELS_RANGE = '/proc/sys/net/ipv4/ip_local_port_range';

/** Ports on which nobody listens at this moment, and that no connection is given as its own. */
export async function freePorts(count: number): Promise<number[]> {
  const [from, to] = span();
  const ports = new Set<number>();
  for (let i = 0; ports.size < count; i++) {
    if (i === TRIES_MAX) throw new Error(`found ${ports.size} of ${count} free ports from ${from} to ${to} in ${TRIES_MAX} tries`);
    const port = from + Math.floor(Math.random() * (to - from + 1));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

/** The wider of the two spans beside the kernel's own range; everything, where that leaves none. */
function span(): [number, number] {
  const [low, high] = readFileSync(KERNELS_RANGE, 'utf8').trim().split(/\s+/).map(Number);
  const [from, to] = low - LOWEST > HIGHEST - high ? [LOWEST, low - 1] : [high + 1, HIGHEST];
  return from < to ? [from, to] : [LOWEST, HIGHEST];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, HOST), 'listening');
    await once(server.close(), 'close');
    return true;
  } catch {
    return false;
  }
}
