/**
 * Keycloak for tests: the real one, over TLS on loopback, with one realm and in it one client, which gets tokens by client
 * credentials. The database is in its memory: what a test changes is gone with it. It dies with the process that started it.
 *
 *   POST /realms/sensors/protocol/openid-connect/token    RFC 6749, section 4.4
 *   GET  /realms/sensors/protocol/openid-connect/certs    the keys that tokens are signed with (RFC 7517)
 *   PUT  /admin/realms/sensors/clients/ID                 switches the client off and on, gives it another secret
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createPublicKey, type JsonWebKey, type KeyObject, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Certificate, makeServerCertificate } from './certificates.ts';
import { freePorts } from './free-ports.ts';
import { keycloakCommand, keycloakRelease } from './keycloak-release.ts';

const HOST = '127.0.0.1';
const REALM = 'sensors';
const READY_LIMIT_MS = 120_000;
const REQUEST_LIMIT_MS = 20_000;
const POLL_MS = 200;
const TRIES = 3;
const PORT_TAKEN = /address already in use|already bound|port .*in use/i;
/** Tokens count in whole seconds, and what is on its way was sent a moment ago. */
const LEEWAY_SECONDS = 1;

export interface KeycloakOptions {
  /** Signs its certificate. */
  readonly authority: Certificate;
  /** Whole seconds. */
  readonly tokenLifeSeconds: number;
}

interface Claims {
  readonly iss: string;
  readonly azp: string;
  readonly jti: string;
  readonly exp: number;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

export class Keycloak {
  readonly clientId = 'sensor';
  readonly secretFile: string;
  readonly tokenUrl: string;
  /** Ids of all tokens that were accepted. */
  readonly tokens: Set<string> = new Set();
  /** Why others were not. */
  readonly refusals: string[] = [];
  readonly #folder: string;
  readonly #origin: string;
  readonly #authority: Certificate;
  readonly #admin: string = randomBytes(12).toString('hex');
  readonly #keys = new Map<string, KeyObject>();
  #secret = newSecret();
  #child: ChildProcess | null = null;
  readonly #removeNow = (): void => this.#remove();

  static async start(options: KeycloakOptions): Promise<Keycloak> {
    const release = await keycloakRelease();
    for (let left = TRIES - 1; ; left--) {
      const [port] = await freePorts(1);
      const keycloak = new Keycloak(options, release, port);
      try {
        await keycloak.#ready();
        return keycloak;
      } catch (error) {
        const log = keycloak.log();
        await keycloak.stop();
        if (left === 0 || !PORT_TAKEN.test(log)) throw error;
      }
    }
  }

  private constructor({ authority, tokenLifeSeconds }: KeycloakOptions, release: string, port: number) {
    this.#authority = authority;
    this.#origin = `https://localhost:${port}`;
    this.tokenUrl = `${this.#origin}/realms/${REALM}/protocol/openid-connect/token`;
    this.#folder = mkdtempSync(join(tmpdir(), `earshot-keycloak-${process.pid}-`));
    this.secretFile = join(this.#folder, 'secret');
    this.publishSecret();
    process.once('exit', this.#removeNow);
    const { certificate, key } = makeServerCertificate('good', authority);
    for (const name of ['lib', 'themes', 'providers']) symlinkSync(join(release, name), join(this.#folder, name));
    for (const name of ['conf', 'data/import']) mkdirSync(join(this.#folder, name), { recursive: true });
    writeFileSync(join(this.#folder, 'data/import/realm.json'), JSON.stringify(realm(this.clientId, this.#secret, tokenLifeSeconds)));
    const files = { certificate: join(this.#folder, 'tls.pem'), key: join(this.#folder, 'tls.key') };
    writeFileSync(files.certificate, certificate);
    writeFileSync(files.key, key, { mode: 0o600 });
    const settings = {
      cache: 'local',
      'http-enabled': 'false',
      'http-host': HOST,
      'https-port': String(port),
      'https-certificate-file': files.certificate,
      'https-certificate-key-file': files.key,
      hostname: this.#origin,
      'log-level': 'warn',
    };
    const start = ['start', '--optimized', '--import-realm', ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`)];
    // The kernel ends it when the process of the test ends, however that happens.
    const program = [
      'setpriv',
      '--pdeathsig',
      'KILL',
      'java',
      '-Dkc.config.built=true',
      ...keycloakCommand(release, this.#folder),
      ...start,
    ];
    const log = openSync(join(this.#folder, 'log'), 'a');
    this.#child = spawn(program[0], program.slice(1), {
      stdio: ['ignore', log, log],
      cwd: this.#folder,
      env: { ...process.env, KC_BOOTSTRAP_ADMIN_USERNAME: 'admin', KC_BOOTSTRAP_ADMIN_PASSWORD: this.#admin },
    });
    closeSync(log);
    this.#child.on('error', () => {});
  }

  async #ready(): Promise<void> {
    for (const endMs = Date.now() + READY_LIMIT_MS; ; await sleep(POLL_MS)) {
      if (this.#child?.exitCode !== null) throw new Error(`Keycloak ended with exit code ${this.#child?.exitCode}:\n${this.log()}`);
      if (await this.#readKeys().catch(() => false)) return;
      if (Date.now() > endMs) throw new Error(`Keycloak is not ready after ${READY_LIMIT_MS} ms:\n${this.log()}`);
    }
  }

  log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-4000);
  }

  /** Whether that value of Authorization bears a token of this realm for this client, signed by it and still good. */
  accepts(authorization: string): boolean {
    const refusal = this.#refusalOf(authorization.replace(/^Bearer /, ''));
    if (refusal !== '') this.refusals.push(refusal);
    return refusal === '';
  }

  #refusalOf(token: string): string {
    const [head = '', claims = '', signature = ''] = token.split('.');
    const { alg, kid } = parse(head) as { readonly alg?: string; readonly kid?: string };
    const key = this.#keys.get(kid ?? '');
    if (alg !== 'RS256' || key === undefined) return `signed with ${alg} and key ${kid}`;
    if (!verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'))) return 'the signature is wrong';
    const { iss, azp, jti, exp } = parse(claims) as Claims;
    if (iss !== `${this.#origin}/realms/${REALM}` || azp !== this.clientId) return `from ${iss} for ${azp}`;
    const lateSeconds = Date.now() / 1000 - exp;
    if (lateSeconds > LEEWAY_SECONDS) return `expired ${lateSeconds} s ago`;
    this.tokens.add(jti);
    return '';
  }

  /** Of RFC 7517; those for encryption are of no use here. */
  async #readKeys(): Promise<boolean> {
    const { status, text } = await this.#ask('GET', `/realms/${REALM}/protocol/openid-connect/certs`);
    if (status !== 200) return false;
    for (const jwk of (JSON.parse(text) as { keys: (JsonWebKey & { kid: string; use: string })[] }).keys) {
      if (jwk.use === 'sig') this.#keys.set(jwk.kid, createPublicKey({ key: jwk, format: 'jwk' }));
    }
    return this.#keys.size > 0;
  }

  /** A client that is switched off gets no tokens. */
  async setEnabled(enabled: boolean): Promise<void> {
    await this.#changeClient({ enabled });
  }

  /** Another secret counts from now on; the file keeps the old one. */
  async rotateSecret(): Promise<void> {
    this.#secret = newSecret();
    await this.#changeClient({ secret: this.#secret });
  }

  /** The secret that counts, in the place of another in one step. */
  publishSecret(): void {
    writeFileSync(`${this.secretFile}.new`, `${this.#secret}\n`, { mode: 0o600 });
    renameSync(`${this.secretFile}.new`, this.secretFile);
  }

  async #changeClient(changes: object): Promise<void> {
    const login = new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', username: 'admin', password: this.#admin });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const { text } = await this.#succeed('POST', '/realms/master/protocol/openid-connect/token', form, String(login));
    const bearer = { authorization: `Bearer ${(JSON.parse(text) as { access_token: string }).access_token}` };
    const clients = `/admin/realms/${REALM}/clients`;
    const [{ id }] = JSON.parse((await this.#succeed('GET', `${clients}?clientId=${this.clientId}`, bearer)).text) as [{ id: string }];
    const json = { ...bearer, 'content-type': 'application/json' };
    await this.#succeed('PUT', `${clients}/${id}`, json, JSON.stringify({ clientId: this.clientId, ...changes }));
  }

  async #succeed(method: string, path: string, headers: Readonly<Record<string, string>>, body = ''): Promise<Answer> {
    const answer = await this.#ask(method, path, headers, body);
    if (answer.status >= 300) throw new Error(`Keycloak: ${method} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  #ask(method: string, path: string, headers: Readonly<Record<string, string>> = {}, body = ''): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { method, headers, ca: this.#authority.certificate, agent: false, timeout: REQUEST_LIMIT_MS } as const;
      const asked = request(new URL(path, this.#origin), options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.once('error', reject).once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      asked.once('timeout', () => asked.destroy(new Error('Keycloak does not answer')));
      asked.once('error', reject).end(body);
    });
  }

  /** Ends it and removes its files. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== null && child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const closed = once(child, 'exit');
      child.kill('SIGKILL');
      await closed;
    }
    process.off('exit', this.#removeNow);
    this.#remove();
  }

  #remove(): void {
    this.#child?.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function newSecret(): string {
  return `s3cret:&+ ${randomBytes(12).toString('hex')}`;
}

function realm(clientId: string, secret: string, accessTokenLifespan: number): object {
  const client = {
    clientId,
    secret,
    enabled: true,
    protocol: 'openid-connect',
    publicClient: false,
    clientAuthenticatorType: 'client-secret',
    serviceAccountsEnabled: true,
    standardFlowEnabled: false,
    directAccessGrantsEnabled: false,
  };
  return { realm: REALM, enabled: true, sslRequired: 'all', accessTokenLifespan, clients: [client] };
}

/** A part of a token; {} when it is none. */
function parse(part: string): object {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as object;
  } catch {
    return {};
  }
}
