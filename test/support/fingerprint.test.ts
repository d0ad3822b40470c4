import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprint, fingerprintHeaders, fingerprintLines } from './fingerprint.ts';

test('lines of a head and the fields read from them have the same fingerprint', () => {
  const lines = Buffer.from('Host: a.example\r\nX-Name: Zoë\r\nX-Empty: \r\n');
  const fields: [string, string][] = [
    ['Host', 'a.example'],
    ['X-Name', 'Zoë'],
    ['X-Empty', ''],
  ];
  assert.equal(fingerprintLines(lines, 0, lines.length), fingerprintHeaders(fields));
  assert.equal(
    fingerprintHeaders([...fields, ['X-Long', 'é'.repeat(70_000)]]),
    fingerprint(Buffer.from(`Host: a.example\nX-Name: Zoë\nX-Empty: \nX-Long: ${'é'.repeat(70_000)}\n`)),
  );
});

test('every flipped bit, every swap and every cut changes the fingerprint, which is a safe integer', () => {
  const bytes = Buffer.from('GET /api/v1/orders?tx=000000001');
  const seen = new Set([fingerprint(bytes)]);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    seen.add(fingerprint(bytes));
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
  for (let end = 0; end < bytes.length; end++) seen.add(fingerprint(bytes, 0, end));
  assert.equal(seen.size, 1 + bytes.length * 9);
  for (const print of seen) assert.ok(Number.isSafeInteger(print) && print >= 0);
  assert.notEqual(
    fingerprintHeaders([
      ['A', '1'],
      ['B', '2'],
    ]),
    fingerprintHeaders([
      ['B', '2'],
      ['A', '1'],
    ]),
  );
});
