/** `earshot reload`: the sensor reads its configuration again. */
import { ask } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { say, writeText } from './output.ts';
import { shown } from './terminal.ts';

const EXIT_REFUSED = 2;
const LINE_MAX = 1000;

/** Prints what the sensor says of it: 0 when it took the configuration over, 2 when it stays with the old one. */
export async function reload(options: ControlOptions): Promise<number> {
  const answer = await ask(await controlPathOf(options), { command: 'reload' });
  const text = answer.reload.text
    .trimEnd()
    .split('\n')
    .map((line) => shown(line, LINE_MAX))
    .join('\n');
  if (answer.reload.ok) {
    writeText(1, `${text}\n`);
    return 0;
  }
  say(`earshot: ${text}\n`);
  return EXIT_REFUSED;
}
