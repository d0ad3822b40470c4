import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockRegion, bytes, outputRegion } from '../base/arena.ts';
import { writePathTemplate } from './path-template.ts';

const AT = blockRegion.at;
const TO = outputRegion.at + 64;

function template(path: string | Buffer): string {
  const length = typeof path === 'string' ? bytes.write(path, AT, 'latin1') : (bytes.set(path, AT) ?? path.length);
  const room = 3 * length + 4;
  bytes.write('9f-', AT + length); // must not be read as part of the path
  bytes.fill(0xa5, TO + room, TO + room + 16);
  bytes[TO - 1] = 0xa5;
  const end = writePathTemplate(AT, AT + length, TO);
  assert.ok(end - TO <= room);
  for (let i = 0; i < 16; i++) assert.equal(bytes[TO + room + i], 0xa5);
  assert.equal(bytes[TO - 1], 0xa5);
  return bytes.toString('latin1', TO, end);
}

const cases: [string, string][] = [
  ['', ''],
  ['/', '/'],
  ['*', '*'],
  ['//', '//'],
  ['/users/*email*', '/users/{email}'],
  ['/users/*email*/cards/*card:0f343b0931126a20*', '/users/{email}/cards/{card}'],
  ['/*national-id*/7', '/{national-id}/{int}'],
  ['/*a*', '/{a}'],
  ['/**', '/**'],
  ['/*a', '/*a'],
  ['/a*', '/a*'],
  ['/*a*b*', '/*a*b*'],
  ['/*a b*', '/*a b*'],
  ['/*card:xyz*', '/*card:xyz*'],
  ['/*:12*', '/*:12*'],
  ['/*user_id*', '/*user_id*'],
  ['/users', '/users'],
  ['/users/', '/users/'],
  ['/users/4711', '/users/{int}'],
  ['/users/4711/', '/users/{int}/'],
  ['/1/2/3', '/{int}/{int}/{int}'],
  ['/users/007', '/users/{int}'],
  ['/users/12345678901234567890123456789012345678901', '/users/{int}'],
  ['/users/-1', '/users/-1'],
  ['/users/4711x', '/users/4711x'],
  ['/api/v2/users', '/api/v2/users'],
  ['/users/1.5', '/users/1.5'],
  // uuid
  ['/o/550e8400-e29b-41d4-a716-446655440000', '/o/{uuid}'],
  ['/o/550E8400-E29B-41D4-A716-446655440000/x', '/o/{uuid}/x'],
  ['/o/550e8400-e29b-41d4-a716-44665544000', '/o/{token}'],
  ['/o/550e8400-e29b-41d4-a716-44665544000g', '/o/{token}'],
  ['/o/550e8400e29b-41d4-a716-4466-55440000', '/o/{token}'],
  // hex
  ['/o/507f1f77bcf86cd799439011', '/o/{hex}'],
  ['/o/DEADBEEFDEADBEEF', '/o/{hex}'],
  ['/o/deadbeefdeadbee', '/o/deadbeefdeadbee'],
  ['/o/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', '/o/{hex}'],
  ['/o/507f1f77bcf86c', '/o/507f1f77bcf86c'],
  // date
  ['/d/2024-05-17', '/d/{date}'],
  ['/d/2024-13-17', '/d/2024-13-17'],
  ['/d/2024-12-32', '/d/2024-12-32'],
  ['/d/2024-00-01', '/d/2024-00-01'],
  ['/d/2024-5-17', '/d/2024-5-17'],
  ['/d/2024-05-17T09:30:00Z', '/d/{date}'],
  ['/d/2024-05-17T09:30:00.123+02:00', '/d/{date}'],
  ['/d/2024-05-17T09%3A30%3a00%2B0200', '/d/{date}'],
  ['/d/2024-05-17T09', '/d/{date}'],
  ['/d/2024-05-17Tx', '/d/2024-05-17Tx'],
  ['/d/2024-05-17T', '/d/2024-05-17T'],
  ['/d/2024-05-17-report', '/d/2024-05-17-report'],
  ['/d/2024-05-17T09Z0', '/d/2024-05-17T09Z0'],
  ['/d/20240517', '/d/{int}'],
  // e-mail
  ['/m/ann@example.com', '/m/{email}'],
  ['/m/ann.b+c@mail.example.co.uk/x', '/m/{email}/x'],
  ['/m/ann%40example.com', '/m/{email}'],
  ['/m/ann7%40example.com', '/m/{email}'],
  ['/m/@example.com', '/m/@example.com'],
  ['/m/ann@example', '/m/ann@example'],
  ['/m/ann@example.', '/m/ann@example.'],
  ['/m/ann@.com', '/m/ann@.com'],
  ['/@types/node@20', '/@types/node@20'],
  ['/m/a%20b', '/m/a%20b'],
  ['/m/100%', '/m/100%'],
  // token
  ['/p/pi_3MtwBwLkdIwHu7ix28a3tqPa', '/p/{token}'],
  ['/p/V1StGXR8_Z5jdHi6B-myT', '/p/{token}'],
  ['/p/01ARZ3NDEKTSV4RRFFQ69G5FAV', '/p/{token}'],
  ['/p/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl', '/p/{token}'],
  ['/p/V1StGXR8_Z5jdHi6B', '/p/V1StGXR8_Z5jdHi6B'],
  ['/p/how-to-build-a-house-in-2024', '/p/how-to-build-a-house-in-2024'],
  ['/p/iphone-15-pro-max-256gb-blue', '/p/iphone-15-pro-max-256gb-blue'],
  ['/p/getUserAccountByCustomerId2', '/p/getUserAccountByCustomerId2'],
  ['/p/averyveryverylongsegmentofletters', '/p/averyveryverylongsegmentofletters'],
  ['/js/main.8a3f9b2c4d5e6f70.chunk.js', '/js/main.8a3f9b2c4d5e6f70.chunk.js'],
  ['/p/3MtwBwLkdIwHu7ix28a3t:qPa', '/p/3MtwBwLkdIwHu7ix28a3t:qPa'],
  // bytes of any kind stay
  ['/caf\xe9/\x00\x01/\xff', '/caf\xe9/\x00\x01/\xff'],
  ['users/1', 'users/{int}'],
];

for (const [path, want] of cases) test(`${JSON.stringify(path)}`, () => assert.equal(template(path), want));

test('any bytes: within its room, idempotent, slash for slash, and raw where nothing was replaced', () => {
  const segment = fc.oneof(
    fc.uint8Array({ maxLength: 24 }).map((a) => Buffer.from(a).toString('latin1')),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdefgzAFZ-_.@%40:T'), maxLength: 45 }),
    fc.uuid(),
    fc.nat().map(String),
    fc.constant(''),
  );
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 8 }), (segments) => {
      const path = segments.join('/');
      const got = template(path);
      assert.equal(template(got), got);
      const before = path.split('/');
      const after = got.split('/');
      assert.equal(after.length, before.length);
      for (let i = 0; i < after.length; i++) if (!/^\{(int|uuid|date|hex|email|token)\}$/.test(after[i])) assert.equal(after[i], before[i]);
    }),
    { numRuns: 2000 },
  );
});
