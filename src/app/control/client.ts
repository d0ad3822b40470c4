/** The other end of the control socket: what `earshot status` and its like talk through. */
import { connect, type Socket } from 'node:net';
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { CallFilter } from '../call-filter.ts';
import type { CallLine } from '../call-line.ts';
import { shown } from '../terminal.ts';
import { LineReader } from './lines.ts';
import { SOCKET_PATH_BYTES_MAX } from './path.ts';
import { ANSWER_BYTES_MAX, type ControlAnswer, type ControlError, type ControlRequest } from './protocol.ts';

const ANSWER_MS = 10_000;
const SLOW_MS = 60_000;
const TEXT_MAX = 500;

type AnswerTo<R extends ControlRequest> = R['command'] extends 'who'
  ? Extract<ControlAnswer, { who: unknown }>
  : R['command'] extends 'report'
    ? Extract<ControlAnswer, { report: unknown }>
    : R['command'] extends 'reload'
      ? Extract<ControlAnswer, { reload: unknown }>
      : R['command'] extends 'dead-letters'
        ? Extract<ControlAnswer, { deadLetters: unknown }>
        : R['command'] extends 'replay'
          ? Extract<ControlAnswer, { replayed: unknown }>
          : Extract<ControlAnswer, { logLevel: unknown }>;

const answerKeys = {
  who: 'who',
  report: 'report',
  reload: 'reload',
  'log-level': 'logLevel',
  'dead-letters': 'deadLetters',
  replay: 'replayed',
  watch: 'watching',
} as const;
/** These take as long as they take: a disk is read, rules are compiled. */
const slowCommands: readonly string[] = ['reload', 'dead-letters', 'replay'];

/**
 * Asks, and gives the answer. Throws SensorError: not-running, no-permission, control-failed (no answer, or a refusal).
 */
export async function ask<R extends Exclude<ControlRequest, { command: 'watch' }>>(
  path: string,
  request: R,
  limitMs: number = slowCommands.includes(request.command) ? SLOW_MS : ANSWER_MS,
): Promise<AnswerTo<R>> {
  checkLength(path);
  return await new Promise<AnswerTo<R>>((resolve, reject) => {
    const socket = open(path, request, reject, (answer) => {
      socket.destroy();
      clearTimeout(late);
      resolve(answer as AnswerTo<R>);
    });
    const late = setTimeout(() => {
      socket.destroy();
      reject(noAnswer(path, `no answer within ${limitMs / 1000} s`));
    }, limitMs);
    socket.on('close', () => clearTimeout(late));
  });
}

export interface Watch {
  /** Resolves after `stop`; rejects with a SensorError (sensor-stopped, ...) when the other side ends it. */
  readonly ended: Promise<void>;
  stop(): void;
}

/** Resolves once the sensor hands on calls, with their records when `whole`; the same errors as `ask`. */
export async function watchCalls(
  path: string,
  filter: CallFilter,
  onCalls: (calls: readonly CallLine[], skipped: number) => void,
  whole = false,
): Promise<Watch> {
  checkLength(path);
  return await new Promise<Watch>((resolve, reject) => {
    let isWatching = false;
    let isStopped = false;
    const end = Promise.withResolvers<void>();
    // Whoever waits for it hears it; nobody may.
    end.promise.catch(() => {});
    const fail = (error: unknown): void => {
      clearTimeout(late);
      socket.destroy();
      reject(error);
      end.reject(error);
    };
    const socket = open(path, { command: 'watch', filter, whole }, fail, (answer) => {
      if (isStopped) return;
      if ('watching' in answer) {
        isWatching = true;
        clearTimeout(late);
        resolve({
          ended: end.promise,
          stop: () => {
            isStopped = true;
            socket.destroy();
            end.resolve();
          },
        });
      } else if ('calls' in answer) {
        try {
          onCalls(answer.calls, answer.skipped);
        } catch (error) {
          fail(error);
        }
      }
    });
    const late = setTimeout(() => fail(noAnswer(path, `no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
    socket.on('close', () => {
      if (!isStopped && isWatching) fail(stopped());
    });
  });
}

/** What is said when the sensor goes away while a command listens to it. */
export function stopped(): SensorError {
  return new SensorError('sensor-stopped', 'There is nothing more to show', 'the sensor stopped', 'Look into its log, or start it again.');
}

function noAnswer(path: string, why: string): SensorError {
  return new SensorError(
    'control-failed',
    `Cannot talk with the sensor at ${path}`,
    why,
    'Look into its log; if it hangs, end it with two SIGTERM and start it again.',
  );
}

function refusal({ code, what, next }: ControlError): SensorError {
  const text = (given: unknown): string => shown(String(given), TEXT_MAX).replace(/[.]$/, '');
  return new SensorError('control-failed', `The sensor did not do it (${text(code)})`, text(what), `${text(next)}.`);
}

/** The system would cut a longer path without a word. */
function checkLength(path: string): void {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) throw connectFailed(path, Object.assign(new Error(), { code: 'ENAMETOOLONG' }));
}

function connectFailed(path: string, error: unknown): SensorError {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM') {
    return new SensorError(
      'no-permission',
      `Cannot talk with the sensor at ${path}`,
      'permission denied',
      'Run this as the user of the sensor, or as root (sudo).',
      error,
    );
  }
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED' || code === 'ENOTSOCK') {
    const why = code === 'ECONNREFUSED' ? 'nobody listens there' : code === 'ENOTSOCK' ? 'it is no socket' : 'there is no such socket';
    return new SensorError(
      'not-running',
      `Cannot reach a sensor at ${path}`,
      why,
      'Start one with earshot run. For one that runs, be its user (sudo for root), or name its socket with --socket PATH or --config FILE.',
      error,
    );
  }
  return new SensorError(
    'control-failed',
    `Cannot reach a sensor at ${path}`,
    reasonOf(error),
    'Name its socket with --socket PATH.',
    error,
  );
}

/** Sends the request and hands on every answer; each way to fail ends in one call of `fail`. */
function open(path: string, request: ControlRequest, fail: (error: SensorError) => void, take: (answer: ControlAnswer) => void): Socket {
  const reader = new LineReader(ANSWER_BYTES_MAX);
  const wanted = [answerKeys[request.command], ...(request.command === 'watch' ? ['calls'] : [])];
  let answered = false;
  const socket = connect({ path });
  socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
  socket.on('error', (error) => {
    // A reset behind the answer, or in the middle of a watch, is an end: `close` tells it.
    if (!answered) fail(connectFailed(path, error));
    answered = true;
  });
  socket.on('data', (piece: Buffer) => {
    const lines = reader.take(piece);
    if (lines === null) {
      socket.destroy();
      fail(noAnswer(path, 'its answer is longer than any answer of a sensor'));
      return;
    }
    for (const line of lines) {
      if (socket.destroyed) return;
      const answer = parseAnswer(line);
      answered = true;
      if (answer !== null && 'error' in answer) {
        socket.destroy();
        fail(refusal(answer.error));
      } else if (answer !== null && wanted.some((key) => key in answer)) take(answer);
      else {
        socket.destroy();
        fail(noAnswer(path, 'what answers there is no sensor, or one of another version'));
      }
    }
  });
  socket.on('close', () => {
    if (!answered) fail(noAnswer(path, 'it closed the connection without an answer'));
    answered = true;
  });
  return socket;
}

function parseAnswer(line: string): ControlAnswer | null {
  try {
    const answer = JSON.parse(line) as ControlAnswer | null;
    return typeof answer === 'object' ? answer : null;
  } catch {
    return null;
  }
}
