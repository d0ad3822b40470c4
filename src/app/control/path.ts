/** Where the control socket is. */
import { join } from 'node:path';

const SYSTEM_PATH = '/run/earshot/control.sock';
/** `sun_path` of unix(7) has 108 bytes, the last of them zero. */
export const SOCKET_PATH_BYTES_MAX = 107;

/**
 * The path that `control.socket` means. "" is the default: that of the system for root, and where there is no folder
 * for the sockets of this user (XDG_RUNTIME_DIR); else in that folder.
 */
export function controlPath(setting: string): string {
  if (setting !== '') return setting;
  const folder = process.env.XDG_RUNTIME_DIR ?? '';
  // A relative XDG_RUNTIME_DIR is invalid by its specification.
  return process.getuid?.() === 0 || !folder.startsWith('/') ? SYSTEM_PATH : join(folder, 'earshot/control.sock');
}

/** What an operator gives to a command that talks with the sensor. */
export interface ControlOptions {
  /** Path of the socket. */
  readonly socket?: string;
  /** Configuration of the sensor, which names the socket. */
  readonly config?: string;
}

/** The socket that the options mean; --socket is stronger than --config. */
export async function controlPathOf(options: ControlOptions): Promise<string> {
  if (options.socket !== undefined) return options.socket;
  if (options.config === undefined) return controlPath('');
  const { loadSettings } = await import('../../base/config.ts');
  return controlPath(loadSettings(options.config).control.socket);
}
