/** Bodies through the whole path: what is body and what is the next message, where one could be taken for the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { runPipeline } from '../../test/support/run-pipeline.ts';

const client = (text: string): Turn => ({ fromServer: false, bytes: Buffer.from(text) });
const server = (text: string): Turn => ({ fromServer: true, bytes: Buffer.from(text) });
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: shop.example\r\n\r\n`;
const ok = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Target, length of the body, and what was answered. */
function brief(...turns: Turn[]): unknown[] {
  const { records } = runPipeline(wires(partsOf({ turns, calls: [], end: 'client-fin' })), { everyPacket: true });
  return records.map((r) => [r.request?.target, r.request?.body.bytes, r.response?.body.text, ...(r.causes ?? [])]);
}

/** An upload that is answered before its body comes, which is the text of a request. */
function upload(...fields: string[]): string {
  return ['POST /upload HTTP/1.1', 'Host: shop.example', `Content-Length: ${get('/body').length}`, ...fields, '', ''].join('\r\n');
}

test('a body that is answered before it comes is a body, also when it looks like a request', () => {
  assert.deepEqual(brief(client(upload()), server(ok('early')), client(get('/body')), client(get('/next')), server(ok('next'))), [
    ['/upload', get('/body').length, 'early'],
    ['/next', 0, 'next'],
  ]);
});

test('who waited to be told to go on and was refused leaves the body out: what follows is the next request', () => {
  assert.deepEqual(brief(client(upload('Expect: 100-continue')), server(ok('no')), client(get('/next')), server(ok('next'))), [
    ['/upload', 0, 'no', 'closed'],
    ['/next', 0, 'next'],
  ]);
});

test('what is wrong with trailers is told', () => {
  const fields = Array.from({ length: 1100 }, (_, i) => `X-${i}: v\r\n`).join('');
  const answer = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${fields}\r\n`;
  const turns = [client(get('/')), server(answer)];
  const { records } = runPipeline(wires(partsOf({ turns, calls: [], end: 'client-fin' })), { everyPacket: true });
  assert.deepEqual([records.length, records[0].weirds], [1, ['http.http1.trailers', 'limit.http.headers']]);
  assert.equal(records[0].response?.trailers?.length, 1024);
});
