/** Credentials that go unencrypted are named, each with where they go; what stays on this machine is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../base/config.ts';
import { unencrypted } from './unencrypted.ts';

function toldOf(sinks: string, others = ''): string[] {
  return unencrypted(parseSettings(`${others}\nsinks:\n  x: ${sinks}\n`, 'test'));
}

const secret = '{ environment: SOME_SECRET }';
const token = `auth: { type: token, token: ${secret} }`;
const plain = `sasl: { mechanism: plain, user: u, password: ${secret} }`;

test('a sink over http:// with credentials', () => {
  const told = ['sinks.x: credentials and calls go unencrypted to siem.example.com:80'];
  assert.deepEqual(toldOf(`{ type: http, url: 'http://siem.example.com/in', ${token} }`), told);
  assert.deepEqual(toldOf(`{ type: http, url: 'http://siem.example.com/in', headers: { X-Api-Key: k } }`), told);
  assert.deepEqual(toldOf(`{ type: uap-edge, url: 'http://[2001:db8::7]:8088/in', ${token} }`), [
    'sinks.x: credentials and calls go unencrypted to [2001:db8::7]:8088',
  ]);
  assert.deepEqual(toldOf(`{ type: http, url: 'https://siem.example.com/in', ${token} }`), []);
  assert.deepEqual(toldOf(`{ type: http, url: 'http://siem.example.com/in' }`), []);
});

test('a token end-point over http://', () => {
  const auth = (url: string): string => `auth: { type: oauth2, tokenUrl: '${url}', clientId: c, clientSecret: ${secret} }`;
  const told = 'the secret of the client and tokens go unencrypted to auth.example.com:8080';
  assert.deepEqual(toldOf(`{ type: http, url: 'https://a.example.com/', ${auth('http://auth.example.com:8080/t')} }`), [
    `sinks.x.auth.tokenUrl: ${told}`,
  ]);
  assert.deepEqual(
    toldOf(`{ type: kafka, brokers: ['b:9093'], topic: t, sasl: { mechanism: oauthbearer, ${auth('http://auth.example.com:8080/t')} } }`),
    [`sinks.x.sasl.auth.tokenUrl: ${told}`],
  );
});

test('brokers without TLS', () => {
  const kafka = (more: string): string => `{ type: kafka, topic: t, ${more} }`;
  assert.deepEqual(toldOf(kafka(`brokers: ['b.example.com:9092'], useTls: false, ${plain}`)), [
    'sinks.x: credentials and calls go unencrypted to b.example.com:9092',
  ]);
  assert.deepEqual(toldOf(kafka(`brokers: ['localhost:9092', 'b:9092', 'c:9092', 'd:9092'], useTls: false, ${plain}`)), [
    'sinks.x: credentials and calls go unencrypted to b:9092 and 2 more',
  ]);
  assert.deepEqual(toldOf(kafka(`brokers: ['b:9093'], ${plain}`)), []);
  assert.deepEqual(toldOf(kafka("brokers: ['b:9092'], useTls: false")), []);
});

test('this machine is no network', () => {
  for (const host of ['localhost', 'edge.localhost', '127.0.0.1', '127.9.9.9', '[::1]', '[::ffff:127.0.0.1]']) {
    assert.deepEqual(toldOf(`{ type: http, url: 'http://${host}:8080/in', ${token} }`), [], host);
  }
  for (const host of ['localhost.example.com', '128.0.0.1', '[::2]', '[::ffff:128.0.0.1]']) {
    assert.equal(toldOf(`{ type: http, url: 'http://${host}:8080/in', ${token} }`).length, 1, host);
  }
});

test('metrics with secrets in their header fields', () => {
  const metrics = (url: string): string => `metrics: { otlp: '${url}', otlpHeaders: { A: ${secret} } }`;
  assert.deepEqual(toldOf('{ type: stdout }', metrics('http://collector.example.com:4318/v1/metrics')), [
    'metrics.otlpHeaders: secrets and metrics go unencrypted to collector.example.com:4318',
  ]);
  assert.deepEqual(toldOf('{ type: stdout }', metrics('https://collector.example.com:4318/v1/metrics')), []);
});
