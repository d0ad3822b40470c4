/**
 * The log of the service: lines of JSON on standard error or in files that rotate (app/log-file.ts); readable lines
 * when standard error is a terminal. docs/logging.md says what the fields are.
 *
 * Writing never throws and never waits. A line is one line whatever its values hold: control characters and others
 * that steer terminals are escaped.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { type Logger as Pino, pino } from 'pino';
import { codeOf } from '../base/errors.ts';
import type { LogLevel, Settings } from '../base/settings.ts';
import { LogFile } from './log-file.ts';
import { type Colours, coloursOf } from './terminal.ts';

/** What a line says beside its message: numbers, strings, lists. An Error becomes its message or its stack. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  readonly level: LogLevel;
  /** Lines that did not come where they belong: to standard error in place of the file. */
  readonly errors: number;
  /** Lines that came nowhere, because standard error takes none. */
  readonly lost: number;
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The log of one component: the same for the same name. Names are few and fixed. */
  child(component: string): Log;
  /** For this log and all its children, from now on. */
  setLevel(level: LogLevel): void;
  /** Writes what waits. Later lines go to standard error. */
  close(): Promise<void>;
}

export interface LogOptions {
  /** How long after a failure the file is tried again. */
  readonly retryMs?: number;
}

const RETRY_MS = 30_000;
const HOUR_MS = 3_600_000;
/** Bytes that wait while a pipe on standard error is full. */
const PIPE_QUEUE_BYTES_MAX = 256 << 10;
const PIPE_AGAIN_MS = 100;
const STDERR = 2;

/** Opens the log that the settings name. Throws SensorError (log-failed). */
export function openLog(settings: Settings['log'], options: LogOptions = {}): Log {
  const stderr = new StandardError();
  const terminal = process.stderr.isTTY === true ? coloursOf(process.stderr) : null;
  const toStderr = (line: string): void => stderr.write(terminal === null ? line : readable(line, terminal));
  let file: LogFile | undefined;
  if (settings.file !== '') {
    let made = '';
    const own = pinoFor((line) => {
      made = line;
    }).child({ component: 'log' });
    file = new LogFile({
      path: settings.file,
      rotateBytes: settings.rotateBytes,
      rotateMs: settings.rotateHours * HOUR_MS,
      filesMax: settings.filesMax,
      retryMs: options.retryMs ?? RETRY_MS,
      instead: toStderr,
      complain: (message, fields) => {
        own.warn(fields, message);
        toStderr(made);
      },
      resumed: (linesElsewhere) => {
        own.warn({ linesElsewhere }, 'the log is written to this file again; lines before went to standard error');
        return made;
      },
    });
  }
  const root = pinoFor(file === undefined ? toStderr : (line) => file.write(line));
  root.level = settings.level;
  const onExit = (): void => file?.flushAtExit();
  process.on('exit', onExit);
  return new PinoLog({ root, children: new Map(), file, stderr, onExit }, root);
}

function pinoFor(write: (line: string) => void): Pino {
  return pino(
    {
      level: 'trace',
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }), log: plain },
    },
    { write: (line) => write(harmless(line)) },
  );
}

/** What a log and its children share. */
interface Core {
  readonly root: Pino;
  readonly children: Map<string, PinoLog>;
  readonly file: LogFile | undefined;
  readonly stderr: StandardError;
  readonly onExit: () => void;
}

class PinoLog implements Log {
  readonly #core: Core;
  readonly #pino: Pino;

  constructor(core: Core, own: Pino) {
    this.#core = core;
    this.#pino = own;
  }
  get level(): LogLevel {
    return this.#pino.level as LogLevel;
  }
  get errors(): number {
    return this.#core.file?.errors ?? 0;
  }
  get lost(): number {
    return this.#core.stderr.lost;
  }
  trace(message: string, fields: LogFields = {}): void {
    this.#pino.trace(fields, message);
  }
  debug(message: string, fields: LogFields = {}): void {
    this.#pino.debug(fields, message);
  }
  info(message: string, fields: LogFields = {}): void {
    this.#pino.info(fields, message);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#pino.warn(fields, message);
  }
  error(message: string, fields: LogFields = {}): void {
    this.#pino.error(fields, message);
  }
  child(component: string): Log {
    const { root, children } = this.#core;
    let child = children.get(component);
    if (child === undefined) {
      child = new PinoLog(this.#core, root.child({ component }));
      children.set(component, child);
    }
    return child;
  }
  setLevel(level: LogLevel): void {
    this.#core.root.level = level;
    // A child of pino keeps the level that it was born with.
    for (const child of this.#core.children.values()) child.#pino.level = level;
  }
  async close(): Promise<void> {
    await this.#core.file?.close();
    await this.#core.stderr.close();
    process.off('exit', this.#core.onExit);
  }
}

const reserved = new Set(['level', 'time', 'component', 'message']);

/** Fields as they are written: errors in words, and none that would stand beside one of the line's own names. */
function plain(fields: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const known = value instanceof Error && (value.name === 'SensorError' || codeOf(value) !== '');
    out[reserved.has(name) ? `${name}_` : name] = value instanceof Error ? (known ? value.message : (value.stack ?? value.message)) : value;
  }
  return out;
}

/** Within JSON such characters stand only in strings, where `\u` and four digits mean the same. */
function harmless(line: string): string {
  return `${escaped(line.slice(0, -1))}\n`;
}

function escaped(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    let out = '';
    for (let i = 0; i < character.length; i++) out += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
    return out;
  });
}

const paint: Readonly<Record<string, 'gray' | 'cyan' | 'green' | 'yellow' | 'red'>> = {
  trace: 'gray',
  debug: 'cyan',
  info: 'green',
  warn: 'yellow',
  error: 'red',
};

/** A line of JSON for a person: time, level, component, message, fields. */
export function readable(line: string, colours: Colours): string {
  const { level, time, component, message, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = new Date(String(time));
  const at = `${clock.toTimeString().slice(0, 8)}.${String(clock.getMilliseconds()).padStart(3, '0')}`;
  const name = String(level);
  const head = `${colours.gray(at)} ${colours[paint[name] ?? 'gray'](name.toUpperCase().padEnd(5))}`;
  const from = component === undefined ? '' : ` ${colours.gray(`${oneLine(String(component))}:`)}`;
  const rest = Object.entries(fields).map(([key, value]) => ` ${colours.gray(`${oneLine(key)}=`)}${shownValue(value)}`);
  return `${head}${from} ${oneLine(String(message ?? ''))}${rest.join('')}\n`;
}

function shownValue(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@%+*-]+$/.test(value) ? value : escaped(JSON.stringify(value) ?? '');
}

function oneLine(text: string): string {
  return escaped(text.replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r'));
}

/**
 * Standard error, as what it is. A pipe whose reader stands still must not hold the service up: it is opened anew
 * without blocking (for us alone: the flag of a shared description would change it for all), and lines wait within a
 * bound. A terminal or a file is simply written.
 */
class StandardError {
  lost = 0;
  readonly #fd: number;
  #queue: Buffer[] = [];
  #queueBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.#fd = openPipe();
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#queueBytes + bytes.length > PIPE_QUEUE_BYTES_MAX) {
      this.lost++;
      return;
    }
    this.#queue.push(bytes);
    this.#queueBytes += bytes.length;
    if (this.#timer === undefined) this.#drain();
  }

  /** What waits has a last chance. */
  async close(): Promise<void> {
    for (let i = 0; i < 10 && this.#queue.length > 0; i++) {
      await new Promise((done) => setTimeout(done, PIPE_AGAIN_MS));
      this.#drain();
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.lost += this.#queue.length;
    this.#queue = [];
    this.#queueBytes = 0;
  }

  #drain(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#queue.length > 0) {
      const bytes = this.#queue[0];
      let written = 0;
      try {
        written = writeSync(this.#fd, bytes);
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') {
          // Nobody reads it any more, or its disk is full: there is no other place.
          this.lost++;
          written = bytes.length;
        }
      }
      this.#queueBytes -= written;
      if (written === bytes.length) this.#queue.shift();
      else {
        this.#queue[0] = bytes.subarray(written);
        this.#timer = setTimeout(() => this.#drain(), PIPE_AGAIN_MS);
        this.#timer.unref();
        return;
      }
    }
  }
}

/** Descriptor of standard error; of a pipe, another one that does not block. */
function openPipe(): number {
  try {
    if (!fstatSync(STDERR).isFIFO()) return STDERR;
    return openSync(`/proc/self/fd/${STDERR}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return STDERR;
  }
}
