/** The service under its operator's hands: signals, reload, a worker that dies, a disk that is full. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SensorReport } from '../../src/app/report.ts';
import { LiveSensor, type SomeSettings } from '../support/live-sensor.ts';
import { cannotUseNamespaces, type Namespace, Network } from '../support/netns.ts';
import { send, startSending, writeFrames } from '../support/sender.ts';
import { assertCalls, type Made, makeCalls, textOf, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound, busyWorkers } from './checks.ts';

const skip = cannotUseNamespaces();
const listen: SomeSettings = { capture: { interfaces: ['eni0'] }, run: { workers: 2 } };

interface Stage {
  readonly network: Network;
  readonly sensor: Namespace;
  readonly wire: Namespace;
}

function stage(t: TestContext): Stage {
  const network = new Network();
  t.after(() => network.remove());
  return { network, ...network.listener() };
}

async function hear({ network, wire }: Stage, live: LiveSensor, made: Made, before = 0): Promise<void> {
  await send(wire, network.folder, wrapAll(made, wraps.plain.wrap), { device: 'wire' });
  await live.untilWritten(before + made.calls.length);
}

test('`earshot status` says the same as the socket, and that all is well', { skip }, async (t) => {
  const here = stage(t);
  const live = await LiveSensor.start(here.sensor, here.network.folder, { settings: listen });
  const made = makeCalls({ connections: 10, callsEach: 5 });
  await hear(here, live, made);
  const report = await live.untilQuiet();
  const program = join(import.meta.dirname, '../../earshot');
  const { status, stdout, stderr } = spawnSync(program, ['status', '--json', '--socket', live.socketPath], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  const told = JSON.parse(stdout) as SensorReport;
  assert.equal(told.health.ready, true);
  assert.deepEqual(told.counters, report.counters);
  assert.equal(told.stages.pipeline.valid, made.calls.length);
  assert.equal(told.sensor.configuration, live.configPath);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, made.calls);
});

test('SIGHUP: a broken file changes nothing and is one line; a good one says what changed', { skip }, async (t) => {
  const here = stage(t);
  const live = await LiveSensor.start(here.sensor, here.network.folder, { settings: listen });
  const one = makeCalls({ connections: 5, callsEach: 5, net: 1 });
  await hear(here, live, one);
  const good = readFileSync(live.configPath, 'utf8');
  const startedAtMs = (await live.report()).sensor.startedAtMs;

  writeFileSync(live.configPath, 'capture:\n  interfaces: [eni0\n  workers: many\n');
  const before = live.log().length;
  live.signal('SIGHUP');
  await live.untilLogged(/^not reloaded/);
  const lines = live.log().slice(before);
  assert.equal(lines.length, 1, JSON.stringify(lines));
  assert.match(lines[0].message, /nothing was changed/);
  assert.match(lines[0].message, /sensor-\d+\.yaml:\d+:\d+/);
  const two = makeCalls({ connections: 5, callsEach: 5, net: 2 });
  await hear(here, live, two, one.calls.length);

  writeFileSync(live.configPath, good);
  live.configure({ log: { level: 'debug' }, capture: { not: { ports: [8080], networks: [] } } });
  live.signal('SIGHUP');
  const { message } = await live.untilLogged(/^reloaded/);
  assert.match(message, /log\.level/);
  assert.match(message, /capture\.not\.ports/);
  const three = makeCalls({ connections: 5, callsEach: 5, net: 3 });
  await hear(here, live, three, two.calls.length);
  assertSound(await live.untilQuiet());
  assert.equal((await live.report()).sensor.startedAtMs, startedAtMs);
  const ended = await live.stop();
  // The third batch has the port that is left out now.
  assertClean(ended, { errors: /^not reloaded/ });
  assertCalls(ended.calls, [...one.calls, ...two.calls]);
});

test('SIGTERM under load: all that came before is read and written, the books balance', { skip }, async (t) => {
  const here = stage(t);
  const live = await LiveSensor.start(here.sensor, here.network.folder, {
    settings: { ...listen, run: { workers: 2, stopTimeoutMs: 8_000 } },
  });
  const made = makeCalls({ connections: 1_500, callsEach: 10, bodyBytes: [20, 400] });
  const capture = writeFrames(here.network.folder, wrapAll(made, wraps.plain.wrap));
  const load = startSending(here.wire, capture, { device: 'wire', rate: 15_000 });
  await live.until('busy', ({ stages }) => stages.pipeline.valid > 2_000);
  live.signal('SIGTERM');
  const ended = await live.ended();
  load.stop();
  const sent = await load.done;
  assert.ok(sent.packets < made.packets.length, 'it was stopped while packets came');
  const stopped = assertClean(ended);
  assert.ok(ended.stopMs < 8_000, `it took ${ended.stopMs} ms`);
  assert.equal(stopped.sinkWritten, ended.calls.length);
  assert.ok(Number(stopped.flowsOpen) > 0, 'connections in the middle are reported');
  const whole = ended.calls.filter(({ complete }) => complete);
  assert.ok(whole.length > 2_000);
  const wanted = new Set(made.calls);
  assert.deepEqual(whole.filter((call) => !wanted.has(textOf(call))).slice(0, 3), []);
});

test('a second signal stops at once', { skip }, async (t) => {
  const here = stage(t);
  const fifo = join(here.network.folder, 'nobody-reads-this');
  here.sensor.run('mkfifo', [fifo]);
  // A reader that holds the pipe open and takes nothing: the first SIGTERM has to wait for it.
  const holder = here.sensor.spawn('sh', ['-c', `exec sleep 60 <>${fifo}`]);
  const live = await LiveSensor.start(here.sensor, here.network.folder, {
    settings: { ...listen, output: { file: fifo }, run: { workers: 1, stopTimeoutMs: 60_000 } },
  });
  const made = makeCalls({ connections: 100, callsEach: 10 });
  await send(here.wire, here.network.folder, wrapAll(made, wraps.plain.wrap), { device: 'wire' });
  await live.until('stuck with its output', ({ stages }) => stages.sink.queueBytes > 0 && stages.pipeline.valid === made.calls.length);
  live.signal('SIGTERM');
  await live.untilLogged(/^stopping/);
  await sleep(500);
  assert.equal(live.hasEnded, false);
  live.signal('SIGTERM');
  await live.untilLogged(/second signal/);
  const { code, stderr } = await live.exit(10_000);
  assert.equal(code, 143, stderr);
  holder.kill();
});

test('a worker that dies is started again and counted; the connections of the others live on', { skip }, async (t) => {
  const here = stage(t);
  // The same program, but it ends the worker of which it is told the number, each time that it gets SIGUSR2.
  const live = await LiveSensor.start(here.sensor, here.network.folder, {
    settings: { capture: { interfaces: ['eni0'] }, run: { workers: 4 } },
    program: [process.execPath, '--disable-warning=ExperimentalWarning', fileURLToPath(new URL('./mortal.ts', import.meta.url)), '1'],
  });
  // The first half of every connection before, the second half after the death.
  const made = makeCalls({ connections: 60, callsEach: 10 });
  const frames = wrapAll(made, wraps.plain.wrap);
  const middle = frames.length >> 1;
  await send(here.wire, here.network.folder, frames.slice(0, middle), { device: 'wire' });
  const before = await live.untilQuiet();
  assert.equal(busyWorkers(before), 4);
  live.signal('SIGUSR2');
  await live.until('with a dead worker', ({ workers }) => workers[1].restarts === 1);
  await live.until('whole again', ({ workers, health }) => health.ready && workers.every(({ state }) => state === 'running'));
  await send(here.wire, here.network.folder, frames.slice(middle), { device: 'wire' });
  const after = await live.untilQuiet();
  assertSound(after);
  assert.deepEqual(
    after.workers.map(({ restarts }) => restarts),
    [0, 1, 0, 0],
  );
  const again = makeCalls({ connections: 60, callsEach: 2, net: 2 });
  await send(here.wire, here.network.folder, wrapAll(again, wraps.plain.wrap), { device: 'wire' });
  await live.untilQuiet();
  const ended = await live.stop();
  assert.equal(ended.log.filter(({ level, message }) => level === 'error' && /worker died/.test(message)).length, 1);
  const stopped = assertClean(ended, { errors: /worker died/ });
  assert.equal(stopped.workerRestarts, 1);
  // Ids say which worker a call was read by: sensor.epoch.worker.sequence.
  const workerOf = ({ id }: { id: string }): number => Number(id.split('.').at(-2));
  const alive = ended.calls.filter((call) => workerOf(call) !== 1);
  assert.ok(alive.length > 0 && alive.every(({ complete }) => complete));
  const byDead = ended.calls.filter((call) => workerOf(call) === 1);
  const wantedOfAll = made.calls.length + again.calls.length;
  // Of each connection of the dead worker at most the call in the middle is in two pieces or gone.
  assert.ok(alive.length + byDead.length >= wantedOfAll - 60, `${alive.length} + ${byDead.length} of ${wantedOfAll}`);
  const found = new Set(ended.calls.filter(({ complete }) => complete).map(({ path }) => path));
  const missingAgain = again.calls.filter((text) => !found.has(text.split(' ')[1]));
  assert.deepEqual(missingAgain, []);
});

test('a full disk under the log: the service goes on, and says so', { skip }, async (t) => {
  const here = stage(t);
  const disk = here.network.smallDisk(64 << 10);
  const file = join(disk, 'connector.log');
  const ballast = join(disk, 'ballast');
  const live = await LiveSensor.start(here.sensor, here.network.folder, { settings: { ...listen, log: { file } } });
  fill(ballast);
  // A line of the log each, until the page that the file had is full too.
  for (let i = 0; i < 100; i++) {
    live.signal('SIGHUP');
    await sleep(10);
  }
  await live.until('complaining', ({ health }) => health.faults.some(({ code }) => code === 'log-failing'));
  const made = makeCalls({ connections: 10, callsEach: 5 });
  await hear(here, live, made);
  assert.match(live.stderr, /log/);
  rmSync(ballast);
  const report = await live.report();
  assert.equal(report.health.ready, true);
  assertSound(report);
  live.signal('SIGTERM');
  const { code, stderr } = await live.exit();
  assert.equal(code, 0, stderr);
  assertCalls(live.calls(), made.calls);
});

test('a full disk under the calls: they wait, and are written when there is room; what is too much is counted', { skip }, async (t) => {
  const here = stage(t);
  const disk = here.network.smallDisk(128 << 10);
  const file = join(disk, 'calls');
  const live = await LiveSensor.start(here.sensor, here.network.folder, {
    settings: { ...listen, output: { file, queueBytesMax: 4 << 20 } },
  });
  const ballast = join(disk, 'ballast');
  fill(ballast);
  const made = makeCalls({ connections: 100, callsEach: 10 });
  await send(here.wire, here.network.folder, wrapAll(made, wraps.plain.wrap), { device: 'wire' });
  const full = await live.until(
    'waiting for room',
    ({ health, stages }) => health.faults.some(({ code }) => code === 'output-failing') && stages.sink.received === made.calls.length,
  );
  assert.ok(full.stages.sink.errors > 0 && full.stages.sink.queueBytes > 0);
  assert.equal(full.stages.sink.lost, 0);
  assertSound(full);
  here.network.resizeDisk(disk, 8 << 20);
  rmSync(ballast);
  await live.untilWritten(made.calls.length);
  await live.until('well again', ({ health }) => health.faults.length === 0, 75_000);
  const ended = await live.stop();
  assertCalls(ended.calls, made.calls);
  const stopped = assertClean(ended);
  assert.equal(stopped.sinkLost, 0);
  assert.ok(readdirSync(disk).includes('calls'));
});

test('a full disk for longer than the queue lasts: what is lost is counted, the file has whole lines only', { skip }, async (t) => {
  const here = stage(t);
  const disk = here.network.smallDisk(64 << 10);
  const live = await LiveSensor.start(here.sensor, here.network.folder, {
    settings: { ...listen, output: { file: join(disk, 'calls'), queueBytesMax: 1 << 20 }, run: { workers: 2, stopTimeoutMs: 2_000 } },
  });
  const made = makeCalls({ connections: 300, callsEach: 20, bodyBytes: [20, 200] });
  await send(here.wire, here.network.folder, wrapAll(made, wraps.plain.wrap), { device: 'wire', rate: 40_000 });
  const report = await live.until('losing calls', ({ stages }) => stages.sink.received === made.calls.length && stages.sink.lost > 0);
  assertSound(report);
  const ended = await live.stop();
  const stopped = assertClean(ended);
  assert.ok(Number(stopped.sinkLost) > 0);
  assert.equal(ended.calls.length, stopped.sinkWritten);
  assert.equal(Number(stopped.sinkWritten) + Number(stopped.sinkLost), made.calls.length);
});

/** Writes until the disk takes no more. */
function fill(path: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=1024'], { stdio: 'ignore' });
}
