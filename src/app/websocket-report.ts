/** What was counted of WebSocket, in words: for the summary of a read, and for `earshot stats`. */
import { type Counters, type Row, reasons, rowLines } from './counter-rows.ts';
import type { SensorReport } from './report.ts';
import type { Colours } from './terminal.ts';
import { byteAmount, count } from './units.ts';

/** Rows about messages and closes: "text 12 (1.2 kB)", "1000 7"; none when there was no such connection. */
export function webSocketRows(counters: Counters): Row[] {
  const connections = counters['websocket.connections'] ?? 0;
  if (connections === 0) return [];
  const unread = counters['websocket.unread_bytes'] ?? 0;
  const closes = reasons(counters, 'websocket.closes').map(([code, n]) => `${code} ${count(n)}`);
  const rows: Row[] = [
    ['', [`${count(connections)} connection${connections === 1 ? '' : 's'}`, ...(unread > 0 ? [`${byteAmount(unread)} not read`] : [])]],
    ['clients', sentBy(counters, 'client')],
    ['servers', sentBy(counters, 'server')],
    ['closes', closes],
    ['records', recordsOf(counters)],
  ];
  return rows.filter(([, items]) => items.length > 0);
}

/** Of messages, where they make records: how many were written, and why others were not. */
function recordsOf(counters: Counters): string[] {
  if ((counters['messages.seen'] ?? 0) === 0) return [];
  const left = ['filtered', 'lost'].flatMap((what) =>
    reasons(counters, `messages.${what}`).map(([reason, n]) => `${what} (${reason}) ${count(n)}`),
  );
  return [`written ${count(counters['messages.written'] ?? 0)}`, ...left];
}

function sentBy(counters: Counters, side: 'client' | 'server'): string[] {
  const items: string[] = [];
  for (const kind of ['text', 'binary']) {
    const n = counters[`websocket.messages{${side}-${kind}}`] ?? 0;
    if (n > 0) items.push(`${kind} ${count(n)} (${byteAmount(counters[`websocket.bytes{${side}-${kind}}`] ?? 0)})`);
  }
  for (const name of ['compressed', 'incomplete']) {
    const n = counters[`websocket.${name}{${side}}`] ?? 0;
    if (n > 0) items.push(`${name} ${count(n)}`);
  }
  for (const kind of ['ping', 'pong', 'close']) {
    const n = counters[`websocket.control{${side}-${kind}}`] ?? 0;
    if (n > 0) items.push(`${kind} ${count(n)}`);
  }
  return items;
}

/** Lines of `earshot stats`. */
export function webSocketLines({ counters }: SensorReport, style: { columns: number; colours: Colours }): string[] {
  return rowLines('websocket', webSocketRows(counters), style);
}
