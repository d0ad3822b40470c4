/**
 * ecs: documents of the Elastic Common Schema, a line each. What the schema has a place for stands there; the rest
 * (completeness, path template, operation, gRPC, headers, bodies that are no text, tunnels with VNI and key) stands under `earshot`.
 *
 *   source/client, destination/server   the two ends of the connection
 *   network.forwarded_ip                the original client where a header or the PROXY protocol names another one
 *   network.vlan, network.inner.vlan    the first and second VLAN tag
 *   http.*.body.bytes                   true length; http.*.body.content the kept text
 *   event.duration                      nanoseconds
 *
 * Headers are strings "name: value" in a list, because names as keys would make a field of each in the index.
 * Left out: mime_type (the schema wants it found in the content), tls, geo, user.
 */
import type { ApiCall } from '../../normalise/api-call.ts';
import { type Body, type Headers, headerOf, rfc3339, splitAuthority, timeOf, urlOf } from './call-parts.ts';
import type { Format, FormatContext } from './encoder.ts';

const ECS_VERSION = '8.17.0';

function httpBody(body: Body): unknown {
  return { bytes: body.bytes, content: body.text };
}

function ownBody(headers: Headers, trailers: Headers | undefined, body: Body): unknown {
  const line = ([name, value]: Headers[number]): string => `${name}: ${value}`;
  return {
    headers: headers.map(line),
    trailers: trailers?.map(line),
    body: { kept_bytes: body.kept, base64: body.base64, cut: body.cut, decoded: body.decoded, gap_bytes: body.gapBytes },
  };
}

function outcomeOf(call: ApiCall): string {
  const status = call.response?.status ?? null;
  return status === null ? 'unknown' : status >= 400 ? 'failure' : 'success';
}

export function ecs(): Format {
  let observer: unknown;
  return {
    name: 'ecs',
    mediaType: 'application/x-ndjson',
    begin(context: FormatContext): string {
      observer = { vendor: 'Earshot', product: 'Earshot', type: 'sensor', version: context.version, name: context.settings.sensor.id };
      return '';
    },
    record(call: ApiCall): string {
      const { request, response, client, server } = call;
      const source = { address: client.address, ip: client.address, port: client.port };
      const destination = { address: server.address, ip: server.address, port: server.port };
      const isForwarded = call.clientIp.source !== 'connection';
      const authority = call.host === null ? undefined : splitAuthority(call.host);
      const vlans = call.encapsulation.filter((layer) => layer.vlan !== undefined).map((layer) => ({ vlan: { id: String(layer.vlan) } }));
      const userAgent = request === null ? undefined : headerOf(request.headers, 'user-agent');
      const lastUs = response?.lastByteUs ?? request?.lastByteUs;
      const document = {
        '@timestamp': rfc3339(timeOf(call)),
        ecs: { version: ECS_VERSION },
        event: {
          id: call.id,
          kind: 'event',
          category: ['web', 'network'],
          type: ['access', 'protocol'],
          module: 'earshot',
          dataset: 'earshot.api_call',
          outcome: outcomeOf(call),
          start: rfc3339(timeOf(call)),
          end: lastUs === undefined ? undefined : rfc3339(lastUs),
          duration: call.durationUs === undefined ? undefined : call.durationUs * 1000,
        },
        observer,
        source,
        client: source,
        destination,
        server: destination,
        network: {
          transport: 'tcp',
          iana_number: '6',
          type: server.address.includes(':') ? 'ipv6' : 'ipv4',
          protocol: 'http',
          forwarded_ip: isForwarded ? call.clientIp.address : undefined,
          vlan: vlans[0]?.vlan,
          inner: vlans[1],
        },
        url:
          request === null
            ? undefined
            : {
                original: request.target,
                full: urlOf(call),
                scheme: call.scheme,
                domain: authority?.host,
                port: authority?.port,
                path: request.path,
                query: request.query,
              },
        http: {
          version: request?.version ?? response?.version,
          request:
            request === null
              ? undefined
              : { method: request.method, referrer: headerOf(request.headers, 'referer'), body: httpBody(request.body) },
          response: response === null ? undefined : { status_code: response.status ?? undefined, body: httpBody(response.body) },
        },
        user_agent: userAgent === undefined ? undefined : { original: userAgent },
        related: {
          ip: [...new Set([client.address, server.address, call.clientIp.address])],
          hosts: authority === undefined ? undefined : [authority.host],
        },
        earshot: {
          complete: call.complete,
          causes: call.causes,
          client_ip_source: call.clientIp.source,
          path_template: call.pathTemplate ?? undefined,
          operation: call.operation,
          grpc: call.grpc,
          latency_us: call.latencyUs,
          connection: call.connection,
          encapsulation: call.encapsulation,
          weirds: call.weirds,
          request: request === null ? undefined : ownBody(request.headers, request.trailers, request.body),
          response:
            response === null
              ? undefined
              : { reason: response.reason, ...(ownBody(response.headers, response.trailers, response.body) as object) },
        },
      };
      return `${JSON.stringify(document)}\n`;
    },
    end: () => '',
  };
}
