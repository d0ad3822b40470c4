/** Where the control socket is. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { SensorError } from '../../base/errors.ts';

const SYSTEM_FOLDER = '/run/earshot';
const NAME = 'control.sock';
const OTHERS_WRITE = 0o022;
/** `sun_path` of unix(7) has 108 bytes, the last of them zero. */
export const SOCKET_PATH_BYTES_MAX = 107;

/**
 * The path that `control.socket` means. "" is the default: in /run/earshot for root and for the user who owns it, as a
 * service does with RuntimeDirectory=earshot; else in the folder for sockets of this user (XDG_RUNTIME_DIR); without one,
 * as in most containers, in a folder of /tmp that nobody else may write to.
 */
export function controlPath(setting: string): string {
  if (setting !== '') return setting;
  const user = process.getuid?.() ?? 0;
  if (user === 0 || isOwn(SYSTEM_FOLDER, user)) return join(SYSTEM_FOLDER, NAME);
  const folder = process.env.XDG_RUNTIME_DIR ?? '';
  // A relative XDG_RUNTIME_DIR is invalid by its specification.
  if (folder.startsWith('/')) return join(folder, 'earshot', NAME);
  const temporary = `/tmp/earshot-${user}`;
  // Somebody may have made it who wants to answer in the place of the sensor.
  return isOwn(temporary, user) || !exists(temporary) ? join(temporary, NAME) : join(SYSTEM_FOLDER, NAME);
}

function isOwn(folder: string, user: number): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === user && (stat.mode & OTHERS_WRITE) === 0;
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** What an operator gives to a command that talks with the sensor. */
export interface ControlOptions {
  /** Path of the socket. */
  readonly socket?: string;
  /** Configuration of the sensor, which names the socket; nothing else of it is read. */
  readonly config?: string;
}

/** The socket that the options mean; --socket is stronger than --config. */
export async function controlPathOf(options: ControlOptions): Promise<string> {
  if (options.socket !== undefined) return options.socket;
  if (options.config === undefined) return controlPath('');
  return controlPath(await namedSocket(options.config));
}

/**
 * `control.socket` of a configuration that may be broken elsewhere: a sensor that runs has read it when it was whole, and
 * is asked most when it is not. Throws SensorError.
 */
async function namedSocket(config: string): Promise<string> {
  const { loadText } = await import('../../base/config.ts');
  const next = 'Name the control socket of the sensor with --socket PATH.';
  let socket: string | null;
  try {
    socket = loadText(config, ['control', 'socket']);
  } catch (error) {
    if (!(error instanceof SensorError)) throw error;
    throw new SensorError(error.code, error.what, error.why, next, error.cause, error.details);
  }
  if (socket === null) throw new SensorError('config-invalid', `Cannot read control.socket in ${config}`, 'the file is broken there', next);
  return socket;
}
