/** Names of sinks are told apart in the routes of a record by a hash (ship/routes.ts): two must not have the same. */
import { SensorError } from '../base/errors.ts';
import type { Settings } from '../base/settings.ts';
import { routesToSink } from '../ship/routes.ts';

/** Throws a SensorError (config-invalid) when a dead letter of one sink could be sent again to another. */
export function refuseEqualRoutes({ sinks }: Pick<Settings, 'sinks'>): void {
  const names = new Map<number, string>();
  for (const name of Object.keys(sinks)) {
    const routes = routesToSink(name);
    const other = names.get(routes);
    if (other !== undefined) {
      throw new SensorError(
        'config-invalid',
        `Cannot use the sinks ${other} and ${name} together`,
        'the hash by which the spool tells sinks apart is the same for both names',
        'Give one of them another name.',
      );
    }
    names.set(routes, name);
  }
}
