import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { openCapture } from './capture.ts';
import { Blocks, Folder, readAll } from './capture-testing.ts';

const folder = new Folder();
const data = (n: number): Buffer => Buffer.alloc(n, n);
beforeEach(resetWeirds);

/** The time that one stamp becomes, in microseconds. */
function timeOf(resolution: number | undefined, stamp: bigint, offset?: bigint): number {
  const options = { ...(resolution === undefined ? {} : { resolution }), ...(offset === undefined ? {} : { offset }) };
  const blocks = new Blocks().section().interface(1, options).enhanced(0, stamp, data(4));
  return readAll([folder.file('time.pcapng', blocks.bytes())])[0].us;
}

test('enhanced, obsolete and simple packets in both byte orders; other blocks and options are passed over', () => {
  for (const littleEndian of [true, false]) {
    resetWeirds();
    const blocks = new Blocks(littleEndian)
      .section()
      .interface(1, { name: 'eth0', snap: 40 })
      .interface(101, { name: 'tun0' })
      .block(4, Buffer.alloc(32, 1))
      .enhanced(0, 1_700_000_000_000_001n, data(61), 1500)
      .block(0x0bad, Buffer.alloc(9))
      .obsolete(1, 1_700_000_000_000_002n, data(20))
      .simple(data(40), 90)
      .simple(data(7));
    const path = folder.file('kinds.pcapng', blocks.bytes());
    assert.deepEqual(readAll([path]), [
      { us: 1_700_000_000_000_001, hex: data(61).toString('hex'), wire: 1500, link: 1, interface: 0 },
      { us: 1_700_000_000_000_002, hex: data(20).toString('hex'), wire: 20, link: 101, interface: 1 },
      { us: 1_700_000_000_000_002, hex: data(40).toString('hex'), wire: 90, link: 1, interface: 0 },
      { us: 1_700_000_000_000_002, hex: data(7).toString('hex'), wire: 7, link: 1, interface: 0 },
    ]);
    assert.equal(weirdCount('capture.pcapng.no_timestamp'), 2);
    const capture = openCapture([path]);
    assert.deepEqual(capture.interfaces, [
      { name: 'eth0', linkType: 1, file: path },
      { name: 'tun0', linkType: 101, file: path },
    ]);
    capture.close();
  }
});

test('times of any resolution become whole microseconds, rounded down', () => {
  const us = 1_700_000_000_123_456n;
  assert.equal(timeOf(undefined, us), Number(us));
  assert.equal(timeOf(6, us), Number(us));
  for (const digits of [999n, 0n, 1n]) {
    assert.equal(timeOf(9, us * 1000n + digits), Number(us));
    assert.equal(timeOf(12, 1_234_567_890_123n * 1_000_000n + digits), 1_234_567_890_123);
  }
  assert.equal(timeOf(3, us / 1000n), 1_700_000_000_123_000);
  assert.equal(timeOf(0, 1_700_000_000n), 1_700_000_000_000_000);
  assert.equal(timeOf(0x80, 1_700_000_000n), 1_700_000_000_000_000);
  assert.equal(timeOf(0x80 | 20, (1_700_000_000n << 20n) | (1n << 19n)), 1_700_000_000_500_000);
  assert.equal(timeOf(0x80 | 32, (1_700_000_000n << 32n) | 0xc0000000n), 1_700_000_000_750_000);
  assert.equal(timeOf(0x80 | 40, (1_000_000n << 40n) | (1n << 38n)), 1_000_000_250_000);
  assert.equal(timeOf(6, 5n, 1_700_000_000n), 1_700_000_000_000_005);
  assert.equal(timeOf(6, us, -1_700_000_000n), 123_456);
});

test('absurd resolutions and offsets give times within the safe integers', () => {
  for (const resolution of [0, 6, 9, 100, 127, 0x80, 0xc0, 0xff]) {
    for (const stamp of [0n, 1n, 0xffff_ffff_ffff_ffffn]) {
      for (const offset of [0n, 1n << 62n, -(1n << 62n)]) {
        const us = timeOf(resolution, stamp, offset);
        assert.ok(Number.isSafeInteger(us) && us >= 0, `${resolution} ${stamp} ${offset}: ${us}`);
      }
    }
  }
});

test('a new section forgets the interfaces, may change the byte order, and keeps the number of one that comes again', () => {
  const first = new Blocks(true).section().interface(1, { name: 'eth0' }).interface(1, { name: 'eth1' }).enhanced(1, 1n, data(1));
  const second = new Blocks(false)
    .section()
    .interface(101, { name: 'tun0' })
    .interface(1, { name: 'eth1' })
    .enhanced(0, 2n, data(2))
    .enhanced(1, 3n, data(3));
  const third = new Blocks(true).section().enhanced(0, 4n, data(4)).simple(data(4));
  const path = folder.file('sections.pcapng', Buffer.concat([first.bytes(), second.bytes(), third.bytes()]));
  assert.deepEqual(
    readAll([path]).map((p) => [p.us, p.interface, p.link]),
    [
      [1, 1, 1],
      [2, 2, 101],
      [3, 1, 1],
    ],
  );
  assert.equal(weirdCount('capture.pcapng.unknown_interface'), 2);
});

test('packets of an unsupported interface are skipped; without a supported one the file is refused', () => {
  const mixed = new Blocks()
    .section()
    .interface(105)
    .enhanced(0, 1n, data(4))
    .interface(1)
    .enhanced(0, 2n, data(4))
    .enhanced(1, 3n, data(5));
  assert.deepEqual(
    readAll([folder.file('mixed.pcapng', mixed.bytes())]).map((p) => p.us),
    [3],
  );
  assert.equal(weirdCount('capture.link.unsupported'), 2);
  const none = new Blocks().section().interface(105).interface(239).enhanced(0, 1n, data(4)).bytes();
  assert.throws(() => readAll([folder.file('none.pcapng', none)]), { code: 'link-unsupported', message: /105 \(IEEE 802\.11\)/ });
  assert.deepEqual(readAll([folder.file('empty.pcapng', new Blocks().section().bytes())]), []);
});

test('a packet that claims more than its block holds is skipped, the one behind it is not', () => {
  const blocks = new Blocks().section().interface(1);
  const at = blocks.bytes().length + 8 + 12;
  const bytes = blocks.enhanced(0, 1n, data(8)).enhanced(0, 2n, data(9)).bytes();
  const room = 8 + 16;
  for (const claimed of [1000, -1, room + 1]) {
    bytes.writeInt32LE(claimed, at);
    resetWeirds();
    assert.deepEqual(
      readAll([folder.file('claims.pcapng', bytes)]).map((p) => p.us),
      [2],
    );
    assert.equal(weirdCount('capture.pcapng.bad_packet'), 1);
  }
});

test('an option that is longer than its block ends the options', () => {
  const blocks = new Blocks();
  const option = Buffer.concat([blocks.option(2, Buffer.from('eth7')), Buffer.from([9, 0, 200, 0, 9, 0, 0, 0])]);
  blocks
    .section()
    .block(1, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), option)
    .enhanced(0, 7n, data(4));
  const path = folder.file('option.pcapng', blocks.bytes());
  assert.equal(readAll([path])[0].us, 7);
  assert.equal(weirdCount('capture.pcapng.bad_option'), 1);
});

test('impossible block lengths end the file after the packets before them', () => {
  const good = new Blocks().section().interface(1).enhanced(0, 1n, data(8));
  const at = good.bytes().length;
  const bytes = good.enhanced(0, 2n, data(8)).bytes();
  for (const length of [0, 8, 13, -4, (256 << 20) + 4]) {
    resetWeirds();
    const damaged = Buffer.from(bytes);
    damaged.writeInt32LE(length, at + 4);
    assert.equal(readAll([folder.file('block.pcapng', damaged)]).length, 1, `${length}`);
    assert.equal(weirdCount('capture.pcapng.bad_block'), 1, `${length}`);
  }
  resetWeirds();
  const damaged = Buffer.from(bytes);
  damaged.writeInt32LE(1, damaged.length - 4);
  assert.equal(readAll([folder.file('trailer.pcapng', damaged)]).length, 1);
  assert.equal(weirdCount('capture.pcapng.bad_block'), 1);
});

test('blocks longer than the buffer are passed over', () => {
  const big = Buffer.alloc(17 << 20);
  const blocks = new Blocks().section().interface(1).enhanced(0, 1n, data(3)).block(5, big).enhanced(0, 2n, big).enhanced(0, 3n, data(5));
  const path = folder.file('big.pcapng', blocks.bytes());
  assert.deepEqual(
    readAll([path]).map((p) => p.us),
    [1, 3],
  );
  assert.equal(weirdCount('capture.packet.too_long'), 1);
  assert.equal(weirdCount('capture.file.cut'), 0);
});

test('a file cut at any byte gives the packets before the cut, and the weird where it cuts a block', () => {
  const blocks = new Blocks(false).section();
  const ends = [blocks.bytes().length];
  const packets: number[] = [];
  const add = (isPacket: boolean): void => {
    ends.push(blocks.bytes().length);
    if (isPacket) packets.push(ends[ends.length - 1]);
  };
  blocks.interface(1, { name: 'lo', resolution: 9 });
  add(false);
  blocks.enhanced(0, 1n, data(13));
  add(true);
  blocks.obsolete(0, 2n, data(2));
  add(true);
  blocks.simple(data(5));
  add(true);
  const whole = blocks.bytes();
  for (let cut = 4; cut <= whole.length; cut++) {
    resetWeirds();
    const got = readAll([folder.file('cut.pcapng', whole.subarray(0, cut))]);
    assert.equal(got.length, packets.filter((end) => end <= cut).length, `cut at ${cut}`);
    assert.equal(weirdCount('capture.file.cut'), ends.includes(cut) ? 0 : 1, `cut at ${cut}`);
  }
});
