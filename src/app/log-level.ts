/** `earshot log-level`: the sensor logs more or less, until it is stopped or told again. */
import type { LogLevel } from '../base/settings.ts';
import { ask } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { writeText } from './output.ts';

export async function logLevel(level: LogLevel, options: ControlOptions): Promise<number> {
  const answer = await ask(await controlPathOf(options), { command: 'log-level', level });
  writeText(1, `The sensor logs from level ${answer.logLevel} on, until it stops; log.level of its configuration is unchanged.\n`);
  return 0;
}
