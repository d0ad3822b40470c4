/**
 * Calls that name what they do where one URL serves all: GraphQL in batches, in multipart requests and in queries, JSON-RPC, SOAP,
 * with secrets in variables, arguments, names of operations, errors and files.
 */
import type { Random } from '../../src/policy/mask/detect-testing.ts';
import { pick } from '../../src/policy/mask/secrets-testing.ts';
import type { PlantedCall } from './canary-calls.ts';
import { nameOf, type Secret } from './canary-secrets.ts';

const isName = (text: string): boolean => /^[A-Za-z_]\w*$/.test(text);
/** Nothing but its content tells that it is one. */
const isTold = (s: Secret): boolean => s.name === '';

function memberName(s: Secret, next: Random): string {
  const given = nameOf(s, next).replaceAll('-', '_');
  return isName(given) ? given : `_${given}`;
}

/** Characters outside of a string of GraphQL's grammar are escaped as JSON escapes them. */
const literal = (s: Secret, next: Random): string =>
  next(4) === 0 && !s.text.includes('"') && !s.text.includes('\\') ? `"""${s.text}"""` : JSON.stringify(s.text);

/** One operation, as a client sends it. */
type Operation = Record<string, unknown>;
type OperationPlace = (s: Secret, next: Random) => Operation;

const plain = (next: Random): Operation =>
  pick(next, [{ query: '{ shop { id } }' }, { query: 'query Shop { shop { id } }', operationName: 'Shop' }]);

const operations: Readonly<Record<string, OperationPlace>> = {
  variables: (s, next) => ({
    operationName: 'Create',
    query: 'mutation Create($i: In!) { create(input: $i) { id } }',
    variables: { i: { [memberName(s, next)]: pick<unknown>(next, [s.text, [s.text], { old: s.text }]), n: 1 } },
  }),
  argument: (s, next) => ({
    query: `query Q { user(first: 3, ${memberName(s, next)}: ${literal(s, next)}) { id ...F } } fragment F on U { name }`,
  }),
  'object argument': (s, next) => ({
    query: `mutation { create(input: {id: 3, in: [{${memberName(s, next)}: ${literal(s, next)}}]}) { id } }`,
  }),
  default: (s, next) => ({ query: `query Q($${memberName(s, next)}: String = ${literal(s, next)}) { user { id } }` }),
  directive: (s, next) => ({ query: `query Q { user @tag(${memberName(s, next)}: ${literal(s, next)}) { id } }` }),
  'in a comment': (s, next) =>
    isTold(s) && !s.text.includes('\n') ? { query: `# ${s.text}\nquery Q { user { id } }` } : operations.argument(s, next),
  'operation name': (s, next) => (isTold(s) ? { query: 'query Q { user { id } }', operationName: s.text } : operations.variables(s, next)),
  'name in the document': (s, next) =>
    isTold(s) && isName(s.text) ? { query: `query ${s.text} { user { id } }`, operationName: s.text } : operations.argument(s, next),
  alias: (s, next) => (isTold(s) && isName(s.text) ? { query: `{ ${s.text}: user { id } }` } : operations.default(s, next)),
  'persisted query': (s, next) =>
    isTold(s)
      ? { operationName: 'Q', extensions: { persistedQuery: { version: 1, sha256Hash: s.text } } }
      : { extensions: { persistedQuery: { version: 1, sha256Hash: 'ecf4edb4' } }, variables: { [memberName(s, next)]: s.text } },
};

interface Message {
  readonly target?: string;
  readonly type: string;
  readonly fields?: readonly (readonly [string, string])[];
  readonly body: string;
  readonly isJson: boolean;
}

const json = (value: unknown): Message => ({ type: 'application/json', body: JSON.stringify(value), isJson: true });

function someOperations(secrets: readonly Secret[], places: string[], next: Random): Operation[] {
  return secrets.map((s) => {
    const place = pick(next, Object.keys(operations));
    places.push(`GraphQL ${place}`);
    return operations[place](s, next);
  });
}

/** Plants secrets into one request. `places` is told where. */
type Shape = (secrets: readonly Secret[], places: string[], next: Random) => Message;

function batch(secrets: readonly Secret[], places: string[], next: Random): Operation[] {
  const all = someOperations(secrets, places, next);
  for (let n = next(4); n > 0; n--) all.splice(next(all.length + 1), 0, plain(next));
  return all;
}

const requests: Readonly<Record<string, Shape>> = {
  batch: (secrets, places, next) => json(batch(secrets, places, next)),
  single: (secrets, places, next) => {
    const [first, ...others] = someOperations(secrets, places, next);
    return json({ ...first, extensions: { ...(first.extensions as object | undefined), others } });
  },
  multipart: (secrets, places, next) => {
    const isBatch = secrets.length > 1;
    const all = someOperations(secrets, places, next);
    const [s] = secrets;
    const content = isTold(s) ? `see ${s.text}` : `${memberName(s, next)}=${encodeURIComponent(s.text)}&a=1`;
    const parts = [
      `Content-Disposition: form-data; name="operations"\r\n${pick(next, ['', 'Content-Type: application/json\r\n'])}\r\n${JSON.stringify(isBatch ? all : all[0])}`,
      `Content-Disposition: form-data; name="map"\r\n\r\n${JSON.stringify({ 0: ['variables.file'] })}`,
      `Content-Disposition: form-data; name="0"; filename="${isTold(s) && !/[\n"\\]/.test(s.text) ? s.text : 'a.txt'}"\r\nContent-Type: text/plain\r\n\r\n${content}`,
    ];
    const boundary = pick(next, ['XyZ', '----WebKitFormBoundary7MA4YWxkTrZu0gW']);
    const body = `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`;
    return { type: `multipart/form-data; boundary=${boundary}`, body, isJson: false };
  },
  query: (secrets, places, next) => {
    const [operation] = someOperations(secrets.slice(0, 1), places, next);
    for (const _ of secrets.slice(1)) places.push('nowhere');
    const parameters = Object.entries(operation).map(
      ([name, value]) => `${name}=${encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value))}`,
    );
    return { target: `/graphql?${parameters.join('&')}`, type: '', body: '', isJson: false };
  },
  'json-rpc': (secrets, places, next) => {
    const calls = secrets.map((s, id) => {
      const isMethod = isTold(s) && next(2) === 0;
      places.push(isMethod ? 'JSON-RPC method' : 'JSON-RPC params');
      return isMethod
        ? { jsonrpc: '2.0', method: s.text, params: [1], id }
        : { jsonrpc: '2.0', method: 'user.find', params: { [nameOf(s, next)]: s.text }, id };
    });
    return json(calls.length === 1 && next(2) === 0 ? calls[0] : calls);
  },
  soap: (secrets, places, next) => {
    const [s] = secrets;
    for (const other of secrets) places.push(other === s ? 'SOAP' : 'nowhere');
    const name = memberName(s, next);
    const inAction = isTold(s) && /^[\x21-\x7e]+$/.test(s.text) && !s.text.includes('"');
    const text = s.text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);
    const body = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:Find xmlns:m="urn:shop"><m:${name}>${text}</m:${name}></m:Find></s:Body></s:Envelope>`;
    const fields: (readonly [string, string])[] = [['SOAPAction', inAction ? `"${s.text}"` : '"urn:shop#Find"']];
    return { type: 'text/xml; charset=utf-8', fields, body, isJson: false };
  },
};

/** What a server of GraphQL answers: data, and errors that repeat what they were given. */
function answer(secrets: readonly Secret[], places: string[], next: Random): Message {
  const all = secrets.map((s) => {
    const kind = next(4);
    places.push(`GraphQL ${['data', 'message of an error', 'extensions of an error', 'path of an error'][kind]}`);
    const error = (more: object): object => ({ errors: [{ message: 'no', locations: [{ line: 1, column: 3 }], ...more }], data: null });
    if (kind === 1 && isTold(s)) return error({ message: `Variable "$i" got invalid value ${JSON.stringify(s.text)}; expected In` });
    if (kind === 2) return error({ extensions: { code: 'BAD_USER_INPUT', argument: { [memberName(s, next)]: s.text } } });
    if (kind === 3 && isTold(s)) return error({ path: ['user', 0, s.text] });
    return { data: { user: { [memberName(s, next)]: s.text } } };
  });
  return json(all.length === 1 ? all[0] : all);
}

function write(start: string, { type, fields = [], body }: Message, more: string): Buffer {
  const given = [...(type === '' ? [] : [['Content-Type', type]]), ...fields, ['Content-Length', String(Buffer.byteLength(body))]];
  return Buffer.from(`${start}\r\n${more}${given.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
}

export const placesOfOperations: number = Object.keys(operations).length + Object.keys(requests).length + 4;

/** A call of some operation, with these secrets in its request or in its response; those of cookies in a cookie. */
export function plantedOperation(n: number, given: readonly Secret[], next: Random): PlantedCall {
  const secrets = given.filter((s) => !s.isCookie);
  const cookies = given.filter((s) => s.isCookie);
  const places: string[] = [];
  const isResponse = secrets.length === 0 || next(3) === 0;
  const shape = pick(next, Object.keys(requests));
  const request = isResponse ? json([plain(next)]) : requests[shape](secrets, places, next);
  const response = isResponse && secrets.length > 0 ? answer(secrets, places, next) : json({ data: { ok: true } });
  const cookie = cookies.map((s) => `Cookie: ${nameOf(s, next)}=${encodeURIComponent(s.text)}\r\n`).join('');
  const method = request.body === '' ? 'GET' : 'POST';
  return {
    request: write(`${method} ${request.target ?? '/graphql'} HTTP/1.1`, request, `Host: shop.example\r\nX-Call: ${n}\r\n${cookie}`),
    response: write('HTTP/1.1 200 OK', response, ''),
    secrets: [...secrets, ...cookies],
    places: [...places.map((place) => `${isResponse ? 'response' : shape} ${place}`), ...cookies.map(() => 'request cookie')],
    isJson: [request.isJson, response.isJson],
  };
}
