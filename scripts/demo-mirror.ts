/**
 * The traffic of `npm start` where no network namespace can be made: the calls of a shop, as the mirror of a cloud sends
 * them, in VXLAN to a UDP port of loopback, at the pace at which they happened, again and again until it is told to
 * stop. Needs no rights. Argument: the port.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeShop } from '../test/support/shop.ts';

const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** Ethernet, IPv4 and UDP outside: the socket puts its own there. */
const OUTER_BYTES = 14 + 20 + 8;
/** The capture is as long as a day at the shop's counter: nobody waits for more than this between two packets. */
const PAUSE_MS_MAX = 250;
const BETWEEN_ROUNDS_MS = 3000;

const port = Number(process.argv[2]);
const socket = createSocket('udp4');
process.on('SIGTERM', () => process.exit(0));
process.stdin.resume().on('end', () => process.exit(0));

const { pcap } = makeShop();
for (;;) {
  let beforeUs = 0;
  for (let at = PCAP_HEADER_BYTES; at < pcap.length; ) {
    const timeUs = pcap.readUInt32LE(at) * 1e6 + pcap.readUInt32LE(at + 4);
    const length = pcap.readUInt32LE(at + 8);
    const frame = pcap.subarray(at + RECORD_HEADER_BYTES + OUTER_BYTES, at + RECORD_HEADER_BYTES + length);
    const pauseMs = beforeUs === 0 ? 0 : Math.min(PAUSE_MS_MAX, (timeUs - beforeUs) / 1000);
    if (pauseMs >= 1) await sleep(pauseMs);
    beforeUs = timeUs;
    socket.send(frame, port, '127.0.0.1');
    at += RECORD_HEADER_BYTES + length;
  }
  await sleep(BETWEEN_ROUNDS_MS);
}
