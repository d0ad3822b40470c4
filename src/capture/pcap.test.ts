import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { Folder, pcap, readAll, record } from './capture-testing.ts';

const folder = new Folder();
const hex = (seconds: number, length: number): string => Buffer.alloc(length, seconds).toString('hex');
beforeEach(resetWeirds);

test('both byte orders, micro- and nanoseconds, and records of 24 bytes give the same packets', () => {
  const variants: [number, number][] = [
    [0xa1b2c3d4, 250_001],
    [0xa1b23c4d, 250_001_999],
    [0xa1b2cd34, 250_001],
  ];
  for (const littleEndian of [true, false]) {
    for (const [magic, fraction] of variants) {
      const path = folder.file('a.pcap', pcap([record(1_700_000_001, 60, fraction), record(1_700_000_002, 0)], { magic, littleEndian }));
      assert.deepEqual(readAll([path]), [
        { us: 1_700_000_001_250_001, hex: hex(1_700_000_001, 60), wire: 60, link: 1, interface: 0 },
        { us: 1_700_000_002_000_000, hex: '', wire: 0, link: 1, interface: 0 },
      ]);
    }
  }
});

test('seconds above 2^31 are unsigned', () => {
  assert.equal(readAll([folder.file('late.pcap', pcap([record(4_000_000_000, 4, 5)]))])[0].us, 4_000_000_000_000_005);
});

test('FCS bits above the link type are left out', () => {
  assert.equal(readAll([folder.file('fcs.pcap', pcap([record(1, 14)], { link: 0x54000065 }))])[0].link, 101);
});

test('captured more than was on the wire counts as captured; less is kept', () => {
  const path = folder.file(
    'wire.pcap',
    pcap([
      { ...record(1, 60), wire: 1500 },
      { ...record(2, 60), wire: 20 },
      { ...record(3, 60), wire: -1 },
    ]),
  );
  assert.deepEqual(
    readAll([path]).map((p) => p.wire),
    [1500, 60, 60],
  );
});

test('a header alone is a capture without packets', () => {
  assert.deepEqual(readAll([folder.file('none.pcap', pcap([]))]), []);
  assert.equal(weirdCount('capture.file.cut'), 0);
});

test('a file cut at any byte gives the packets before the cut, and the weird where it cuts a record', () => {
  const records = [record(1, 30), record(2, 0), record(3, 61)];
  const whole = pcap(records);
  const ends = [24];
  for (const r of records) ends.push(ends[ends.length - 1] + 16 + r.data.length);
  for (let cut = 4; cut <= whole.length; cut++) {
    resetWeirds();
    const packets = readAll([folder.file('cut.pcap', whole.subarray(0, cut))]);
    const clean = ends.includes(cut);
    assert.equal(packets.length, ends.filter((end) => end <= cut && end > 24).length, `cut at ${cut}`);
    assert.equal(weirdCount('capture.file.cut'), clean ? 0 : 1, `cut at ${cut}`);
  }
});

test('a negative or absurd length ends the file', () => {
  for (const length of [-1, -2147483648, (256 << 20) + 1, 0x7fffffff]) {
    resetWeirds();
    const damaged = Buffer.concat([pcap([record(1, 30), record(2, 30)]), Buffer.alloc(100)]);
    damaged.writeInt32LE(length, 24 + 16 + 30 + 8);
    assert.equal(readAll([folder.file('length.pcap', damaged)]).length, 1);
    assert.equal(weirdCount('capture.pcap.bad_length'), 1);
    assert.equal(weirdCount('capture.file.cut'), 0);
  }
});

test('a packet longer than the packet buffer is skipped, the one behind it is not', () => {
  const path = folder.file('long.pcap', pcap([record(1, 10), record(2, 20 << 20), record(3, 12), record(4, 15 << 20), record(5, 14)]));
  assert.deepEqual(
    readAll([path]).map((p) => [p.us / 1e6, p.hex.length / 2]),
    [
      [1, 10],
      [3, 12],
      [4, 15 << 20],
      [5, 14],
    ],
  );
  assert.equal(weirdCount('capture.packet.too_long'), 1);
  assert.equal(weirdCount('capture.file.cut'), 0);
});

test('records that straddle chunks of every size come out whole', () => {
  const records = Array.from({ length: 4000 }, (_, i) => record(i, (i * 7919) % 3000));
  const packets = readAll([folder.file('straddle.pcap', pcap(records))]);
  assert.deepEqual(
    packets.map((p) => p.hex),
    records.map((r) => r.data.toString('hex')),
  );
});

test('time that goes back by more than a second is told', () => {
  readAll([folder.file('order.pcap', pcap([record(10, 1), record(9, 1), record(5, 1), record(6, 1)]))]);
  assert.equal(weirdCount('capture.pcap.out_of_order'), 1);
});

test('a link type that is not supported is named', () => {
  const path = folder.file('wifi.pcap', pcap([], { link: 105 }));
  assert.throws(() => readAll([path]), { code: 'link-unsupported', message: /105 \(IEEE 802\.11\)/ });
  assert.throws(() => readAll([folder.file('x.pcap', pcap([], { link: 40000 }))]), { code: 'link-unsupported', message: /40000/ });
});
