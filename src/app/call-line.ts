/**
 * What the live sensor shows of a call in a line: who asked whom for what, the outcome, sizes and times. Made from the
 * masked record, which goes along for those who want to see all of it.
 */
import type { ApiCall } from '../normalise/api-call.ts';
import { rfc3339 } from '../ship/formats/call-parts.ts';

export interface CallLine {
  /** As in the record of the call: sensor, epoch, worker, sequence. */
  readonly id: string;
  /** First byte of the request, or of the response where there is none; ISO 8601 in UTC, with microseconds. */
  readonly time: string;
  readonly client: string;
  readonly clientPort: number;
  /** Who asked, behind proxies (`clientIp` of the record); left out when it is the client. */
  readonly clientIp?: string;
  readonly server: string;
  readonly serverPort: number;
  /** "vxlan 5", "geneve 7 > vxlan 5" ...; left out when there is no tunnel. */
  readonly tunnel?: string;
  /** null: the request was not seen. */
  readonly method: string | null;
  readonly host: string | null;
  /** Without query and fragment. */
  readonly path: string | null;
  /** `/users/{int}` for `/users/7`; left out when it is the path itself. */
  readonly template?: string;
  /** "mutation Pay", "user.get", "urn:orders#Cancel +2" with two more in its batch; left out when the URL says it all. */
  readonly operation?: string;
  /** null: the response was not seen. */
  readonly status: number | null;
  /** Left out when it is no call of gRPC, or its status was not seen. */
  readonly grpcStatus?: number;
  /** Bytes of the bodies on the wire. */
  readonly requestBytes: number | null;
  readonly responseBytes: number | null;
  /** From the last byte of the request to the first of the response. */
  readonly latencyUs?: number;
  readonly complete: boolean;
  /** The whole masked record. */
  readonly record?: ApiCall;
}

type Layer = ApiCall['encapsulation'][number];

function layerText(layer: Layer): string {
  const id = layer.vni ?? layer.session ?? layer.key ?? layer.vlan ?? layer.label ?? layer.teid;
  return id === undefined ? layer.type : `${layer.type} ${id}`;
}

/** Type and name of its operation, or the protocol where neither is known. */
export function operationText({ protocol, type, name, batch = 1 }: NonNullable<ApiCall['operation']>): string {
  const text = `${type ?? ''} ${name ?? ''}`.trim();
  return `${text === '' ? protocol : text}${batch > 1 ? ` +${batch - 1}` : ''}`;
}

/** The line of a record, and the record. */
export function withRecord(record: ApiCall): CallLine {
  return { ...lineOf(record), record };
}

/** The line of a record. */
export function lineOf(record: ApiCall): CallLine {
  const { id, client, clientIp, server, request, response, encapsulation, pathTemplate, latencyUs, complete } = record;
  return {
    id,
    time: rfc3339(request?.firstByteUs ?? response?.firstByteUs ?? 0),
    client: client.address,
    clientPort: client.port,
    ...(clientIp.address !== client.address && { clientIp: clientIp.address }),
    server: server.address,
    serverPort: server.port,
    ...(encapsulation.length > 0 && { tunnel: encapsulation.map(layerText).join(' > ') }),
    method: request?.method ?? null,
    host: record.host,
    path: request?.path ?? null,
    ...(pathTemplate !== null && pathTemplate !== request?.path && { template: pathTemplate }),
    ...(record.operation !== undefined && { operation: operationText(record.operation) }),
    status: response?.status ?? null,
    ...(record.grpc?.status !== undefined && { grpcStatus: record.grpc.status }),
    requestBytes: request?.body.bytes ?? null,
    responseBytes: response?.body.bytes ?? null,
    ...(latencyUs !== undefined && { latencyUs }),
    complete,
  };
}
