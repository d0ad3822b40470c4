/** jsonl: the record itself, one JSON document a line (schemas/api-call.schema.json). */
import type { ApiCall } from '../../normalise/api-call.ts';
import type { Format } from './encoder.ts';

export function jsonl(): Format {
  return {
    name: 'jsonl',
    mediaType: 'application/x-ndjson',
    begin: () => '',
    record: (call: ApiCall) => `${JSON.stringify(call)}\n`,
    end: () => '',
  };
}
