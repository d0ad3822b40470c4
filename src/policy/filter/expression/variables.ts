/** What an expression can ask a call for. docs/filters.md has the same table. */
import { REQUEST, RESPONSE } from '../../../http/transaction.ts';
import type { CallView } from '../../call-view.ts';
import type { Typed } from './typed.ts';

export interface Variable {
  readonly meaning: string;
  readonly typed: Typed;
}

const text = (get: (view: CallView) => string, find?: (view: CallView) => void, isLower = false): Typed => ({
  type: 'string',
  get,
  isLower,
  ...(find === undefined ? {} : { find }),
});
const address = (get: (view: CallView) => string, load: (view: CallView) => void): Typed => ({ type: 'string', get, load, isLower: true });
const int = (get: (view: CallView) => number): Typed => ({ type: 'int', get });

const table: Readonly<Record<string, readonly [meaning: string, typed: Typed]>> = {
  'request.method': [
    'As on the wire: "GET".',
    text(
      (v) => v.method(),
      (v) => v.findMethod(),
    ),
  ],
  'request.host': [
    'Without port, in small letters; "" when none was said.',
    text(
      (v) => v.host(),
      (v) => v.findHost(),
      true,
    ),
  ],
  'request.path': [
    'As on the wire, without the query.',
    text(
      (v) => v.path(),
      (v) => v.findPath(),
    ),
  ],
  'request.query': [
    'As on the wire, behind the question mark; "" when there is none.',
    text(
      (v) => v.query(),
      (v) => v.findQuery(),
    ),
  ],
  'request.scheme': ['"http" or "https": what the target says.', text((v) => v.scheme(), undefined, true)],
  'request.version': ['Of HTTP: "1.1".', text((v) => v.version())],
  'request.headers': ['By name, in any case: request.headers["x-debug"]. "" when it is not there.', { type: 'headers', side: REQUEST }],
  'request.contentType': [
    'Media type in small letters, without parameters; "" when there is none.',
    text(
      (v) => v.contentType(REQUEST),
      (v) => v.findContentType(REQUEST),
      true,
    ),
  ],
  'request.bodyBytes': ['Length of the body, also of what is not kept.', int((v) => v.bodyBytes(REQUEST))],
  'request.body': ['The kept part of the body, decompressed.', text((v) => v.body(REQUEST))],
  'response.status': ['0 when there was no response.', int((v) => v.status())],
  'response.headers': ['As request.headers.', { type: 'headers', side: RESPONSE }],
  'response.contentType': [
    'As request.contentType.',
    text(
      (v) => v.contentType(RESPONSE),
      (v) => v.findContentType(RESPONSE),
      true,
    ),
  ],
  'response.bodyBytes': ['As request.bodyBytes.', int((v) => v.bodyBytes(RESPONSE))],
  'response.body': ['As request.body.', text((v) => v.body(RESPONSE))],
  'client.ip': [
    'Address that the request came from.',
    address(
      (v) => v.address(true),
      (v) => v.loadAddress(true),
    ),
  ],
  'client.port': ['Its port.', int((v) => v.port(true))],
  'server.ip': [
    'Address that the request went to.',
    address(
      (v) => v.address(false),
      (v) => v.loadAddress(false),
    ),
  ],
  'server.port': ['Its port.', int((v) => v.port(false))],
  'source.ip': [
    'Who asked, behind proxies: clientIp of the record. A client can forge it, unless http.trustedProxies says whom to believe.',
    address(
      (v) => v.clientIp(),
      (v) => v.loadClientIp(),
    ),
  ],
  'call.complete': ['Request and response were seen whole.', { type: 'bool', get: (v) => v.isComplete() }],
  'call.latencyMs': [
    'From the end of the request to the begin of the response. Without a response no comparison with it holds.',
    { type: 'double', get: (v) => v.latencyUs() / 1000 },
  ],
  'call.template': ['Path with its identifiers replaced: "/users/{int}".', text((v) => v.template())],
  'operation.name': [
    'Of the first operation: GraphQL name, JSON-RPC method, SOAP action; "" when it is not known.',
    text(
      (v) => v.operationName(),
      (v) => v.findOperationName(),
    ),
  ],
  'operation.type': ['"query", "mutation", "subscription" or "notification"; "" when it is not known.', text((v) => v.operationType())],
  'operation.protocol': ['"graphql", "json-rpc" or "soap"; "" for other calls.', text((v) => v.operationProtocol())],
  'grpc.service': [
    'Of a gRPC call: "shop.Cart"; "" for other calls.',
    text(
      (v) => v.grpcService(),
      (v) => v.findGrpcService(),
    ),
  ],
  'grpc.method': [
    'Of a gRPC call: "Add"; "" for other calls.',
    text(
      (v) => v.grpcMethod(),
      (v) => v.findGrpcMethod(),
    ),
  ],
  'grpc.status': ['Status of a gRPC call: 0 is good; -1 for other calls, and where it was not seen.', int((v) => v.grpcStatus())],
  'tunnel.vni': ['Network identifiers of VXLAN and GENEVE, outermost first.', { type: 'list of int', get: (v) => v.vnis() }],
  'tunnel.vlan': ['VLAN tags, outermost first.', { type: 'list of int', get: (v) => v.vlans() }],
  interface: ['Number of the capture interface, as in the record.', int((v) => v.interfaceId())],
};

export const variables: ReadonlyMap<string, Variable> = new Map(
  Object.entries(table).map(([name, [meaning, typed]]) => [name, { meaning, typed: typed.type === 'string' ? { ...typed, name } : typed }]),
);
