/**
 * The platform of `npm start`: a TLS edge with OAuth2 on loopback, in a process of its own. It says in a line of JSON where
 * it is, and then does what the lines of its standard input say: `stop`, `start`, `count`.
 */
import { createInterface } from 'node:readline';
import { Edge } from '../test/support/edge.ts';

const edge = await Edge.open({ tokenLifeSeconds: 30 });
const { url, tokenUrl, caFile, clientId, secretFile } = edge;
console.log(JSON.stringify({ url, tokenUrl, caFile, clientId, secretFile }));
const lines = createInterface({ input: process.stdin });
let isUp = true;
/** One after the other: what comes while the edge stops waits for that. */
let before: Promise<void> = Promise.resolve();
lines.on('line', (line) => {
  before = before.then(() => obey(line));
});

async function obey(line: string): Promise<void> {
  if (line === 'stop' && isUp) await edge.stop();
  else if (line === 'start' && !isUp) await edge.start();
  if (line === 'stop' || line === 'start') isUp = line === 'start';
  console.log(JSON.stringify({ done: line, records: new Set(edge.received()).size, tokens: edge.tokensIssued }));
}
// Whoever started it has gone, or has had enough.
lines.on('close', () => void edge.close().then(() => process.exit(0)));
process.on('SIGTERM', () => lines.close());
process.on('SIGINT', () => {});
