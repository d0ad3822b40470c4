/**
 * The commands that talk with a running sensor, as an operator meets them: the launcher as a child process, a real
 * control socket, real pipes and terminals. The sensor behind the socket is this test, so that it says when calls come.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sampleCall, sampleRecord, TestSensor } from '../../src/app/control/control-testing.ts';
import { type ControlServer, startControl } from '../../src/app/control/server.ts';
import { sampleReport } from '../../src/app/report-testing.ts';

const root = join(import.meta.dirname, '../..');
const launcher = join(root, 'earshot');
const folder = mkdtempSync(join(tmpdir(), 'earshot-commands-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const SCRIPT = '/usr/bin/script';
const LIMIT_MS = 60_000;
/** All that could steer a terminal, line feeds apart. */
const STEERING = /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u;

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly said: { out: string; err: string };
  readonly ended: Promise<Ended>;
}

function start(command: string, args: readonly string[], options: SpawnOptions = {}): Running {
  const child = spawn(command, args, { cwd: folder, timeout: LIMIT_MS, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const said = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...said }) as Ended);
  return { child, said, ended };
}

function earshot(args: readonly string[], options: SpawnOptions = {}): Running {
  return start(launcher, args, options);
}

/** Through a shell, where EARSHOT stands for the launcher. */
function shell(command: string): Running {
  return start('bash', ['-c', command.replaceAll('EARSHOT', `'${launcher}'`)]);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < LIMIT_MS / 10; i++) {
    if (holds()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
}

let n = 0;
async function sensorFor(t: TestContext): Promise<{ sensor: TestSensor; socket: string; server: ControlServer }> {
  const socket = join(folder, `${++n}.sock`);
  const sensor = new TestSensor();
  const server = await startControl(socket, sensor);
  t.after(() => server.close());
  return { sensor, socket, server };
}

function lines(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

test('status: what is wrong, and the exit code that says so', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const faulty = await earshot(['status', '--socket', socket]).ended;
  assert.deepEqual([faulty.code, faulty.err], [1, '']);
  assert.match(faulty.out, /^The sensor runs, but has 2 faults[.]$/m);
  assert.match(faulty.out, /^kernel-drops\n {2}The kernel dropped 12,345 packets/m);
  assert.match(faulty.out, /^eth1 +up +9001 /m);
  assert.match(faulty.out, /^ +1 +running +20,400 /m);
  sensor.current = { ...sampleReport(), health: { ready: true, faults: [] } };
  const well = await earshot(['status', '--socket', socket]).ended;
  assert.deepEqual([well.code, lines(well.out)[0]], [0, 'The sensor is well.']);
  sensor.current = { ...sampleReport(), health: { ready: false, faults: [] } };
  const json = await earshot(['status', '--json', '--socket', socket]).ended;
  assert.equal(json.code, 1);
  assert.deepEqual(JSON.parse(json.out), sensor.current);
});

test('the socket is found by --config too', async (t) => {
  const { socket } = await sensorFor(t);
  const config = join(folder, 'a.yaml');
  writeFileSync(config, `control:\n  socket: ${socket}\n`);
  assert.equal((await earshot(['status', '-c', config]).ended).code, 1);
  const missing = await earshot(['status', '-c', join(folder, 'nowhere.yaml')]).ended;
  assert.equal(missing.code, 2);
  assert.match(missing.err, /^earshot: Cannot read the configuration .*nowhere[.]yaml: there is no such file/);
});

test('no sensor: one line that says what to do, exit code 2, for every command', async () => {
  const nowhere = join(folder, 'nowhere.sock');
  const commands = [['status'], ['stats'], ['stats', '--watch'], ['tail'], ['top'], ['reload'], ['log-level', 'debug']];
  for (const args of commands) {
    const { code, out, err } = await earshot([...args, '--socket', nowhere]).ended;
    assert.deepEqual([code, out], [2, ''], args.join(' '));
    assert.equal(
      err,
      `earshot: Cannot reach a sensor at ${nowhere}: there is no such socket. Start one with earshot run. For one that runs, be its user (sudo for root), or name its socket with --socket PATH or --config FILE. [not-running]\n`,
    );
  }
});

test('no permission: says which user to be', async (t) => {
  const { socket } = await sensorFor(t);
  if (process.getuid?.() !== 0) {
    chmodSync(socket, 0);
    const { code, err } = await earshot(['status', '--socket', socket]).ended;
    assert.equal(code, 2);
    assert.match(err, /permission denied[.] Run this as the user of the sensor, or as root/);
    return;
  }
  chmodSync(folder, 0o755);
  const nobody = { uid: 65_534, gid: 65_534 };
  if ((await earshot(['--version'], nobody).ended).code !== 0) {
    t.skip('only root can read the project here');
    return;
  }
  const { code, err } = await earshot(['status', '--socket', socket], nobody).ended;
  assert.equal(code, 2);
  assert.match(
    err,
    /^earshot: Cannot talk with the sensor at .*: permission denied[.] Run this as the user of the sensor, or as root [(]sudo[)][.] [[]no-permission]\n$/,
  );
});

test('stats: the block, and the same as JSON', async (t) => {
  const { socket } = await sensorFor(t);
  const { code, out, err } = await earshot(['stats', '--socket', socket]).ended;
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^reader +pipeline +sink$/m);
  assert.match(out, /^kernel drops +12,345 +valid +59,880,000 +errors +2$/m);
  assert.match(out, /^ {2}balances: calls seen 60,000,000 = /m);
  const json = await earshot(['stats', '--json', '--socket', socket]).ended;
  const { stages, pipelines, delivery, ship, ledger, counters } = sampleReport();
  assert.equal(counters['grpc.calls{5}'], 300);
  assert.deepEqual(JSON.parse(json.out), {
    time: '2026-03-03T13:04:05.000Z',
    startedAt: '2026-03-01T10:00:00.000Z',
    stages,
    protocols: Object.fromEntries(Object.entries(counters).filter(([name]) => /^(grpc|http2|websocket|messages)[.]/.test(name))),
    pipelines,
    delivery,
    ship,
    ledger,
  });
  assert.match(out, /^sink edge [(]uap-edge[)] {3}valid: false {3}blocked for 3 min 10 s$/m);
  assert.doesNotMatch(out, /^websocket /m);
  assert.match((await earshot(['stats', '--rules', '--socket', socket]).ended).out, /^websocket +everything +exclude +0$/m);
});

test('stats --watch in a pipe: block after block, until it is interrupted', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const { child, said, ended } = earshot(['stats', '--watch', '0.1', '--socket', socket]);
  await until('three blocks', () => said.out.split('ledger').length > 3);
  child.kill('SIGINT');
  const { code, signal, out, err } = await ended;
  assert.deepEqual([code, signal, err], [0, null, '']);
  assert.doesNotMatch(out, STEERING);
  assert.equal(out.split('\n\n').length, sensor.reports);
  const json = earshot(['stats', '--watch', '0.1', '--json', '--socket', socket]);
  await until('three lines', () => lines(json.said.out).length >= 3);
  json.child.kill('SIGTERM');
  assert.equal((await json.ended).code, 0);
  for (const line of lines(json.said.out)) assert.equal((JSON.parse(line) as { ledger: unknown[] }).ledger.length, 3);
});

test('tail: a line for each call, that filters let through', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const all = earshot(['tail', '--socket', socket]);
  const some = earshot(['tail', '--json', '--status', '5xx', '--host', '*.example', '--path', '/orders/*', '--socket', socket]);
  await until('both watch', () => sensor.watchers === 2);
  const calls = [
    sampleCall(),
    sampleCall({ status: 503 }),
    sampleCall({ status: 503, host: 'shop.test' }),
    sampleCall({ path: '/x', status: 500 }),
  ];
  for (const call of calls) sensor.emit([call]);
  await until('all are there', () => lines(all.said.out).length === 4 && lines(some.said.out).length === 1);
  all.child.kill('SIGINT');
  some.child.kill('SIGINT');
  assert.deepEqual(lines((await all.ended).out), [
    '10:00:00.123 10.0.0.9        GET    200 12.3ms    0 1.2k shop.example/orders/17',
    '10:00:00.123 10.0.0.9        GET    503 12.3ms    0 1.2k shop.example/orders/17',
    '10:00:00.123 10.0.0.9        GET    503 12.3ms    0 1.2k shop.test/orders/17',
    '10:00:00.123 10.0.0.9        GET    500 12.3ms    0 1.2k shop.example/x',
  ]);
  const { code, signal, out, err } = await some.ended;
  assert.deepEqual([code, signal, err], [0, null, '']);
  assert.deepEqual(JSON.parse(out), calls[1]);
  await until('nobody watches', () => sensor.watchers === 0);
});

test('tail --full and --json: heads, bodies and what was masked; only then the records are asked for', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const record = sampleRecord();
  const commands = [['--full'], ['--body-lines', '1'], ['--json'], []];
  const running = commands.map((args) => earshot(['tail', '-n', '1', ...args, '--socket', socket]));
  await until('all watch', () => sensor.watchers === commands.length);
  sensor.emit([sampleCall({ method: 'POST', path: '/login', record })]);
  const [full, cut, json, line] = await Promise.all(running.map(({ ended }) => ended));
  for (const { code, err } of [full, cut, json, line]) assert.deepEqual([code, err], [0, '']);
  assert.deepEqual(JSON.parse(json.out), record);
  assert.equal(lines(line.out).length, 1);
  assert.equal(lines(full.out)[0], lines(line.out)[0]);
  assert.deepEqual(lines(full.out).slice(1, 4), [
    '  > POST /login?next=%2F HTTP/1.1',
    '  > Host: shop.example',
    '  > Authorization: Bearer ***',
  ]);
  assert.match(full.out, /^ {2}> "password":"[*]{3}","pin":"[*]{3}"[}]$/m);
  assert.match(full.out, /^ {2}masked: bearer [(]request[.]header Authorization[)], password [(]request[.]body password[)]/m);
  assert.doesNotMatch(cut.out, /"pin"/);
  assert.match(cut.out, /^ {2}> … [(]61 bytes in all[)]$/m);
});

test('tail -n ends after so many calls; skipped ones are told', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const { ended } = earshot(['tail', '-n', '3', '--socket', socket]);
  await until('it watches', () => sensor.watchers === 1);
  sensor.emit([sampleCall(), sampleCall()], 1_234);
  sensor.emit([sampleCall(), sampleCall(), sampleCall()], 1);
  const { code, out, err } = await ended;
  assert.equal(code, 0);
  assert.equal(lines(out).length, 3);
  assert.equal(
    err,
    'earshot: skipped 1,234 calls, more than run.watchCallsPerSecondMax lets each worker hand on\nearshot: skipped 1 call, more than run.watchCallsPerSecondMax lets each worker hand on\n',
  );
  assert.equal((await earshot(['tail', '-n', '0', '--socket', socket]).ended).code, 0);
});

test('bytes off the wire never reach the terminal as they are', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const hostile = '/\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\x00\x7f\u2028\u{e0041}';
  const call = sampleCall({ path: hostile, host: hostile, method: hostile, client: hostile, template: hostile, tunnel: hostile });
  const commands = [
    ['tail', '-n', '1'],
    ['tail', '-n', '1', '--json'],
    ['tail', '-n', '1', '--full'],
    ['top', '--once', '--watch', '1'],
    ['top', '--once', '--watch', '1', '--json'],
  ];
  const running = commands.map((args) => earshot([...args, '--socket', socket]));
  await until('all watch', () => sensor.watchers === commands.length);
  const record = { ...sampleRecord(), host: hostile };
  const { request } = record;
  assert.ok(request !== null);
  request.headers.push([hostile, hostile]);
  request.body.text = hostile;
  sensor.emit([{ ...call, record }]);
  const [text, json, full, top, topJson] = await Promise.all(running.map(({ ended }) => ended));
  for (const { code, out, err } of [text, json, full, top, topJson]) {
    assert.deepEqual([code, err], [0, '']);
    assert.doesNotMatch(out, STEERING);
    assert.ok(out.includes('owned'));
  }
  assert.deepEqual(JSON.parse(json.out), record);
  assert.equal(lines(text.out).length, 1);
  sensor.reloaded = { ok: false, text: `a.yaml:1:1: ${hostile}` };
  const reload = await earshot(['reload', '--socket', socket]).ended;
  assert.doesNotMatch(reload.err, STEERING);
});

test('top --once: rates by host, endpoint and client', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const text = earshot(['top', '--once', '--watch', '1', '--socket', socket]);
  const json = earshot(['top', '--once', '--watch', '1', '--json', '--by', 'endpoint', '--socket', socket]);
  await until('both watch', () => sensor.watchers === 2);
  sensor.emit([...Array.from({ length: 9 }, () => sampleCall()), sampleCall({ host: 'b.example', status: 500 })], 30);
  const { code, out, err } = await text.ended;
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^[\d.]+ calls\/s over \d+ s, 0 % 4xx, 10 % 5xx, /);
  assert.match(out, /^a sample: 10 of 40 calls were looked at; rates are scaled up$/m);
  assert.match(out, /^ +[\d.]+ +0 % +0 % +12[.]3 ms +12[.]3 ms +[\d.]+ kbit\/s {2}shop[.]example$/m);
  assert.match(out, / {2}GET shop[.]example\/orders\/[{]int[}]$/m);
  assert.match(out, / {2}10[.]0[.]0[.]9$/m);
  for (const line of lines(out)) assert.ok(line.length <= 100, line);
  assert.doesNotMatch(out, /gRPC/);
  const view = JSON.parse((await json.ended).out) as {
    calls: number;
    skipped: number;
    by: { endpoint: { rows: { key: string }[] }; host?: unknown };
  };
  assert.deepEqual([view.calls, view.skipped, view.by.host], [10, 30, undefined]);
  assert.deepEqual(
    view.by.endpoint.rows.map(({ key }) => key),
    ['GET shop.example/orders/{int}', 'GET b.example/orders/{int}'],
  );
});

test('top: calls of gRPC that failed, though their status is 200', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const text = earshot(['top', '--once', '--watch', '1', '--by', 'host', '--socket', socket]);
  const json = earshot(['top', '--once', '--watch', '1', '--json', '--socket', socket]);
  await until('both watch', () => sensor.watchers === 2);
  sensor.emit([...Array.from({ length: 3 }, () => sampleCall({ grpcStatus: 0 })), sampleCall({ grpcStatus: 14 })]);
  const { out } = await text.ended;
  assert.match(out, /^[\d.]+ calls\/s over \d+ s, 0 % 4xx, 0 % 5xx, 25 % gRPC errors, /);
  assert.match(out, /^calls\/s +4xx +5xx +gRPC +p50 /m);
  assert.match(out, /^ +[\d.]+ +0 % +0 % +25 % .* {2}shop[.]example$/m);
  for (const line of lines(out)) assert.ok(line.length <= 100, line);
  assert.equal((JSON.parse((await json.ended).out) as { total: { grpcErrors: number } }).total.grpcErrors, 0.25);
});

test('reload and log-level', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  assert.deepEqual(await earshot(['reload', '--socket', socket]).ended, {
    code: 0,
    signal: null,
    out: `${sensor.reloaded.text}\n`,
    err: '',
  });
  sensor.reloaded = { ok: false, text: 'The configuration stays as it is: it has a mistake.\n  a.yaml:3:1: log: there is no such setting' };
  const refused = await earshot(['reload', '--socket', socket]).ended;
  assert.deepEqual(refused, { code: 2, signal: null, out: '', err: `earshot: ${sensor.reloaded.text}\n` });
  const { code, out } = await earshot(['log-level', 'debug', '--socket', socket]).ended;
  assert.deepEqual([code, sensor.level], [0, 'debug']);
  assert.match(out, /^The sensor logs from level debug on/);
});

test('the sensor stops while somebody watches: said, exit code 2', async (t) => {
  const { sensor, socket, server } = await sensorFor(t);
  const commands = [['tail'], ['top', '--watch', '60'], ['stats', '--watch', '0.1']];
  const running = commands.map((args) => earshot([...args, '--socket', socket]));
  await until('all watch', () => sensor.watchers === 2 && running[2].said.out !== '');
  await server.close();
  for (const { ended } of running) {
    const { code, err } = await ended;
    assert.equal(code, 2);
    assert.equal(
      err,
      'earshot: There is nothing more to show: the sensor stopped. Look into its log, or start it again. [sensor-stopped]\n',
    );
  }
});

test('a reader that goes away ends it, silently and with success', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const { ended } = shell(`EARSHOT tail --socket '${socket}' | head -n 1; echo "$PIPESTATUS"`);
  await until('it watches', () => sensor.watchers === 1);
  const feed = setInterval(() => sensor.emit([sampleCall()]), 20);
  t.after(() => clearInterval(feed));
  const { out, err } = await ended;
  assert.deepEqual([lines(out).length, lines(out)[1], err], [2, '0', '']);
  const { out: code, err: said } = await shell(`EARSHOT stats --watch 0.1 --socket '${socket}' | true; echo "$PIPESTATUS"`).ended;
  assert.deepEqual([code, said], ['0\n', '']);
  await until('nobody watches', () => sensor.watchers === 0);
});

test('a reader that stops reading loses calls, and hears how many; the sensor goes on', async (t) => {
  const { sensor, socket } = await sensorFor(t);
  const { child, said, ended } = earshot(['tail', '--socket', socket], { stdio: ['ignore', 'pipe', 'pipe'] });
  await until('it watches', () => sensor.watchers === 1);
  child.stdout?.pause();
  const CALLS = 6_000;
  for (let i = 0; i < CALLS; i += 20) {
    sensor.emit(Array.from({ length: 20 }, () => sampleCall({ path: `/${'x'.repeat(2_000)}` })));
    if (i % 1_000 === 0) await sleep(1);
  }
  child.stdout?.resume();
  const skipped = (): number =>
    [...said.err.matchAll(/skipped ([\d,]+) call/g)].reduce((sum, [, text]) => sum + Number(text.replaceAll(',', '')), 0);
  await until('every call is printed or told as skipped', () => lines(said.out).length + skipped() === CALLS);
  assert.ok(skipped() > 0);
  child.kill('SIGINT');
  assert.equal((await ended).code, 0);
});

test('a full disk is an error, not an end', async (t) => {
  if (!existsSync('/dev/full')) {
    t.skip('there is no /dev/full here');
    return;
  }
  const { sensor, socket } = await sensorFor(t);
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const { ended } = earshot(['tail', '--socket', socket], { stdio: ['ignore', full, 'pipe'] });
  await until('it watches', () => sensor.watchers === 1);
  sensor.emit([sampleCall()]);
  const { code, err } = await ended;
  assert.equal(code, 3);
  assert.match(err, /^earshot: Cannot write to standard output: no space is left on the device/);
});

test('wrong options are one line each', async () => {
  const wrong: [string[], RegExp][] = [
    [['tail', '--status', '4x'], /Cannot filter by --status "4x": wanted is a status as 404, 5xx/],
    [['tail', '--client', '10.0.0.0/40'], /Cannot filter by --client/],
    [['tail', '--slower', 'soon'], /Wanted: a number of milliseconds/],
    [['tail', '-n', '-1'], /Wanted: a number of calls|unknown option/],
    [['tail', '--body-lines', 'all'], /Wanted: a number of lines from 0 to 9999/],
    [['stats', '--watch', '0'], /Wanted: a number of seconds from 0[.]1 to 3600[.] See earshot stats --help/],
    [['top', '--watch', '61'], /Wanted: a number of seconds from 1 to 60/],
    [['top', '--by', 'colour'], /Allowed choices are host, endpoint, client/],
    [['log-level', 'loud'], /Allowed choices are trace, debug, info, warn, error/],
    [['log-level'], /missing required argument 'level'/],
    [['status', 'now'], /too many arguments/],
  ];
  for (const [args, message] of wrong) {
    const { code, out, err } = await earshot(args).ended;
    assert.deepEqual([code, out], [2, ''], args.join(' '));
    assert.match(err, message);
    assert.match(err, /^earshot: [^\n]+\n$/);
  }
});

test('help names the options and the exit codes', async () => {
  const { out } = await earshot(['status', '--help']).ended;
  assert.match(out, /^ {2}0 +ready, without faults\n {2}1 +with faults, or not ready\n {2}2 +no sensor can be asked\n {2}3 /m);
  assert.equal(out.match(/^ {2}1 /gm)?.length, 1, 'each is told once');
  assert.match((await earshot(['--help']).ended).out, /^ {2}1 +status: the sensor runs, but is not well/m);
  for (const command of ['status', 'stats', 'tail', 'top', 'reload', 'log-level']) {
    const help = await earshot([command, '--help']).ended;
    assert.equal(help.code, 0);
    assert.ok(help.out.includes('--socket <path>') && help.out.includes('--config <file>'), command);
  }
});

test('on a terminal: redrawn in place, Ctrl-C ends it and gives the cursor back', async (t) => {
  if (!existsSync(SCRIPT)) {
    t.skip('the program script is not installed');
    return;
  }
  const { sensor, socket } = await sensorFor(t);
  const env = { ...process.env, TERM: 'xterm', NO_COLOR: '' };
  for (const command of [`stats --watch 0.1`, 'top']) {
    const { child, said, ended } = start(
      SCRIPT,
      ['-qec', `stty cols 80 rows 30; exec '${launcher}' ${command} --socket '${socket}'`, '/dev/null'],
      { stdio: ['pipe', 'pipe', 'pipe'], env },
    );
    await until('two pictures', () => said.out.split('\x1b[H').length > 2);
    if (command === 'top') {
      await until('it watches', () => sensor.watchers === 1);
      sensor.emit([sampleCall()]);
      await until('the call is shown', () => said.out.includes('shop.example'));
    }
    child.stdin?.write('\x03');
    const { code, out } = await ended;
    assert.equal(code, 0, command);
    assert.ok(out.includes('\x1b[?25l') && out.trimEnd().endsWith('\x1b[?25h'), JSON.stringify(out.slice(-200)));
    const pictures = out.split('\x1b[H').slice(1);
    for (const picture of pictures) assert.ok(picture.split('\n').length <= 31, 'a picture is higher than the screen');
    assert.ok(pictures.length >= 2);
  }
});
