/**
 * The ledger: equations between counters that hold at any moment between two packets. Tests assert them, the
 * summary prints them.
 *
 *   packets   received = decoded + dropped{reason}
 *   payload   seen = http + tls + other + retransmitted + discarded{reason} + held     (TCP payload bytes captured)
 *   calls     seen = written + duplicate + filtered + lost{reason} + waiting
 *   closings  seen = written + dropped{reason}          (ends of calls that were reported while they were open)
 *   messages  seen = written + filtered{reason} + lost{reason}         (of WebSocket, where they make records)
 *
 * What is handed on behind them is counted in records: the calls that were written, closing records (`records.closing`), and
 * gap records (`records.gap`).
 */
import * as counters from './counters.ts';

export interface Balance {
  readonly name: string;
  readonly total: number;
  /** Parts that must add up to the total: name and value. */
  readonly parts: readonly (readonly [string, number])[];
  readonly balances: boolean;
}

function balance(name: string, total: number, parts: [string, number][]): Balance {
  const sum = parts.reduce((n, [, value]) => n + value, 0);
  return { name, total, parts: parts.filter(([, value]) => value !== 0), balances: sum === total };
}

/** Where the counters are read: those of this thread, or the sums over several. */
export interface Counted {
  readonly countOf: (name: string) => number;
  /** Over all reasons. */
  readonly sumOf: (name: string) => number;
}

/** `heldBytes` waits behind holes, `waitingCalls` for a better copy. */
export function balances(heldBytes: number, waitingCalls: number, { countOf, sumOf }: Counted = counters): Balance[] {
  return [
    balance('packets received', countOf('packets.received'), [
      ['decoded', countOf('packets.decoded')],
      ['dropped', sumOf('packets.dropped')],
    ]),
    balance('payload bytes seen', countOf('payload.seen'), [
      ['http', countOf('payload.http')],
      ['tls', countOf('payload.tls')],
      ['other', countOf('payload.other')],
      ['retransmitted', countOf('payload.retransmitted')],
      ['discarded', sumOf('payload.discarded')],
      ['held', heldBytes],
    ]),
    balance('calls seen', countOf('calls.seen'), [
      ['written', countOf('calls.written')],
      ['duplicate', countOf('calls.duplicate')],
      ['filtered', sumOf('calls.filtered')],
      ['lost', sumOf('calls.lost')],
      ['waiting', waitingCalls],
    ]),
    balance('messages seen', countOf('messages.seen'), [
      ['written', countOf('messages.written')],
      ['filtered', sumOf('messages.filtered')],
      ['lost', sumOf('messages.lost')],
    ]),
    balance('closings seen', countOf('closings.seen'), [
      ['written', countOf('records.closing')],
      ['dropped', sumOf('closings.dropped')],
    ]),
  ];
}
