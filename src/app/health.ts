/**
 * The health port: what load balancers ask. By HTTP, 200 means that packets can be taken, 503 that they cannot, with
 * the reason in words. A health check by TCP sees that the connection is accepted, which says only that the process
 * lives.
 */
import { type Listener, nobody, type OwnSockets, startListener, TEXT } from './listener.ts';
import type { Fault } from './report.ts';
import { sentence } from './terminal.ts';

const paths = new Set(['/', '/health', '/healthz', '/ready']);

/** Whether packets can be taken, and what is wrong, the worst first. */
export interface Readiness {
  readonly ready: boolean;
  readonly faults: readonly Fault[];
}

/** Listens on `listen` ("ADDRESS:PORT"); `ready` is asked for each request. Throws SensorError (listen-failed). */
export function startHealth(listen: string, ready: () => Readiness, sockets: OwnSockets = nobody): Promise<Listener> {
  return startListener(
    listen,
    'the health port',
    (path) => {
      if (!paths.has(path)) return null;
      const health = ready();
      if (health.ready) return { status: 200, type: TEXT, body: 'ok\n' };
      const fault = health.faults[0];
      const body = fault === undefined ? 'No packets can be taken; see earshot status.' : `${sentence(fault.what)} ${fault.next}`;
      return { status: 503, type: TEXT, body: `${body}\n` };
    },
    sockets,
  );
}
