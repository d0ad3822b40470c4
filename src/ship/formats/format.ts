/**
 * Formats: each turns the record of a call into text for one kind of reader. A format is opened once for an output
 * (a file, a stream, the body of a delivery) and remembers what it was opened with; `begin`, then `record` for each
 * call in order, then `end`, joined, are the whole output.
 *
 *   jsonl       the record itself, a line each
 *   uap-edge    the data format of Cequence's Unified API Edge, a line each
 *   zeek-http   Zeek's http.log as tab-separated values with its header and footer
 *   zeek-json   the same as JSON, a line each
 *   har         one HTTP Archive 1.2 document; not valid before `end`
 *   ecs         Elastic Common Schema documents, a line each
 */
import { ecs } from './ecs.ts';
import type { Format, FormatName } from './encoder.ts';
import { har } from './har.ts';
import { jsonl } from './jsonl.ts';
import { uapEdge } from './uap-edge.ts';
import { zeekHttp, zeekJson } from './zeek-http.ts';

export { type Format, type FormatContext, type FormatName, formatNames } from './encoder.ts';

/** Makes a format for one output, by name. */
export const formats: Readonly<Record<FormatName, () => Format>> = {
  jsonl,
  'uap-edge': uapEdge,
  'zeek-http': zeekHttp,
  'zeek-json': zeekJson,
  har,
  ecs,
};
