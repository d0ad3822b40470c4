/** Where the sensor keeps what must outlive it. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../base/settings.ts';

/** The directory of the spool: the configured one, or what fits the user. */
export function spoolDirectory(settings: Settings): string {
  const { directory } = settings.spool;
  if (directory !== '') return directory;
  // systemd gives a list when there are several.
  const state = process.env.STATE_DIRECTORY?.split(':')[0];
  if (state !== undefined && state !== '') return join(state, 'spool');
  if (process.getuid?.() === 0) return '/var/lib/earshot/spool';
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'earshot/spool');
}
