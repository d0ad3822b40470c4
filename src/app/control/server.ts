/**
 * The sensor's end of the control socket. Who may connect is decided by the mode of the file, 0600: the user of the
 * sensor, and root. The socket is made and listens under a name of its own, with that mode from its first moment, and
 * then gets its real name by link(2), which never replaces another: of two sensors that start at once, one wins.
 *
 * Bounds: 32 connections, requests of 64 KiB, ten seconds to send one, and 256 KiB that wait for a watcher to be read, or
 * 15 MiB for one of whole records; what comes beyond that is counted, and told to the watcher when it reads again.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { LetterFilter } from '../../ship/dead-letters.ts';
import { type CallFilter, compileCallFilter } from '../call-filter.ts';
import type { CallLine } from '../call-line.ts';
import { version } from '../version.ts';
import { ask } from './client.ts';
import { LineReader } from './lines.ts';
import { SOCKET_PATH_BYTES_MAX } from './path.ts';
import {
  type ControlAnswer,
  type ControlErrorCode,
  type ControlRequest,
  logLevels,
  REQUEST_BYTES_MAX,
  type SensorControl,
} from './protocol.ts';

export const CONNECTIONS_MAX = 32;
/** Connections beyond them that are told so at the same time; further ones are closed without a word. */
const REFUSALS_MAX = 32;
/** Bytes that wait for a watcher of whole records; all of them in one line are still an answer that a client takes. */
const WHOLE_BYTES_MAX = 15 << 20;
/** Bytes that wait for one of lines. */
const WATCH_BYTES_MAX = 256 << 10;
/** To send a request, and to take the answer. */
const EXCHANGE_MS = 10_000;
const WHO_MS = 1_000;
/** Another sensor may be between taking the name and listening, or about to end. */
const SECOND_LOOK_MS = 100;
const CLOSE_MS = 500;
const TAKE_OVER_TRIES = 3;

export interface ControlServer {
  readonly path: string;
  /** Ends all connections and takes the socket away. */
  close(): Promise<void>;
}

/** Opens the control socket. Throws SensorError: already-running, no-permission, control-failed. */
export async function startControl(path: string, sensor: SensorControl): Promise<ControlServer> {
  const folder = dirname(path);
  const unnamed = join(folder, `.${randomBytes(6).toString('hex')}`);
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX || Buffer.byteLength(unnamed) > SOCKET_PATH_BYTES_MAX) {
    throw new SensorError(
      'control-failed',
      `Cannot open the control socket ${path}`,
      `its path has more bytes than the system permits (${SOCKET_PATH_BYTES_MAX})`,
      'Set control.socket to a shorter path.',
    );
  }
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => accept(socket, sensor, open));
  server.maxConnections = CONNECTIONS_MAX + REFUSALS_MAX;
  let own: Stats;
  try {
    makeFolder(folder);
    await listen(server, unnamed);
    try {
      // The umask has seen to it; where it does not count (an ACL of the folder) this does.
      chmodSync(unnamed, 0o600);
      await takeName(unnamed, path);
      own = statSync(path);
    } finally {
      unlinkSync(unnamed);
    }
  } catch (error) {
    server.close();
    throw error instanceof SensorError ? error : refused(path, error);
  }
  return {
    path,
    close: async () => {
      if (isSame(path, own)) unlinkSync(path);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.end();
      const late = setTimeout(() => {
        for (const socket of open) socket.destroy();
      }, CLOSE_MS);
      await closed;
      clearTimeout(late);
    },
  };
}

function refused(path: string, error: unknown): SensorError {
  const denied = codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM';
  return new SensorError(
    denied ? 'no-permission' : 'control-failed',
    `Cannot open the control socket ${path}`,
    reasonOf(error),
    'Name a path in a folder that exists and that the sensor may write to: --socket PATH, or control.socket in the configuration.',
    error,
  );
}

/** Makes the last part of the folder's path when it is missing, for this user alone. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** Listens with the mode 0600 from the first moment: bind(2) applies the umask. */
async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(0o177);
    try {
      // Binds before it returns; only the event comes later.
      server.listen(path, CONNECTIONS_MAX, resolve);
    } finally {
      process.umask(before);
    }
  });
  server.removeAllListeners('error');
  // Out of file descriptors for a moment: the sensor goes on, and the client is told by the system.
  server.on('error', () => {});
}

/** Gives the socket its name, away from a dead sensor if need be. */
async function takeName(unnamed: string, path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      linkSync(unnamed, path);
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || tries === TAKE_OVER_TRIES) throw error;
    }
    const holder = statOf(path);
    if (holder === undefined) continue;
    if (!holder.isSocket()) {
      throw new SensorError(
        'control-failed',
        `Cannot open the control socket ${path}`,
        'there is another file of that name',
        'Set control.socket to another path, or move the file away.',
      );
    }
    if (!(await isDead(path))) continue;
    if (isSame(path, holder)) unlinkSync(path);
  }
}

/** Whether nobody listens there. False when the name is gone. Throws already-running when a sensor lives there. */
async function isDead(path: string): Promise<boolean> {
  for (let look = 1; ; look++) {
    let who: string;
    try {
      const answer = await ask(path, { command: 'who' }, WHO_MS);
      who = `the sensor of process ${answer.who.pid} has it`;
    } catch (error) {
      if (!(error instanceof SensorError)) throw error;
      const system = codeOf(error.cause);
      if (system === 'ENOENT') return false;
      if (system === 'ECONNREFUSED') {
        if (look === 2) return true;
        await sleep(SECOND_LOOK_MS);
        continue;
      }
      who = 'another process has it, which does not say who it is';
    }
    throw alreadyRunning(path, who);
  }
}

/** Throws already-running when a sensor answers there: before a second one meets its ports and its spool. */
export async function refuseSecond(path: string): Promise<void> {
  let pid: number;
  try {
    pid = (await ask(path, { command: 'who' }, WHO_MS)).who.pid;
  } catch (error) {
    // Whatever else is there, opening the socket tells.
    if (error instanceof SensorError) return;
    throw error;
  }
  throw alreadyRunning(path, `the sensor of process ${pid} has it`);
}

function alreadyRunning(path: string, who: string): SensorError {
  return new SensorError(
    'already-running',
    `Cannot open the control socket ${path}`,
    who,
    'Stop that sensor first, or give this one a control.socket of its own.',
  );
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function isSame(path: string, before: Stats): boolean {
  const now = statOf(path);
  return now !== undefined && now.ino === before.ino && now.dev === before.dev;
}

function lineOf(answer: ControlAnswer): string {
  return `${JSON.stringify(answer)}\n`;
}

function errorLine(code: ControlErrorCode, what: string, next: string): string {
  return lineOf({ error: { code, what, next } });
}

function accept(socket: Socket, sensor: SensorControl, open: Set<Socket>): void {
  open.add(socket);
  socket.on('close', () => open.delete(socket));
  // Reset by the other side: `close` follows.
  socket.on('error', () => {});
  socket.setTimeout(EXCHANGE_MS, () => socket.destroy());
  if (open.size > CONNECTIONS_MAX) {
    socket.resume();
    socket.end(errorLine('busy', `${CONNECTIONS_MAX} connections are open already`, 'Close some of them (tail, top, stats --watch).'));
    return;
  }
  const reader = new LineReader(REQUEST_BYTES_MAX);
  let asked = false;
  socket.on('data', (piece: Buffer) => {
    if (asked) return;
    const lines = reader.take(piece);
    if (lines === null) {
      asked = true;
      socket.end(errorLine('request-too-long', `the request is longer than ${REQUEST_BYTES_MAX} bytes`, 'Send one line of JSON.'));
    } else if (lines.length > 0) {
      asked = true;
      void answer(socket, sensor, lines[0]);
    }
  });
  socket.on('end', () => {
    if (asked) return;
    if (reader.pending === 0) socket.end();
    else socket.end(errorLine('request-invalid', 'the request does not end with a line feed', 'Send one line of JSON.'));
  });
}

const COMMANDS = 'Commands are who, report, reload, log-level, dead-letters, replay and watch.';

/** The request in a line; a string says what is wrong with it. */
function parseRequest(line: string): ControlRequest | string {
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch {
    return 'the request is no JSON';
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return 'the request is no JSON object';
  const { command, level, filter, whole } = given as Record<string, unknown>;
  switch (command) {
    case 'who':
    case 'report':
    case 'reload':
      return { command };
    case 'log-level': {
      const known = logLevels.find((name) => name === level);
      return known === undefined ? `the level is none of ${logLevels.join(', ')}` : { command, level: known };
    }
    case 'dead-letters':
    case 'replay': {
      const letters = letterFilter(filter);
      return typeof letters === 'string' ? letters : { command, filter: letters };
    }
    case 'watch':
      if (whole !== undefined && typeof whole !== 'boolean') return 'whole is neither true nor false';
      if (filter !== undefined && (typeof filter !== 'object' || filter === null)) return 'the filter is no JSON object';
      return { command, filter: filter ?? {}, whole: whole === true };
    default:
      return 'there is no such command';
  }
}

/** The filter of dead letters in a request; a string says what is wrong with it. */
function letterFilter(given: unknown): LetterFilter | string {
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return 'the filter is no JSON object';
  const { sink, code, sinceMs, ...others } = given as Record<string, unknown>;
  if (Object.keys(others).length > 0) return `the filter knows sink, code and sinceMs, not ${Object.keys(others)[0]}`;
  if ((sink !== undefined && typeof sink !== 'string') || (code !== undefined && typeof code !== 'string')) {
    return 'sink or code is no text';
  }
  if (sinceMs !== undefined && (typeof sinceMs !== 'number' || !Number.isFinite(sinceMs))) return 'sinceMs is no number';
  return { ...(sink !== undefined && { sink }), ...(code !== undefined && { code }), ...(sinceMs !== undefined && { sinceMs }) };
}

async function answer(socket: Socket, sensor: SensorControl, line: string): Promise<void> {
  const request = parseRequest(line);
  if (typeof request === 'string') {
    socket.end(errorLine('request-invalid', request, COMMANDS));
    return;
  }
  try {
    switch (request.command) {
      case 'who':
        socket.end(lineOf({ who: { pid: process.pid, version: version() } }));
        break;
      case 'report':
        socket.end(lineOf({ report: sensor.report() }));
        break;
      case 'reload': {
        // As long as it takes: it ends by itself.
        socket.setTimeout(0);
        const reload = await sensor.reload();
        socket.setTimeout(EXCHANGE_MS);
        socket.end(lineOf({ reload }));
        break;
      }
      case 'log-level':
        sensor.setLogLevel(request.level);
        socket.end(lineOf({ logLevel: request.level }));
        break;
      case 'dead-letters': {
        socket.setTimeout(0);
        const deadLetters = await sensor.deadLetters(request.filter ?? {});
        socket.setTimeout(EXCHANGE_MS);
        socket.end(lineOf({ deadLetters }));
        break;
      }
      case 'replay': {
        socket.setTimeout(0);
        const replayed = await sensor.replay(request.filter ?? {});
        socket.setTimeout(EXCHANGE_MS);
        socket.end(lineOf({ replayed }));
        break;
      }
      case 'watch':
        // What is wrong with the filter is answered before the worker meets it.
        compileCallFilter(request.filter ?? {});
        watch(socket, sensor, request.filter ?? {}, request.whole === true);
    }
  } catch (error) {
    if (error instanceof SensorError) {
      const code = error.code === 'usage' ? 'request-invalid' : 'failed';
      socket.end(errorLine(code, `${error.what}: ${error.why}`, error.next));
    } else socket.end(errorLine('failed', error instanceof Error ? error.message : String(error), 'See the log of the sensor.'));
  }
}

function watch(socket: Socket, sensor: SensorControl, filter: CallFilter, whole: boolean): void {
  // A watcher is silent, and so are calls at night.
  socket.setTimeout(0);
  let lost = 0;
  const send = (lines: readonly string[], skipped: number): void => {
    socket.write(`{"calls":[${lines.join(',')}],"skipped":${skipped}}\n`);
  };
  const onCalls = (calls: readonly CallLine[], skipped: number): void => {
    if (!socket.writable) return;
    let room = (whole ? WHOLE_BYTES_MAX : WATCH_BYTES_MAX) - socket.writableLength;
    const lines: string[] = [];
    lost += skipped;
    for (const call of calls) {
      const line = room > 0 ? JSON.stringify(call) : '';
      room -= Buffer.byteLength(line);
      if (room > 0) lines.push(line);
      else lost++;
    }
    if (lines.length === 0 && (lost === 0 || socket.writableNeedDrain)) return;
    send(lines, lost);
    lost = 0;
  };
  socket.write(lineOf({ watching: true }));
  const stop = sensor.watch(filter, onCalls, whole);
  socket.on('drain', () => {
    if (lost === 0 || !socket.writable) return;
    send([], lost);
    lost = 0;
  });
  socket.on('close', stop);
  // The other side has no more to say: it is gone, or it does not want more.
  socket.on('end', () => socket.end());
  if (socket.readableEnded) socket.end();
}
