/**
 * The witness of the live bench: a packet ring like Earshot's of which nothing is read but the blocks, so that it shows
 * what the sender, the wire and the kernel can do by themselves.
 *
 *   node bench/witness.ts INTERFACE RING_BYTES      runs until SIGTERM; then prints what the kernel counted as JSON
 */
import { ringRegion, words } from '../src/base/arena.ts';
import { attachFilter } from '../src/capture/bpf.ts';
import { BLOCK_BYTES, openPacketSocket, takeKernelCounts } from '../src/capture/packet-socket.ts';
import { mapRing, unmapRing } from '../src/capture/ring.ts';
import { socketFilter } from '../src/capture/socket-filter.ts';
import { systemCalls } from '../src/capture/syscalls.ts';

const BLOCK_TIMEOUT_MS = 20;
const LOOK_MS = 5;
const STATUS_WORD = 2;
const STATUS_USER = 1;

const [name, bytesWanted] = process.argv.slice(2);
const index = systemCalls()?.interfaceIndex(name) ?? 0;
if (index === 0) throw new Error(`there is no interface ${name}`);
const { fd, ringBytes } = openPacketSocket(Number(bytesWanted), BLOCK_TIMEOUT_MS);
mapRing(fd, ringRegion.at, ringBytes);
const nothing = { ports: [], networks: [] };
attachFilter(
  fd,
  socketFilter({
    start: 'frame',
    interfaces: [index],
    loopback: null,
    only: nothing,
    not: nothing,
    expression: null,
    vxlanPorts: [],
    genevePorts: [],
  }),
);

/** Gives all blocks back that the kernel has filled. */
function giveBack(): void {
  for (let block = ringRegion.at; block < ringRegion.at + ringBytes; block += BLOCK_BYTES) {
    const status = (block >> 2) + STATUS_WORD;
    if ((Atomics.load(words, status) & STATUS_USER) !== 0) Atomics.store(words, status, 0);
  }
}

const timer = setInterval(giveBack, LOOK_MS);
process.once('SIGTERM', () => {
  clearInterval(timer);
  process.stdout.write(`${JSON.stringify(takeKernelCounts(fd))}\n`);
  unmapRing(ringRegion.at, ringBytes);
});
process.stdout.write('ready\n');
