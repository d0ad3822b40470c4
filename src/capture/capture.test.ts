import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { packetRegion } from '../base/arena.ts';
import { countOf, resetCounters } from '../base/counters.ts';
import { SensorError } from '../base/errors.ts';
import { settingsSchema } from '../base/settings-schema.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { openCapture } from './capture.ts';
import { Blocks, Folder, pcap, readAll, record } from './capture-testing.ts';
import { Packet } from './packet.ts';

const folder = new Folder();
beforeEach(() => {
  resetWeirds();
  resetCounters();
});

const times = (paths: string[], filesOpenMax = 12): number[] =>
  readAll(paths, settingsSchema.parse({ capture: { filesOpenMax } })).map((p) => p.us / 1e6);

test('packets and bytes are counted', () => {
  readAll([folder.file('count.pcap', pcap([record(1, 60), record(2, 40)]))]);
  assert.equal(countOf('packets.received'), 2);
  assert.equal(countOf('packets.bytes'), 100);
});

test('several files are merged by time, whatever their kind; equal times in the order of naming', () => {
  const a = folder.file('a.pcap', pcap([record(1, 10), record(4, 11), record(6, 12)]));
  const b = folder.file('b.pcap.gz', gzipSync(pcap([record(2, 20), record(4, 21)], { littleEndian: false })));
  const c = folder.file(
    'c.pcapng',
    new Blocks()
      .section()
      .interface(101, { name: 'x' })
      .enhanced(0, 3_000_000n, Buffer.alloc(30))
      .enhanced(0, 5_000_000n, Buffer.alloc(31))
      .bytes(),
  );
  const d = folder.file('d.pcap.zst', zstdCompressSync(pcap([])));
  assert.deepEqual(
    readAll([a, b, c, d]).map((p) => [p.us / 1e6, p.hex.length / 2, p.interface, p.link]),
    [
      [1, 10, 0, 1],
      [2, 20, 1, 1],
      [3, 30, 2, 101],
      [4, 11, 0, 1],
      [4, 21, 1, 1],
      [5, 31, 2, 101],
      [6, 12, 0, 1],
    ],
  );
  assert.equal(countOf('packets.received'), 7);
  assert.deepEqual(times([b, a]), [1, 2, 4, 4, 6]);
});

test('large files are merged without harm to each other', () => {
  const make = (first: number): Buffer => pcap(Array.from({ length: 3000 }, (_, i) => record(first + 3 * i, 1000)));
  const files = [0, 1, 2].map((first) => folder.file(`large${first}.pcap`, make(first)));
  const all = readAll(files);
  assert.equal(all.length, 9000);
  all.forEach((p, i) => {
    assert.equal(p.us, i * 1e6);
    assert.ok(p.hex === Buffer.alloc(1000, i).toString('hex'), `packet ${i}`);
  });
});

test('more files than may be open are opened when their time comes', () => {
  const files = [5, 3, 4, 1, 2, 0].map((n) =>
    folder.file(`part${n}.pcap`, pcap([record(10 * n, 10), record(10 * n + 15, 10), record(10 * n + 16, 10)])),
  );
  const expected = [0, 1, 2, 3, 4, 5].flatMap((n) => [10 * n, 10 * n + 15, 10 * n + 16]).sort((x, y) => x - y);
  assert.deepEqual(times([...files, folder.file('none.pcap', pcap([]))], 3), expected);
  assert.equal(countOf('packets.received'), 18);
  assert.equal(weirdCount('limit.capture.files_open'), 0);
  assert.equal(weirdCount('capture.pcap.out_of_order'), 0);
});

test('more files than may be open and all at the same time: none is lost, and it is told', () => {
  const files = [0, 1, 2, 3].map((n) => folder.file(`same${n}.pcap`, pcap([record(n, 10), record(100 + n, 10)])));
  const got = times(files, 2);
  assert.equal(got.length, 8);
  assert.ok(weirdCount('limit.capture.files_open') > 0);
});

test('oddities before the first packet are counted once, although the file is opened twice', () => {
  const odd = new Blocks().section().interface(105).interface(1).enhanced(0, 1n, Buffer.alloc(4)).enhanced(1, 2n, Buffer.alloc(4)).bytes();
  readAll([folder.file('odd1.pcapng', odd), folder.file('odd2.pcapng', odd)], settingsSchema.parse({ capture: { filesOpenMax: 1 } }));
  assert.equal(weirdCount('capture.link.unsupported'), 2);
});

test('one bad file among several is refused at once, and nothing stays open', () => {
  const good = folder.file('good.pcap', pcap([record(1, 10)]));
  assert.throws(() => openCapture([good, join(folder.path, 'missing')]), { code: 'file-missing' });
  assert.throws(() => openCapture([]), { code: 'usage' });
  assert.throws(() => openCapture(['-', good, '-']), { code: 'usage' });
});

test('next goes on returning false at the end', () => {
  for (const paths of [
    [folder.file('x.pcap', pcap([record(1, 10)]))],
    [folder.file('y.pcap', pcap([])), folder.file('z.pcap', pcap([]))],
  ]) {
    const capture = openCapture(paths);
    const packet = new Packet();
    while (capture.next(packet));
    for (let i = 0; i < 3; i++) assert.equal(capture.next(packet), false);
    capture.close();
    capture.close();
    assert.equal(capture.next(packet), false);
  }
});

/** Reads a capture that may be anything; whatever comes out must lie in the packet region. */
function survive(path: string, what: string): number {
  let n = 0;
  try {
    const capture = openCapture([path]);
    const packet = new Packet();
    try {
      while (capture.next(packet)) {
        n++;
        assert.ok(packet.at >= packetRegion.at && packet.end >= packet.at && packet.end <= packetRegion.end, what);
        assert.ok(packet.wireBytes >= packet.end - packet.at, what);
      }
    } finally {
      capture.close();
    }
  } catch (error) {
    assert.ok(error instanceof SensorError, `${what}: ${error}`);
  }
  return n;
}

test('mutated files: no throw but a SensorError at the start, no hang, nothing outside the region', () => {
  const blocks = new Blocks().section().interface(1, { name: 'eth0', resolution: 9 }).interface(101);
  const many = Array.from({ length: 12 }, (_, i) => record(i, 30 + i));
  for (const [i, r] of many.entries())
    blocks
      .enhanced(i & 1, BigInt(i), r.data)
      .obsolete(0, BigInt(i), r.data)
      .simple(r.data);
  const originals = [pcap(many), pcap(many, { magic: 0xa1b23c4d, littleEndian: false }), blocks.bytes()];
  let state = 42;
  const random = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * n);
  };
  let read = 0;
  for (let round = 0; round < 3000; round++) {
    const mutated = Buffer.from(originals[round % originals.length]);
    for (let k = random(6); k >= 0; k--) {
      const at = 4 + random(mutated.length - 4);
      if (random(2) === 0) mutated[at] = random(256);
      else
        mutated.writeUInt32LE(
          [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 24, 256 << 20, 12][random(8)],
          Math.min(at & ~3, mutated.length - 4),
        );
    }
    read += survive(folder.file('mutated', mutated.subarray(0, 4 + random(mutated.length - 3))), `round ${round}`);
  }
  assert.ok(read > 3000);
});

test('random bytes behind a good beginning', () => {
  let state = 7;
  for (let round = 0; round < 200; round++) {
    const noise = Buffer.alloc(3000);
    for (let i = 0; i < noise.length; i++) {
      state = Math.imul(state, 1103515245) + 12345;
      noise[i] = state >>> 16;
    }
    const start = round % 2 === 0 ? pcap([record(1, 10)]) : new Blocks().section().interface(1).enhanced(0, 1n, Buffer.alloc(4)).bytes();
    assert.ok(survive(folder.file('noise', Buffer.concat([start, noise])), `round ${round}`) >= 1);
  }
});

const corpus = fileURLToPath(new URL('../../../shared/corpus/pcaps', import.meta.url));

test('every capture of the corpus opens, or names its link type', {
  skip: existsSync(corpus) ? false : 'there is no ../shared/corpus',
}, () => {
  const files = readdirSync(corpus, { recursive: true, encoding: 'utf8' }).filter((name) => /\.pcap(ng)?$/.test(name));
  assert.ok(files.length > 100);
  const refused: string[] = [];
  let packets = 0;
  for (const name of files) {
    try {
      packets += readAll([join(corpus, name)]).length;
    } catch (error) {
      assert.ok(error instanceof SensorError && error.code === 'link-unsupported', `${name}: ${error}`);
      refused.push(name);
    }
  }
  assert.ok(packets > 10_000);
  // 802.11, nflog and ARCnet only.
  assert.ok(refused.length < files.length / 20, refused.join());
});
