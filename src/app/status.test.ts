import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteStream } from 'node:tty';
import { sampleReport } from './report-testing.ts';
import { statusText } from './status.ts';
import { coloursOf, wrapWords } from './terminal.ts';

const plain = coloursOf({} as WriteStream);

test('the whole page in 80 columns', () => {
  assert.equal(
    statusText(sampleReport(), plain, 80),
    `The sensor runs, but has 2 faults.
sensor         frankfurt/edge-7, Earshot 0.1.0, process 4242
since          2026-03-01 10:00:00 UTC (2 d 3 h)
configuration  /etc/earshot/earshot.yaml, read 2026-03-01 12:00:00 UTC
memory         413 MB
processor      12 % of one since the start
calls          60,000,000 so far, 3,050/s now
spool          level memory where disk is wanted, 1.48 GB of 8.59 GB, 512 MB
               free, 80 not durable yet, 500 lost before it, 12 dead letters

kernel-drops
  The kernel dropped 12,345 packets (0.001 %) because a ring was full.
  Raise capture.ringBytes, or give the sensor another worker (run.workers).

interface-down
  The interface eth2 is down.
  Bring it up: ip link set eth2 up.

interface  state        MTU  packets/s        rate      packets    bytes  losses
eth1       up          9001     41,200  231 Mbit/s  801,000,000   561 GB       0
eni3f9a1c  no-carrier  1500          0     0 bit/s   12,000,000  6.00 GB       3
eth2       down        1500          0     0 bit/s            0      0 B       1
eth9       missing        -          0     0 bit/s            0      0 B       0

end-point                       packets/s         rate  dropped  buffer   wanted
udp://0.0.0.0:4789?encap=vxlan      9,800  54.9 Mbit/s      345  426 kB  33.6 MB

worker  state    packets/s  calls/s   drops  left out   ring   CPU      lag
     0  running     30,600    1,830   2,345       0 %  4.2 %  31 %  4.00 ms
     1  running     20,400    1,220  10,000      25 %   97 %  99 %   812 ms

sink  valid  written  calls/s  errors  letters   queued    oldest  problem
lake  true    56.5 M    2,870       2        0    1,400    480 ms  -
edge  false   19.8 M        0      12        3  201,070  3.42 min  token-refused
`,
  );
});

test('wider: more columns', () => {
  const page = statusText(sampleReport(), plain, 140);
  for (const title of ['named as', 'wanted', 'restarts', 'flows', 'in flight']) assert.ok(page.includes(title), title);
  for (let width = 80; width <= 140; width++) {
    for (const line of statusText(sampleReport(), plain, width).split('\n')) assert.ok(line.length <= width, line);
  }
});

test('sinks: none at all, a spool that is well, and a delivery thread that is away', () => {
  const report = sampleReport();
  const none = statusText({ ...report, delivery: null, ship: null }, plain, 80);
  assert.doesNotMatch(none, /spool|sink/);
  const away = statusText({ ...report, delivery: { isRunning: false, restarts: 3, received: 10, lost: 1 }, ship: null }, plain, 80);
  assert.match(away, /^spool +not there: the delivery thread is being started again [(]restart 3[)]$/m);
  const { ship } = report;
  assert.ok(ship !== null);
  const well = {
    ...report,
    delivery: { isRunning: true, restarts: 0, received: 10, lost: 0 },
    ship: { ...ship, spool: { ...ship.spool, level: 'disk' as const, fault: '' }, deadLetters: { ...ship.deadLetters, readers: [] } },
  };
  assert.match(statusText(well, plain, 140), /^spool +level disk, 1[.]48 GB of 8[.]59 GB, 512 MB free, 80 not durable yet$/m);
  const { spool } = well.ship;
  const synced = { ...well, ship: { ...well.ship, spool: { ...spool, durableSequence: spool.lastSequence } } };
  assert.match(statusText(synced, plain, 140), /512 MB free, all durable$/m);
  // One that fails and is not blocked shows what it met last.
  const failing = { ...ship.sinks[0], valid: false };
  assert.match(statusText({ ...report, ship: { ...ship, sinks: [failing] } }, plain, 80), /^lake +false .* connection-refused$/m);
  // Nothing was sent yet: nobody knows.
  const untried = { ...ship.sinks[0], written: 0, errors: 0, deadLettered: 0 };
  assert.match(statusText({ ...report, ship: { ...ship, sinks: [untried] } }, plain, 80), /^lake +- +0 /m);
});

test('well, not ready, and without a configuration', () => {
  const report = sampleReport();
  const of = (ready: boolean, faults = report.health.faults): string =>
    statusText({ ...report, health: { ready, faults }, sensor: { ...report.sensor, configuration: '' } }, plain, 80).split('\n')[0];
  assert.equal(of(true, []), 'The sensor is well.');
  assert.equal(of(true, report.health.faults.slice(1)), 'The sensor runs, but has a fault.');
  assert.equal(of(false, []), 'The sensor takes no packets.');
  assert.equal(of(false), 'The sensor takes no packets; it has 2 faults.');
  const page = statusText({ ...report, sensor: { ...report.sensor, configuration: '' }, endpoints: [] }, plain, 80);
  assert.match(page, /^configuration {2}none, all defaults$/m);
  assert.doesNotMatch(page, /end-point/);
});

test('no calls: what came instead, and where to look on', () => {
  const report = sampleReport();
  const callsAfter = (read: number): string | undefined => {
    const { reader, pipeline } = report.stages;
    const stages = { ...report.stages, reader: { ...reader, read }, pipeline: { ...pipeline, received: 0 } };
    return /^calls +(.*)$/m.exec(statusText({ ...report, stages }, plain, 100))?.[1];
  };
  assert.equal(callsAfter(0), 'no packet has arrived; earshot doctor --live 10s says why');
  assert.equal(callsAfter(1234), 'none found in 1,234 packets; earshot doctor --live 10s says why');
});

test('names of interfaces and texts of faults cannot steer the terminal', () => {
  const report = sampleReport();
  const page = statusText(
    {
      ...report,
      interfaces: [{ ...report.interfaces[0], name: 'e\x1b]0;x\x07' }],
      health: { ready: true, faults: [{ code: 'c\x1b[2J', what: 'w\x9b2J\r', next: 'n\u202e' }] },
    },
    plain,
    80,
  );
  assert.doesNotMatch(page, /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u);
  assert.ok(page.includes('e?]0;x?') && page.includes('  W?2J?.\n  n?'));
});

test('words are wrapped, and long ones left whole', () => {
  assert.deepEqual(wrapWords('one two three', 7), ['one two', 'three']);
  assert.deepEqual(wrapWords('a extraordinarily b', 5), ['a', 'extraordinarily', 'b']);
});
