/**
 * What a format writes around its records, when the records were encoded one by one and are joined later: into the body
 * of a batch, of the half of a batch, into a file that grows.
 *
 *   begin  record  separator record  separator record ...  end
 *
 * `Format.record(call, index)` writes the separator in front of all records but the first. Here every record is encoded
 * as if it were the first, and the separator is found once, by encoding the same call in both ways.
 */
import type { ApiCall } from '../normalise/api-call.ts';
import { SCHEMA } from '../normalise/causes.ts';
import type { Format, FormatContext } from './formats/encoder.ts';

export interface Framing {
  readonly format: Format;
  readonly mediaType: string;
  /** May name the time: of the moment when it is asked for, as `end`. */
  begin(): Buffer;
  readonly separator: Buffer;
  /** What each record begins with, where that is always the same name of JSON: "{"id":". Else empty. */
  readonly start: Buffer;
  end(): Buffer;
  /** One record as if it were the first. */
  record(call: ApiCall): Buffer;
}

const sample: ApiCall = {
  schema: SCHEMA,
  id: 'sample.0.0.0',
  complete: false,
  client: { address: '192.0.2.1', port: 1 },
  server: { address: '192.0.2.2', port: 80 },
  clientIp: { address: '192.0.2.1', source: 'connection' },
  scheme: 'http',
  host: null,
  pathTemplate: null,
  request: null,
  response: null,
  connection: { depth: 1, interface: 0 },
  encapsulation: [],
};

/** Opens a format for one sink. */
export function openFraming(format: Format, context: FormatContext): Framing {
  format.begin(context);
  const first = format.record(sample, 0);
  const later = format.record(sample, 1);
  if (!later.endsWith(first)) throw new Error(`format ${format.name} writes more than a separator between records`);
  return {
    format,
    mediaType: format.mediaType,
    begin: () => Buffer.from(format.begin(context)),
    separator: Buffer.from(later.slice(0, later.length - first.length)),
    start: Buffer.from(/^\{"[^"]+":/.exec(first)?.[0] ?? ''),
    end: () => Buffer.from(format.end()),
    record: (call) => Buffer.from(format.record(call, 0)),
  };
}
