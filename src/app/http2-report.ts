/** What was counted of HTTP/2 below its calls, in words: for the summary of a read, and for `earshot stats`. */
import { type Counters, type Row, reasons, rowLines } from './counter-rows.ts';
import type { SensorReport } from './report.ts';
import type { Colours } from './terminal.ts';
import { byteAmount, count } from './units.ts';

/** Rows about frames: "headers 12, data 8"; none when there was none. */
export function http2Rows(counters: Counters): Row[] {
  const frames = reasons(counters, 'http2.frames').map(([type, n]) => `${type} ${count(n)}`);
  const late = counters['http2.frames_late'] ?? 0;
  const skipped = counters['http2.skipped_bytes'] ?? 0;
  const resets = counters['http2.resets'] ?? 0;
  const promised = counters['http2.promised'] ?? 0;
  const rows: Row[] = [
    ['frames', frames],
    ['streams', [...(resets > 0 ? [`reset ${count(resets)}`] : []), ...(promised > 0 ? [`pushed ${count(promised)}`] : [])]],
    [
      'unused',
      [
        ...(late > 0 ? [`${count(late)} frame${late === 1 ? '' : 's'} of streams that were over`] : []),
        ...(skipped > 0 ? [`${byteAmount(skipped)} in search of a frame`] : []),
      ],
    ],
  ];
  return rows.filter(([, items]) => items.length > 0);
}

/** Lines of `earshot stats`. */
export function http2Lines({ counters }: SensorReport, style: { columns: number; colours: Colours }): string[] {
  return rowLines('http/2', http2Rows(counters), style);
}
