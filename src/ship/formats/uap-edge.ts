/**
 * uap-edge: the data format of the API transaction interface of Cequence's Unified API Edge (POST, JSON, Bearer
 * token). One record:
 *
 *   { "timestamp", "version", "transaction-id",
 *     "request":  { "client-ip", "http-scheme", "http-version", "http-method"*, "uri-query-fragment"*, "host",
 *                   "connection": { "connection-ip"*, "connection-port", "server-ip"*, "server-port", "transaction-depth" },
 *                   "headers", "body" },
 *     "response": { "status", "headers", "body" },
 *     "txn-meta-data": { "source_info": { "version", "type", "pool_id", "instance_id" },
 *                        "filter_info": { "filter_name" },
 *                        "sdp_info": { "skipped", "found", "transformed",
 *                                      "locations": [{ "name", "type", "location", "field", "start", "end" }] } } }
 *
 * Keys with a star are required; where the request was not captured, the required ones of it are empty strings.
 *
 * The published text leaves open how headers and bodies are written, in which unit the time is, and whether a delivery
 * holds one record or a list. These choices are `UapEdgeOptions`; nothing outside this file depends on them. `version`
 * is the setting formats.uapEdgeVersion.
 *
 * Left out: `data_extractions`, which has nothing to say. `sdp_info` says `skipped` for records that were not masked.
 * `filter_name` names the rule of the pipeline that the output belongs to, or of the first that let the call through.
 */
import type { ApiCall } from '../../normalise/api-call.ts';
import { type Body, type Headers, timeOf } from './call-parts.ts';
import type { Format, FormatContext } from './encoder.ts';

export interface UapEdgeOptions {
  /**
   * `list`: [{"name","value"}] in order with repeats. `list-base64`: the same with the value's bytes in base64.
   * `map`: {"name":"value"}, names in lower case, values of repeated headers joined by ", ".
   */
  readonly headers: 'list' | 'list-base64' | 'map';
  /** `text`: as it is, bytes that are no UTF-8 as Latin-1, a character each. `base64`: always the bytes in base64. */
  readonly body: 'text' | 'base64';
  /** Unit of the timestamp, which is a string of digits. */
  readonly timestamp: 'seconds' | 'milliseconds' | 'microseconds';
  /** `lines`: a record a line. `array`: one JSON array. */
  readonly framing: 'lines' | 'array';
}

export const uapEdgeDefaults: UapEdgeOptions = { headers: 'list', body: 'text', timestamp: 'seconds', framing: 'lines' };

const unitUs = { seconds: 1_000_000, milliseconds: 1000, microseconds: 1 } as const;

/** The interface has 16 bits for it. */
const DEPTH_MAX = 65_535;

function headersOf(headers: Headers, coding: UapEdgeOptions['headers']): unknown {
  if (coding === 'map') {
    const map = new Map<string, string>();
    for (const [name, value] of headers) {
      const key = name.toLowerCase();
      const before = map.get(key);
      map.set(key, before === undefined ? value : `${before}, ${value}`);
    }
    return Object.fromEntries(map);
  }
  return headers.map(([name, value]) => ({ name, value: coding === 'list' ? value : Buffer.from(value).toString('base64') }));
}

function bodyOf(body: Body, coding: UapEdgeOptions['body']): string | undefined {
  if (coding === 'base64') return body.base64 ?? (body.text === undefined ? undefined : Buffer.from(body.text).toString('base64'));
  return body.text ?? (body.base64 === undefined ? undefined : Buffer.from(body.base64, 'base64').toString('latin1'));
}

/** "request.body" is REQUEST_BODY. */
function locationOf(place: string): string {
  return place.replace('.', '_').toUpperCase();
}

function maskedOf({ masked }: ApiCall): unknown {
  if (masked === undefined) return { skipped: true, found: 0, transformed: 0, locations: [] };
  const locations = (masked.places ?? []).map(({ rule, kind, in: place, field, at, end }) => ({
    name: rule,
    type: kind,
    location: locationOf(place),
    field,
    start: at,
    end,
  }));
  return { skipped: false, found: masked.found, transformed: masked.found - (masked.reported ?? 0), locations };
}

function filterOf({ filters }: ApiCall, pipelines: readonly string[]): unknown {
  const by = filters?.find(({ pipeline }) => pipelines.includes(pipeline)) ?? filters?.[0];
  return by === undefined ? undefined : { filter_name: by.rule };
}

export function uapEdge(options: UapEdgeOptions = uapEdgeDefaults): Format {
  let formatVersion = '';
  let sourceInfo: unknown;
  let pipelines: readonly string[] = [];
  const isArray = options.framing === 'array';
  return {
    name: 'uap-edge',
    mediaType: isArray ? 'application/json' : 'application/x-ndjson',
    begin(context: FormatContext): string {
      formatVersion = context.settings.formats.uapEdgeVersion;
      pipelines = context.pipelines ?? [];
      sourceInfo = {
        version: context.version,
        type: 'sensor',
        pool_id: context.settings.sensor.poolId,
        instance_id: context.settings.sensor.id,
      };
      return isArray ? '[' : '';
    },
    record(call: ApiCall, index: number): string {
      const { request, response } = call;
      const text = JSON.stringify({
        timestamp: String(Math.floor(timeOf(call) / unitUs[options.timestamp])),
        version: formatVersion,
        'transaction-id': call.id,
        request: {
          'client-ip': call.clientIp.address,
          'http-scheme': call.scheme,
          'http-version': request?.version,
          'http-method': request?.method ?? '',
          'uri-query-fragment': request === null ? '' : request.query === undefined ? request.path : `${request.path}?${request.query}`,
          host: call.host ?? undefined,
          connection: {
            'connection-ip': call.client.address,
            'connection-port': call.client.port,
            'server-ip': call.server.address,
            'server-port': call.server.port,
            'transaction-depth': Math.min(call.connection.depth, DEPTH_MAX),
          },
          headers: request === null ? undefined : headersOf(request.headers, options.headers),
          body: request === null ? undefined : bodyOf(request.body, options.body),
        },
        response:
          response === null
            ? undefined
            : {
                status: response.status ?? undefined,
                headers: headersOf(response.headers, options.headers),
                body: bodyOf(response.body, options.body),
              },
        'txn-meta-data': { source_info: sourceInfo, filter_info: filterOf(call, pipelines), sdp_info: maskedOf(call) },
      });
      return isArray ? `${index === 0 ? '' : ','}\n${text}` : `${text}\n`;
    },
    end: () => (isArray ? '\n]\n' : ''),
  };
}
