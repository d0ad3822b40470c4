import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { openCapture } from './capture.ts';
import { Blocks, Folder, pcap, type Record, readAll, record } from './capture-testing.ts';
import { Packet } from './packet.ts';

const folder = new Folder();
const CAPTURE = fileURLToPath(new URL('./capture.ts', import.meta.url));
beforeEach(resetWeirds);

/** Records with bytes that compress badly, so that their place in the compressed file is about their place in the plain one. */
function noisy(count: number): Record[] {
  let state = 1;
  return Array.from({ length: count }, (_, i) => {
    const data = Buffer.alloc(20 + (i % 400));
    for (let k = 0; k < data.length; k++) {
      state = Math.imul(state, 1103515245) + 12345;
      data[k] = state >>> 16;
    }
    return { seconds: i, fraction: 0, data };
  });
}

const records = noisy(5000);
const plain = pcap(records);
const compressors: readonly [string, (plain: Buffer) => Buffer][] = [
  ['gzip', (b) => gzipSync(b)],
  ['zstd', (b) => zstdCompressSync(b)],
];

function assertFirst(got: readonly { readonly hex: string }[], atLeast: number): void {
  assert.ok(got.length >= atLeast, `${got.length} packets, not ${atLeast}`);
  assert.deepEqual(
    got.map((p) => p.hex),
    records.slice(0, got.length).map((r) => r.data.toString('hex')),
  );
}

/** Runs a module given as text in a process of its own with these pieces on its standard input, one every 30 ms. */
function run(script: string, pieces: readonly Buffer[]): Promise<{ output: string; code: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.stdin.on('error', () => {});
    child.on('close', (code) => resolve({ output, code }));
    const write = (i: number): void => {
      if (i === pieces.length) child.stdin.end();
      else {
        child.stdin.write(pieces[i]);
        setTimeout(write, 30, i + 1);
      }
    };
    write(0);
  });
}

const COUNT_STDIN = `
  import { writeSync } from 'node:fs';
  import { openCapture } from ${JSON.stringify(CAPTURE)};
  import { Packet } from ${JSON.stringify(CAPTURE.replace('capture.ts', 'packet.ts'))};
  import { weirds, weirdCounts } from ${JSON.stringify(CAPTURE.replace('capture/capture.ts', 'base/weird.ts'))};
  const capture = openCapture(['-']);
  const packet = new Packet();
  let n = 0, bytes = 0;
  while (capture.next(packet)) {
    n++;
    bytes += packet.end - packet.at;
    if (process.env.EACH) writeSync(1, 'packet\\n');
  }
  capture.close();
  console.log(n, bytes, capture.bytesTotal, weirds.filter((_, i) => weirdCounts[i] > 0).map((w) => w.name).join());
`;

for (const [name, compress] of compressors) {
  test(`${name}: pcap and pcapng come out as they went in`, () => {
    assertFirst(readAll([folder.file('a.gz', compress(plain))]), records.length);
    const blocks = new Blocks().section().interface(1).enhanced(0, 9n, Buffer.alloc(10));
    assert.equal(readAll([folder.file('b.gz', compress(blocks.bytes()))])[0].us, 9);
    assert.equal(weirdCount('capture.file.compressed_cut'), 0);
  });

  test(`${name}: several members follow each other, zero padding may end them`, () => {
    for (const cut of [10, 24, 5000, 65536, plain.length - 3]) {
      const members = Buffer.concat([
        compress(plain.subarray(0, cut)),
        compress(Buffer.alloc(0)),
        compress(plain.subarray(cut)),
        Buffer.alloc(700),
      ]);
      assertFirst(readAll([folder.file('members.gz', members)]), records.length);
    }
    assert.equal(weirdCount('capture.file.compressed_cut'), 0);
  });

  test(`${name}: rubbish behind the last member costs no packet`, () => {
    assertFirst(
      readAll([folder.file('rubbish.gz', Buffer.concat([compress(plain), Buffer.from('this is not compressed')]))]),
      records.length,
    );
    assert.equal(weirdCount('capture.file.compressed_cut'), 1);
  });

  test(`${name}: cut data give the packets before the cut and a weird`, () => {
    const compressed = compress(plain);
    // A zstd block of 128 KiB comes out whole or not at all.
    const slack = name === 'zstd' ? 140_000 : 2000;
    for (const share of [0.4, 0.7, 0.99]) {
      resetWeirds();
      const kept = Math.floor(compressed.length * share);
      const got = readAll([folder.file('cut.gz', compressed.subarray(0, kept))]);
      let whole = 0;
      for (let at = 24; whole < records.length && at + 16 + records[whole].data.length <= kept - slack; whole++)
        at += 16 + records[whole].data.length;
      assertFirst(got, whole);
      assert.equal(weirdCount('capture.file.compressed_cut'), 1);
      assert.equal(weirdCount('capture.file.cut'), 0);
    }
  });

  test(`${name}: damage at the end of much data costs only what lies behind it`, () => {
    // The second member is broken from its first byte on: everything before it must come out.
    const second = compress(plain.subarray(0, 1000)).fill(0xff, 4, 60);
    assertFirst(readAll([folder.file('damaged.gz', Buffer.concat([compress(plain), second]))]), records.length);
    assert.equal(weirdCount('capture.file.compressed_cut'), 1);
  });

  test(`${name}: empty, foreign and broken contents are refused`, () => {
    assert.throws(() => readAll([folder.file('e.gz', compress(Buffer.alloc(0)))]), { code: 'file-empty' });
    assert.throws(() => readAll([folder.file('f.gz', compress(Buffer.from('hello, world')))]), { code: 'file-foreign' });
    assert.throws(() => readAll([folder.file('g.gz', compress(plain).fill(0xff, 4, 100))]), { code: 'file-foreign' });
    assert.throws(() => readAll([folder.file('h.gz', compress(plain).subarray(0, 5))]), { code: 'file-foreign', message: /damaged/ });
  });

  test(`${name}: a capture that is closed early leaves nothing running`, async () => {
    const path = folder.file('early.gz', compress(Buffer.concat([plain, plain.subarray(24), plain.subarray(24), plain.subarray(24)])));
    for (const ending of ['capture.close()', '', 'process.exit(0)']) {
      const script = `import { openCapture } from ${JSON.stringify(CAPTURE)};
        import { Packet } from ${JSON.stringify(CAPTURE.replace('capture.ts', 'packet.ts'))};
        const capture = openCapture([${JSON.stringify(path)}]);
        console.log(capture.next(new Packet()));
        ${ending}`;
      const { output, code } = await run(script, []);
      assert.equal(output, 'true\n');
      assert.equal(code, 0);
    }
  });
}

test('a packet of 200 MiB that compresses to nothing is skipped within bounded memory', async () => {
  const bomb = gzipSync(pcap([record(1, 10), record(2, 200 << 20), record(3, 12)]));
  // Not resourceUsage: a child's maxRSS starts with its parent's.
  const script = `import { readFileSync } from 'node:fs';
    ${COUNT_STDIN}
    console.log(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1] < 240 * 1024);`;
  const { output } = await run(script, [bomb]);
  assert.equal(output, '2 22 0 capture.packet.too_long\ntrue\n');
});

test('missing, empty, unreadable and foreign files are refused, each with what to do', () => {
  const directory = join(folder.path, 'directory');
  mkdirSync(directory);
  const cases: [string, string, RegExp][] = [
    [join(folder.path, 'nothing-here'), 'file-missing', /does not exist/],
    [folder.file('empty', Buffer.alloc(0)), 'file-empty', /empty/],
    ['/dev/null', 'file-empty', /empty/],
    [directory, 'file-unreadable', /directory/],
    [folder.file('short', Buffer.from([0xd4, 0xc3, 0xb2])), 'file-foreign', /neither pcap nor pcapng/],
    [folder.file('text', Buffer.from('GET / HTTP/1.1\r\n\r\n')), 'file-foreign', /neither pcap nor pcapng/],
    [folder.file('xz', Buffer.from('fd377a585a0000', 'hex')), 'file-foreign', /xz/],
    ['/dev/zero', 'file-foreign', /neither pcap nor pcapng/],
  ];
  for (const [path, code, message] of cases) {
    assert.throws(
      () => readAll([path]),
      (error: Error & { code: string; next: string }) => error.code === code && message.test(error.message) && error.next.length > 10,
      path,
    );
  }
});

test('progress counts the bytes of the file', () => {
  const path = folder.file('progress.pcap', plain);
  const capture = openCapture([path]);
  assert.equal(capture.bytesTotal, plain.length);
  const packet = new Packet();
  while (capture.next(packet));
  assert.equal(capture.bytesRead, plain.length);
  capture.close();
  assert.equal(capture.bytesRead, plain.length);
});

const total = records.reduce((sum, r) => sum + r.data.length, 0);

test('standard input: a pipe, plain and compressed, in pieces of any size', async () => {
  for (const content of [plain, gzipSync(plain), zstdCompressSync(plain)]) {
    const pieces = [
      content.subarray(0, 1),
      content.subarray(1, 3),
      content.subarray(3, 30),
      content.subarray(30, 70_000),
      content.subarray(70_000),
    ];
    const { output, code } = await run(COUNT_STDIN, pieces);
    assert.equal(output, `${records.length} ${total} 0 \n`);
    assert.equal(code, 0);
  }
});

test('standard input that is cut gives the packets before the cut', async () => {
  const { output } = await run(COUNT_STDIN, [plain.subarray(0, 24 + 16 + 20 + 16 + 21 + 5)]);
  assert.equal(output, '2 41 0 capture.file.cut\n');
});

test('standard input without a byte is refused', async () => {
  const script = `import { openCapture } from ${JSON.stringify(CAPTURE)};
    try { openCapture(['-']); } catch (error) { console.log(error.code, error.what); }`;
  assert.equal((await run(script, [])).output, 'file-empty Cannot read standard input\n');
});

test('a slow producer: packets are handed on as they come', async () => {
  for (const compressed of [false, true]) {
    // Each piece waits until the packets of the one before it were reported.
    const pieces = [0, 1, 2, 3].map((i) => (i === 0 ? pcap([record(0, 40)]) : pcap([record(i, 40)]).subarray(24)));
    const wire = compressed ? pieces.map((p) => gzipSync(p)) : pieces;
    const child = spawn(process.execPath, ['--input-type=module', '-e', COUNT_STDIN], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, EACH: '1' },
    });
    let output = '';
    const done = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill();
        reject(new Error(`after 20 s only ${JSON.stringify(output)}`));
      }, 20_000);
      child.on('close', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    let sent = 1;
    child.stdin.write(wire[0]);
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const seen = output.split('packet\n').length - 1;
      if (seen === sent && sent < wire.length) child.stdin.write(wire[sent++]);
      else if (seen === wire.length) child.stdin.end();
    });
    await done;
    assert.equal(output, `${'packet\n'.repeat(4)}4 160 0 \n`);
  }
});

test('a non-blocking standard input is waited for', async () => {
  // Touching process.stdin makes the pipe non-blocking; the probe shows that it is.
  const script = `
    import { readSync } from 'node:fs';
    process.stdin.pause();
    try { readSync(0, Buffer.alloc(1)); } catch (error) { writeSync(1, error.code + '\\n'); }
    ${COUNT_STDIN}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  const closed = new Promise((resolve) => child.on('close', resolve));
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output !== 'EAGAIN\n') return;
    child.stdin.write(plain.subarray(0, 1000));
    setTimeout(() => child.stdin.end(plain.subarray(1000)), 50);
  });
  await closed;
  assert.equal(output, `EAGAIN\n${records.length} ${total} 0 \n`);
});
