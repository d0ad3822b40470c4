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
lines.on('line', async (line) => {
  if (line === 'stop') await edge.stop();
  else if (line === 'start') await edge.start();
  console.log(JSON.stringify({ done: line, records: new Set(edge.received()).size, tokens: edge.tokensIssued }));
});
// Whoever started it has gone, or has had enough.
lines.on('close', () => void edge.close().then(() => process.exit(0)));
process.on('SIGTERM', () => lines.close());
process.on('SIGINT', () => {});
