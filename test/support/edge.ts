/**
 * An edge to deliver to: a real HTTPS server on loopback, HTTP/1.1 and HTTP/2, with a token end-point beside it. It
 * answers as it is told, one answer a delivery, and notes every record that it has taken, so that a test can see that
 * nothing was lost.
 *
 *   POST /api-transactions   records, a JSON line each or one array; plain or gzip
 *   POST /token              OAuth2 client credentials (RFC 6749, section 4.4)
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { type Certificate, makeAuthority, makeCertificate, makeServerCertificate, type ServerKind } from './certificates.ts';

export interface EdgeOptions {
  /** What is wrong with its certificate; 'none': plain HTTP. */
  readonly certificate?: ServerKind | 'none';
  /** Whether clients have to show a certificate of this edge's CA. */
  readonly clientCertificate?: boolean;
  readonly http2?: boolean;
  readonly tlsVersionMax?: 'TLSv1.2' | 'TLSv1.3';
  /** What a delivery has to show: 'oauth2' (default), 'none', the whole value of Authorization, or what accepts that. */
  readonly authorization?: string | ((value: string) => boolean);
  /** 0: the answer does not say it. */
  readonly tokenLifeSeconds?: number;
}

/** One answer. A number is a status. */
export type EdgeAnswer =
  | number
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** Waits before it answers. */
      readonly delayMs?: number;
      /** Statuses of the single records: those below 300 are taken. */
      readonly items?: readonly number[];
      /** Before the request was read; the connection is closed behind it. */
      readonly isEarly?: boolean;
    }
  /** Takes the records, and then: closes the connection; sends half an answer and closes; resets; says nothing. */
  | 'close'
  | 'half'
  | 'reset'
  | 'silent'
  /** A web page in place of an API. */
  | 'page';

/** One delivery, as it came. */
export interface EdgeDelivery {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly httpVersion: string;
  readonly ids: readonly string[];
  /** After gzip. */
  readonly bytes: number;
  readonly status: number;
  /** Common name of the client's certificate; "" for none. */
  readonly client: string;
}

/** Those of HTTP/2 look the same, as far as they are used here. */
type Request = IncomingMessage;
type Response = ServerResponse;

const PAGE = '<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>';

export class Edge {
  /** Of the deliveries: https://localhost:PORT/api-transactions */
  readonly url: string;
  readonly tokenUrl: string;
  /** The CA that signs it; not that of the kinds 'unknown-ca' and 'self-signed'. */
  readonly caFile: string;
  readonly clientId = 'sensor';
  /** Holds the client secret, as the edge wants it after `rotateSecret` too. */
  readonly secretFile: string;
  /** For mutual TLS; of this edge's CA. */
  readonly clientCertificateFile: string;
  readonly clientKeyFile: string;
  /** Everything that was sent, also what was refused. */
  readonly deliveries: EdgeDelivery[] = [];
  /** Requests to the token end-point: the parameters of each. */
  readonly tokenRequests: Readonly<Record<string, string>>[] = [];
  tokensIssued = 0;
  tokenLifeSeconds: number;
  /** Looks at what a delivery brings, and answers it in the place of the script; undefined: it does not care. */
  judge: (body: string) => EdgeAnswer | undefined = () => undefined;
  /** How far its clock, as its Date field says it, is ahead. */
  clockAheadMs = 0;

  readonly folder: string;
  readonly authority: Certificate;
  readonly #options: EdgeOptions;
  readonly #ids: string[] = [];
  readonly #answers: EdgeAnswer[] = [];
  readonly #tokenAnswers: EdgeAnswer[] = [];
  readonly #tokens = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  #server: Server;
  #port = 0;
  #secret = '';

  private constructor(options: EdgeOptions, folder: string, port: number, server: Server, authority: Certificate) {
    this.#options = options;
    this.#server = server;
    this.#port = port;
    this.folder = folder;
    this.authority = authority;
    this.tokenLifeSeconds = options.tokenLifeSeconds ?? 300;
    const origin = `${options.certificate === 'none' ? 'http' : 'https'}://localhost:${port}`;
    this.url = `${origin}/api-transactions`;
    this.tokenUrl = `${origin}/token`;
    this.caFile = this.file('ca.pem', authority.certificate);
    this.secretFile = join(folder, 'secret');
    this.rotateSecret();
    const client = this.makeClient('sensor');
    this.clientCertificateFile = this.file('client.pem', client.certificate);
    this.clientKeyFile = this.file('client.key', client.key);
    this.#attach(server);
  }

  static async open(options: EdgeOptions = {}): Promise<Edge> {
    const authority = makeAuthority('Earshot Test CA');
    const server = serverOf(options, authority);
    const port = await listen(server, 0);
    return new Edge(options, mkdtempSync(join(tmpdir(), 'earshot-edge-')), port, server, authority);
  }

  /** Ids of all records that were taken, in order; what came twice stands there twice. */
  received(): readonly string[] {
    return this.#ids;
  }

  /** Answers to the next deliveries, one each; after them every one is taken with 200. */
  script(...answers: readonly EdgeAnswer[]): void {
    this.#answers.push(...answers);
  }

  /** The same for the token end-point. */
  scriptTokens(...answers: readonly EdgeAnswer[]): void {
    this.#tokenAnswers.push(...answers);
  }

  /** Another client secret counts from now on; it is put into `secretFile`, unless told otherwise. */
  rotateSecret(isPublished = true): void {
    this.#secret = `s3cret:&+ ${randomUUID()}`;
    if (isPublished) this.publishSecret();
  }

  publishSecret(): void {
    this.file('secret', `${this.#secret}\n`);
  }

  /** No token that was given counts any longer. */
  revokeTokens(): void {
    this.#tokens.clear();
  }

  makeClient(commonName: string, authority: Certificate = this.authority): Certificate {
    return makeCertificate({ commonName }, authority);
  }

  /** Puts a file into the edge's folder, in the place of another in one step; returns its path. */
  file(name: string, content: string): string {
    const path = join(this.folder, name);
    writeFileSync(`${path}.new`, content, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return path;
  }

  /** Ends all connections and listens no longer. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** At the same place again, with this certificate. */
  async start(certificate: EdgeOptions['certificate'] = this.#options.certificate ?? 'good'): Promise<void> {
    this.#server = serverOf({ ...this.#options, certificate }, this.authority);
    this.#attach(this.#server);
    await listen(this.#server, this.#port);
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #attach(server: Server): void {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    });
    server.on('request', (request: Request, response: Response) => void this.#serve(request, response));
  }

  async #serve(request: Request, response: Response): Promise<void> {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    response.setHeader('date', new Date(Date.now() + this.clockAheadMs).toUTCString());
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const isToken = pathname === '/token';
    const answer = (isToken ? this.#tokenAnswers : this.#answers).shift();
    if (typeof answer === 'object' && answer.isEarly === true) {
      this.#note(request, [], 0, answer.status);
      response.writeHead(answer.status, request.httpVersionMajor === 2 ? {} : { connection: 'close' }).end(answer.body ?? '');
      return;
    }
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    if (isToken) await this.#giveToken(request, response, body.toString(), answer);
    else if (pathname !== '/api-transactions') send(response, 404, {}, '');
    else await this.#take(request, response, body, answer);
  }

  async #take(request: Request, response: Response, sent: Buffer, scripted: EdgeAnswer = 200): Promise<void> {
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
    const answer = this.judge(body.toString()) ?? scripted;
    const ids = idsOf(body);
    const mayDeliver = this.#isAuthorised(request.headers.authorization ?? '');
    const status = mayDeliver ? statusOf(answer) : 401;
    const items = typeof answer === 'object' ? answer.items : undefined;
    if (status >= 200 && status < 300 && answer !== 'page') this.#ids.push(...ids.filter((_id, i) => (items?.[i] ?? 200) < 300));
    this.#note(request, ids, body.length, status);
    if (mayDeliver) await play(request, response, answer);
    else send(response, 401, { 'www-authenticate': 'Bearer error="invalid_token", error_description="not one of ours"' }, '');
  }

  #note({ headers, httpVersion, socket }: Request, ids: readonly string[], bytes: number, status: number): void {
    const client = this.#options.clientCertificate === true ? clientNameOf(socket as TLSSocket) : '';
    this.deliveries.push({ headers, httpVersion, ids, bytes, status, client });
  }

  #isAuthorised(value: string): boolean {
    const wanted = this.#options.authorization ?? 'oauth2';
    if (wanted === 'none') return true;
    if (typeof wanted === 'function') return wanted(value);
    if (wanted !== 'oauth2') return value === wanted;
    return (this.#tokens.get(value.replace(/^Bearer /, '')) ?? 0) > performance.now();
  }

  async #giveToken(request: Request, response: Response, body: string, answer: EdgeAnswer | undefined): Promise<void> {
    const parameters = Object.fromEntries(new URLSearchParams(body));
    this.tokenRequests.push(parameters);
    if (answer !== undefined) {
      await play(request, response, answer);
      return;
    }
    const [id, secret] = clientOf(request.headers.authorization, parameters);
    const json = { 'content-type': 'application/json' };
    if (id !== this.clientId || secret !== this.#secret) {
      send(response, 401, json, JSON.stringify({ error: 'invalid_client', error_description: `no client ${id} with ${secret}` }));
    } else if (parameters.grant_type !== 'client_credentials') {
      send(response, 400, json, JSON.stringify({ error: 'unsupported_grant_type' }));
    } else {
      const token = `token-${randomUUID()}`;
      const lifeSeconds = this.tokenLifeSeconds;
      this.#tokens.set(token, lifeSeconds === 0 ? Number.POSITIVE_INFINITY : performance.now() + lifeSeconds * 1000);
      this.tokensIssued++;
      const life = lifeSeconds === 0 ? {} : { expires_in: lifeSeconds };
      send(response, 200, json, JSON.stringify({ access_token: token, token_type: 'Bearer', ...life }));
    }
  }
}

function serverOf(options: EdgeOptions, authority: Certificate): Server {
  if (options.certificate === 'none') return createPlainServer();
  const { certificate, key } = makeServerCertificate(options.certificate ?? 'good', authority);
  const tls: SecureContextOptions = { cert: certificate, key, ca: authority.certificate, maxVersion: options.tlsVersionMax ?? 'TLSv1.3' };
  const isMutual = options.clientCertificate === true;
  const server = createSecureServer({
    ...tls,
    allowHTTP1: true,
    ALPNProtocols: options.http2 === false ? ['http/1.1'] : ['h2', 'http/1.1'],
    requestCert: isMutual,
    rejectUnauthorized: isMutual,
  });
  server.on('sessionError', () => undefined);
  return server;
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, 'localhost', resolve));
  return (server.address() as AddressInfo).port;
}

function clientNameOf(socket: TLSSocket): string {
  const name = socket.getPeerCertificate()?.subject?.CN;
  return typeof name === 'string' ? name : '';
}

function statusOf(answer: EdgeAnswer): number {
  if (typeof answer === 'number') return answer;
  return typeof answer === 'object' ? answer.status : 200;
}

async function play(request: Request, response: Response, answer: EdgeAnswer): Promise<void> {
  const { socket } = request;
  switch (answer) {
    case 'silent':
      return;
    case 'close':
      if (request.httpVersionMajor === 2) socket.destroy();
      else socket.end();
      return;
    case 'reset':
      socket.destroy();
      return;
    case 'half':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"half":');
      await pause(50);
      socket.destroy();
      return;
    case 'page':
      send(response, 200, { 'content-type': 'text/html; charset=utf-8' }, PAGE);
      return;
    default: {
      const { status, headers = {}, body = '', delayMs = 0, items } = typeof answer === 'number' ? { status: answer } : answer;
      if (delayMs > 0) await pause(delayMs);
      if (items === undefined) send(response, status, headers, body);
      else
        send(
          response,
          status,
          { 'content-type': 'application/json', ...headers },
          JSON.stringify({ items: items.map((one) => ({ status: one })) }),
        );
    }
  }
}

function send(response: Response, status: number, headers: Readonly<Record<string, string>>, body: string): void {
  response.writeHead(status, headers);
  response.end(body);
}

/** Id and secret, from Authorization (form-encoded in it: RFC 6749, section 2.3.1) or from the body. */
function clientOf(authorization: string | undefined, parameters: Readonly<Record<string, string>>): readonly [string, string] {
  if (authorization === undefined) return [parameters.client_id ?? '', parameters.client_secret ?? ''];
  const [id = '', secret = ''] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
    .toString()
    .split(':');
  const decode = (text: string): string => new URLSearchParams(`x=${text}`).get('x') ?? '';
  return [decode(id), decode(secret)];
}

/** "transaction-id" or "id" of each record. */
function idsOf(body: Buffer): string[] {
  const text = body.toString().trim();
  if (text === '') return [];
  const records = (text.startsWith('[') ? JSON.parse(text) : text.split('\n').map((line) => JSON.parse(line))) as Record<string, unknown>[];
  return records.map((record) => String(record['transaction-id'] ?? record.id));
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
