/** Both ends of the control socket, over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { SensorError } from '../../base/errors.ts';
import type { CallLine } from '../call-line.ts';
import { sampleReport } from '../report-testing.ts';
import { version } from '../version.ts';
import { ask, watchCalls } from './client.ts';
import { sampleCall, TestSensor } from './control-testing.ts';
import { type ControlAnswer, REQUEST_BYTES_MAX } from './protocol.ts';
import { CONNECTIONS_MAX, type ControlServer, startControl } from './server.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-control-'));
const cleanUp: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of cleanUp) await close();
  rmSync(folder, { recursive: true, force: true });
});

let n = 0;
const newPath = (): string => join(folder, `${++n}.sock`);

async function started(path = newPath(), sensor = new TestSensor()): Promise<{ path: string; sensor: TestSensor; server: ControlServer }> {
  const server = await startControl(path, sensor);
  cleanUp.push(() => server.close());
  return { path, sensor, server };
}

/** A server of the test's own, which is no sensor. */
async function impostor(onSocket: (socket: Socket) => void): Promise<string> {
  const path = newPath();
  const server: Server = createServer(onSocket);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  cleanUp.push(async () => void server.close());
  return path;
}

async function opened(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends the text as it is; gives the lines that come until the other side closes. */
async function raw(path: string, text: string, half = false): Promise<ControlAnswer[]> {
  const socket = await opened(path);
  let out = '';
  socket.on('data', (piece) => {
    out += piece;
  });
  if (half) socket.end(text);
  else socket.write(text);
  await once(socket, 'close');
  assert.ok(out.endsWith('\n'), out);
  return out
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as ControlAnswer);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (holds()) return;
    await sleep(5);
  }
  assert.fail(`never: ${what}`);
}

async function failure(promise: Promise<unknown>): Promise<SensorError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof SensorError, String(error));
    return error;
  }
  assert.fail('it did not fail');
}

test('every command is answered, and the connection closed', async () => {
  const { path, sensor } = await started();
  assert.deepEqual(await raw(path, '{"command":"who"}\n'), [{ who: { pid: process.pid, version: version() } }]);
  assert.deepEqual(await raw(path, '{"command":"report"}\n'), [{ report: sampleReport() }]);
  assert.deepEqual(await raw(path, '{"command":"reload"}\n{"command":"who"}\n', true), [{ reload: sensor.reloaded }]);
  assert.deepEqual(await raw(path, '{"command":"log-level","level":"debug"}\n'), [{ logLevel: 'debug' }]);
  assert.equal(sensor.level, 'debug');
});

test('the client gives the same answers', async () => {
  const { path, sensor } = await started();
  assert.deepEqual((await ask(path, { command: 'report' })).report, sampleReport());
  sensor.reloaded = { ok: false, text: 'a.yaml:3:1: there is no such setting' };
  assert.deepEqual((await ask(path, { command: 'reload' })).reload, sensor.reloaded);
  assert.equal((await ask(path, { command: 'log-level', level: 'warn' })).logLevel, 'warn');
});

test('a request in pieces, cut in a character too', async () => {
  const { path } = await started();
  const socket = await opened(path);
  const bytes = Buffer.from('{"command":"watch","filter":{"host":"ü.example"}}\n');
  for (const byte of bytes) {
    socket.write(Buffer.of(byte));
    await turn();
  }
  const [piece] = (await once(socket, 'data')) as [Buffer];
  assert.equal(piece.toString(), '{"watching":true}\n');
  socket.destroy();
});

test('what is no request gets an error that says so', async () => {
  const { path, sensor } = await started();
  const wrong: [string, string, RegExp][] = [
    ['hello\n', 'request-invalid', /no JSON/],
    ['\n', 'request-invalid', /no JSON/],
    ['[]\n', 'request-invalid', /no JSON object/],
    ['null\n', 'request-invalid', /no JSON object/],
    ['{}\n', 'request-invalid', /no such command/],
    ['{"command":"__proto__"}\n', 'request-invalid', /no such command/],
    ['{"command":"log-level","level":"loud"}\n', 'request-invalid', /none of trace, debug/],
    ['{"command":"watch","filter":"x"}\n', 'request-invalid', /filter is no JSON object/],
    ['{"command":"watch","filter":{"status":"4x"}}\n', 'request-invalid', /--status "4x".*wanted is/],
    [`{"command":"who","x":"${'x'.repeat(REQUEST_BYTES_MAX)}"}\n`, 'request-too-long', /longer than 65536 bytes/],
    ['x'.repeat(REQUEST_BYTES_MAX + 1), 'request-too-long', /longer than 65536 bytes/],
  ];
  for (const [text, code, what] of wrong) {
    const [answer, ...more] = await raw(path, text);
    assert.ok('error' in answer && more.length === 0, JSON.stringify(answer));
    assert.equal(answer.error.code, code);
    assert.match(answer.error.what, what);
    assert.match(answer.error.next, /[.]$/);
  }
  const [cut] = await raw(path, '{"command":"who"}', true);
  assert.ok('error' in cut && /line feed/.test(cut.error.what));
  // The longest request there may be.
  const padding = 'x'.repeat(REQUEST_BYTES_MAX - '{"command":"who","x":""}'.length);
  assert.ok('who' in (await raw(path, `{"command":"who","x":"${padding}"}\n`))[0]);
  assert.equal(sensor.watchers, 0);
});

test('a fault of the sensor is an answer too', async () => {
  const sensor = new TestSensor();
  sensor.report = () => {
    throw new TypeError('x is not a function\x1b[2J');
  };
  sensor.reload = () => Promise.reject(new SensorError('config-invalid', 'Cannot use it', 'it has a mistake', 'Mend it.'));
  const { path } = await started(newPath(), sensor);
  const report = await failure(ask(path, { command: 'report' }));
  assert.equal(report.code, 'control-failed');
  assert.equal(report.message, 'The sensor did not do it (failed): x is not a function?[2J. See the log of the sensor.');
  assert.match((await failure(ask(path, { command: 'reload' }))).message, /Cannot use it: it has a mistake[.] Mend it[.]$/);
});

test('only its user may connect: mode 0600 in a folder of 0700, whatever the umask', async () => {
  const before = process.umask(0);
  try {
    const { path, server } = await started(join(folder, 'made/control.sock'));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'made')).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(folder, 'made')), ['control.sock']);
    assert.equal(process.umask(), 0);
    await server.close();
    assert.deepEqual(readdirSync(join(folder, 'made')), []);
  } finally {
    process.umask(before);
  }
  const missing = await failure(startControl(join(folder, 'no/such/control.sock'), new TestSensor()));
  assert.equal(missing.code, 'control-failed');
  assert.equal(existsSync(join(folder, 'no')), false, 'only the last part of the path is made');
});

/** A socket file that a dead process left behind. */
async function stale(): Promise<string> {
  const path = newPath();
  const alive = await impostor(() => {});
  linkSync(alive, path);
  await cleanUp.pop()?.();
  await until('the other name of the socket is gone', () => !existsSync(alive));
  return path;
}

test('the socket of a dead sensor is taken over', async () => {
  const path = await stale();
  assert.equal((await failure(ask(path, { command: 'who' }))).code, 'not-running');
  await started(path);
  assert.equal((await ask(path, { command: 'who' })).who.pid, process.pid);
});

test('that of a living one is not, and its process is named', async () => {
  const { path } = await started();
  const error = await failure(startControl(path, new TestSensor()));
  assert.equal(error.code, 'already-running');
  assert.match(error.message, new RegExp(`the sensor of process ${process.pid} has it[.] Stop that sensor first`));
  assert.equal((await ask(path, { command: 'who' })).who.pid, process.pid);
  const foreign = await impostor((socket) => socket.end('SSH-2.0\n'));
  const other = await failure(startControl(foreign, new TestSensor()));
  assert.equal(other.code, 'already-running');
  assert.match(other.why, /another process has it/);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('.')),
    [],
  );
});

test('of several that start at once one wins, over a dead socket too', async () => {
  for (const path of [newPath(), await stale()]) {
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => startControl(path, new TestSensor())));
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof SensorError && outcome.reason.code === 'already-running');
    }
    assert.equal(winners.length, 1);
    assert.ok((await ask(path, { command: 'who' })).who.pid > 0);
    await winners[0].value.close();
    assert.equal(existsSync(path), false);
  }
});

test('another file is never replaced, and the socket of another never removed', async () => {
  const file = newPath();
  writeFileSync(file, 'precious');
  const error = await failure(startControl(file, new TestSensor()));
  assert.equal(error.code, 'control-failed');
  assert.match(error.why, /another file of that name/);
  assert.equal(readFileSync(file, 'utf8'), 'precious');
  mkdirSync(join(folder, 'folder.sock'));
  assert.equal((await failure(startControl(join(folder, 'folder.sock'), new TestSensor()))).code, 'control-failed');

  const first = await started();
  unlinkSync(first.path);
  await started(first.path);
  await first.server.close();
  assert.ok((await ask(first.path, { command: 'who' })).who.pid > 0);
});

test('paths that the system would cut are refused', async () => {
  const path = join(folder, 'x'.repeat(120));
  assert.match((await failure(startControl(path, new TestSensor()))).message, /more bytes than the system permits [(]107[)]/);
  assert.match((await failure(ask(path, { command: 'who' }))).message, /the name is too long/);
  assert.match((await failure(watchCalls(path, {}, () => {}))).message, /the name is too long/);
});

test('what answers and is no sensor', async () => {
  const cases: [(socket: Socket) => void, RegExp][] = [
    [(socket) => socket.destroy(), /without an answer|broke the connection off/],
    [(socket) => socket.end('{"who"'), /without an answer/],
    [(socket) => socket.end('SSH-2.0\n'), /no sensor, or one of another version/],
    [(socket) => socket.end('{"watching":true}\n'), /no sensor, or one of another version/],
    [(socket) => socket.end('7\n'), /no sensor, or one of another version/],
    [() => {}, /no answer within 0[.]2 s/],
    [(socket) => void socket.on('error', () => {}).write('x'.repeat(17 << 20)), /longer than any answer/],
    [
      (socket) => socket.end('{"error":{"code":"\\u001b[2J","what":"a\\nb","next":"c"}}\n'),
      /^The sensor did not do it [(][?]\[2J[)]: a[?]b[.] c[.]$/,
    ],
  ];
  for (const [behave, message] of cases) {
    const path = await impostor((socket) => {
      socket.on('error', () => {});
      // Reads what is asked first: closing with bytes unread would be a reset.
      socket.once('data', () => behave(socket));
    });
    const error = await failure(ask(path, { command: 'who' }, 200));
    assert.equal(error.code, 'control-failed', error.message);
    assert.match(error.message, message);
  }
  assert.equal((await failure(ask(newPath(), { command: 'who' }))).code, 'not-running');
  const file = newPath();
  writeFileSync(file, '');
  assert.equal((await failure(ask(file, { command: 'who' }))).code, 'not-running');
});

test('watchers get the calls that fit their filters, in order, and what was skipped', async () => {
  const { path, sensor } = await started();
  const all: CallLine[] = [];
  const errors: CallLine[] = [];
  let skippedOfAll = 0;
  let skippedOfErrors = 0;
  const one = await watchCalls(path, {}, (calls, skipped) => {
    all.push(...calls);
    skippedOfAll += skipped;
  });
  const two = await watchCalls(path, { status: '5xx' }, (calls, skipped) => {
    errors.push(...calls);
    skippedOfErrors += skipped;
  });
  assert.equal(sensor.watchers, 2);
  const calls = [sampleCall(), sampleCall({ status: 503 }), sampleCall({ host: null, path: null, method: null, status: 500 })];
  sensor.emit(calls.slice(0, 2));
  sensor.emit(calls.slice(2), 17);
  sensor.emit([], 4);
  await until('both have all', () => skippedOfAll === 21 && skippedOfErrors === 21);
  assert.deepEqual(all, calls);
  assert.deepEqual(errors, calls.slice(1));
  one.stop();
  await one.ended;
  await until('the sensor has one watcher left', () => sensor.watchers === 1);
  sensor.emit([sampleCall({ status: 500 })]);
  await until('the other one goes on', () => errors.length === 3);
  assert.equal(all.length, 3);
  two.stop();
  await until('nobody watches', () => sensor.watchers === 0);
});

test('a watcher that does not read costs a bounded amount of memory; what it missed is told', async () => {
  const { path, sensor } = await started();
  const socket = await opened(path);
  socket.write('{"command":"watch"}\n');
  await until('it watches', () => sensor.watchers === 1);
  socket.pause();
  const CALLS = 4_000;
  const PATH_BYTES = 4_000;
  const sent = CALLS * PATH_BYTES;
  for (let i = 0; i < CALLS; i += 10) {
    sensor.emit(Array.from({ length: 10 }, () => sampleCall({ path: `/${'x'.repeat(PATH_BYTES)}` })));
    await turn();
  }
  let received = 0;
  let skipped = 0;
  let rest = '';
  let bytes = 0;
  socket.on('data', (piece: Buffer) => {
    bytes += piece.length;
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const answer = JSON.parse(line) as ControlAnswer;
      if (!('calls' in answer)) continue;
      received += answer.calls.length;
      skipped += answer.skipped;
    }
  });
  socket.resume();
  // Told without any further call: nothing else may come tonight.
  await until('every call was either received or told as skipped', () => received + skipped === CALLS);
  assert.ok(skipped > CALLS / 2, `${skipped} skipped`);
  // What the kernel holds for both ends, and 256 KiB of ours.
  assert.ok(bytes < sent / 4, `${bytes} bytes of ${sent} waited`);
  sensor.emit([sampleCall()]);
  await until('it is served again', () => received + skipped === CALLS + 1);
  assert.equal(skipped < CALLS, true);
  socket.destroy();
  await until('nobody watches', () => sensor.watchers === 0);
});

test('a call too long for the buffer is skipped, not sent in part', async () => {
  const { path, sensor } = await started();
  let received = 0;
  let skipped = 0;
  const watch = await watchCalls(path, {}, (calls, more) => {
    received += calls.length;
    skipped += more;
  });
  sensor.emit([sampleCall({ path: 'x'.repeat(300_000) })]);
  sensor.emit([sampleCall()]);
  await until('both are accounted for', () => received === 1 && skipped === 1);
  watch.stop();
});

test('more connections than there may be are told so, and the place is free again afterwards', async () => {
  const { path } = await started();
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS_MAX }, () => opened(path)));
  await until('the server has them all', () => sockets.every((socket) => socket.readyState === 'open'));
  let error = await failure(ask(path, { command: 'who' }));
  assert.match(error.message, /^The sensor did not do it [(]busy[)]: 32 connections are open already[.] Close some of them/);
  error = await failure(watchCalls(path, {}, () => {}));
  assert.match(error.message, /busy/);
  for (const socket of sockets) socket.destroy();
  for (let i = 0; ; i++) {
    try {
      assert.equal((await ask(path, { command: 'who' })).who.pid, process.pid);
      break;
    } catch (thrown) {
      assert.ok(i < 100 && thrown instanceof SensorError, String(thrown));
      await sleep(10);
    }
  }
});

test('the sensor ends: every watcher hears it, the socket is gone, and closing waits for no one', async () => {
  const { path, server } = await started();
  const watch = await watchCalls(path, {}, () => {});
  const idle = await opened(path);
  const stubborn = connect({ path, allowHalfOpen: true });
  await once(stubborn, 'connect');
  await server.close();
  const error = await failure(watch.ended);
  assert.equal(error.code, 'sensor-stopped');
  assert.equal(error.message, 'There is nothing more to show: the sensor stopped. Look into its log, or start it again.');
  assert.equal(existsSync(path), false);
  idle.destroy();
  stubborn.destroy();
});

test('an error of whoever watches ends the watch with it', async () => {
  const { path, sensor } = await started();
  const watch = await watchCalls(path, {}, () => {
    throw new RangeError('full');
  });
  sensor.emit([sampleCall()]);
  await assert.rejects(watch.ended, RangeError);
  await until('nobody watches', () => sensor.watchers === 0);
});
