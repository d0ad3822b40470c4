import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, packetRegion } from '../base/arena.ts';
import {
  afterAddress,
  afterAnswer,
  afterCredentials,
  afterGreeting,
  afterSocks4Reply,
  afterSocks4Request,
  MORE_NEEDED,
  NOT_SOCKS,
} from './socks.ts';

const AT = packetRegion.at + 7;

type Step = (at: number, end: number) => number;

/** The step needs all bytes of `hex` and not one more. */
function takes(step: Step, hex: string): void {
  const data = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  bytes.fill(0xee, AT, AT + 600);
  for (let n = 0; n < data.length; n++) {
    data.copy(bytes, AT, 0, n);
    assert.equal(step(AT, AT + n), MORE_NEEDED, `${n} bytes of ${hex}`);
  }
  data.copy(bytes, AT);
  assert.equal(step(AT, AT + data.length), AT + data.length, hex);
  assert.equal(step(AT, AT + data.length + 20), AT + data.length, `${hex} and more`);
}

function refuses(step: Step, hex: string): void {
  const data = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  data.copy(bytes, AT);
  assert.equal(step(AT, AT + data.length), NOT_SOCKS, hex);
}

test('SOCKS 4', () => {
  takes(afterSocks4Request, '04 01 0050 c0000207 616e6e 00');
  takes(afterSocks4Request, '04 01 0050 c0000207 00');
  takes(afterSocks4Reply, '00 5a 0000 00000000');
  refuses(afterSocks4Reply, '01 5a 0000 00000000');
  refuses(afterSocks4Request, `04 01 0050 c0000207 ${'61'.repeat(600)}`);
});

test('SOCKS 4a', () => {
  takes(afterSocks4Request, '04 01 0050 00000001 616e6e 00 73686f70 00');
  takes(afterSocks4Request, '04 01 0050 00000000 00');
  refuses(afterSocks4Request, `04 01 0050 00000001 00 ${'61'.repeat(600)}`);
});

test('SOCKS 5', () => {
  takes(afterGreeting, '05 02 00 02');
  refuses(afterGreeting, '04 01');
  takes((at, end) => afterAnswer(at, end, 5), '05 00');
  refuses((at, end) => afterAnswer(at, end, 5), '01 00');
  takes(afterCredentials, '01 03 616e6e 04 70617373');
  takes(afterCredentials, '01 00 00');
  refuses(afterCredentials, '05 00 00');
  takes(afterAddress, '05 01 00 01 c0000207 0050');
  takes(afterAddress, '05 01 00 03 04 73686f70 0050');
  takes(afterAddress, '05 00 00 04 20010db8000000000000000000000001 0050');
  refuses(afterAddress, '05 00 00 02 00');
  refuses(afterAddress, '04 00 00 01 00');
});
