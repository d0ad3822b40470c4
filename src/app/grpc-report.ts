/** What was counted of gRPC, in words: for the summary of a read, and for `earshot stats`. */
import { grpcStatusNames } from '../grpc/status-names.ts';
import { type Counters, type Row, reasons, rowLines } from './counter-rows.ts';
import type { SensorReport } from './report.ts';
import type { Colours } from './terminal.ts';
import { count } from './units.ts';

/** Calls by status: "OK (0) 12", "NOT_FOUND (5) 3"; nothing where there were none. */
export function grpcStatusItems(counters: Counters): string[] {
  return reasons(counters, 'grpc.calls').map(([status, n]) => `${nameOf(status)} ${count(n)}`);
}

function nameOf(status: string): string {
  const name = grpcStatusNames[Number(status)];
  if (name !== undefined) return `${name} (${status})`;
  return status === 'none' ? 'not seen' : status;
}

/** Lines of `earshot stats`. */
export function grpcLines({ counters }: SensorReport, style: { columns: number; colours: Colours }): string[] {
  const rows: Row[] = [['calls', grpcStatusItems(counters)]];
  return rowLines('grpc', rows, style);
}
