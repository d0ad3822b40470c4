/**
 * Shop: a small realistic capture for `npm start` and tests: the API of an online shop, as a traffic mirror of a cloud
 * delivers it: every packet in VXLAN, three mirror sessions (VNIs 4101 shop, 4102 payments, 4103 sign-in).
 *
 *   customers -> load balancer -> shop-api 10.0.1.20:8080 -> payments 10.0.2.30:9000     plain HTTP/1.1, keep-alive
 *                              -> sign-in  10.0.3.40:443                                 TLS: nobody can read it
 *
 * The same bytes every time.
 */
import { gzipSync } from 'node:zlib';
import { ACK, FIN, FlowFrames, FRAME_BYTES_MAX, PSH, SYN, VXLAN_BYTES, writeVxlan } from './frames.ts';
import { PcapWriter } from './pcap-writer.ts';
import { Random } from './random.ts';

const START_US = Date.UTC(2026, 2, 14, 9, 26, 53) * 1000;
const CUSTOMERS = 12;
const SHOP = { vni: 4101, server: [10, 0, 1, 20], port: 8080, host: 'api.shop.example' } as const;
const PAYMENTS = { vni: 4102, server: [10, 0, 2, 30], port: 9000, host: 'payments.internal' } as const;
const SIGN_IN = { vni: 4103, server: [10, 0, 3, 40], port: 443, host: 'login.shop.example' } as const;
const BALANCER = [10, 0, 0, 7] as const;
const GOODS = ['Desk lamp', 'Wool scarf', 'Garden hose', 'Tea 茶', 'Walking boots', 'Café table', 'Keyboard', 'Crêpe pan'] as const;
const AGENTS = ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'ShopApp/7.14.2 (Android 15)'] as const;

export interface ShopCall {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly client: string;
  readonly server: string;
}

interface Place {
  readonly vni: number;
  readonly server: readonly number[];
  readonly port: number;
  readonly host: string;
}

/** One TCP connection; each method adds the packets of what it is named for. */
class Connection {
  readonly #shop: Shop;
  readonly #place: Place;
  readonly #client: readonly number[];
  readonly #clientPort: number;
  readonly #frames: FlowFrames;
  readonly #fields: string;
  /** Next sequence number of client and server, unsigned. */
  readonly #sequence: [number, number];
  nowUs: number;

  constructor(shop: Shop, place: Place, client: readonly number[], clientPort: number, startUs: number, fields: string) {
    this.#shop = shop;
    this.#place = place;
    this.#client = client;
    this.#clientPort = clientPort;
    this.#fields = fields;
    this.#frames = new FlowFrames(
      { address: Uint8Array.from(client), port: clientPort },
      { address: Uint8Array.from(place.server), port: place.port },
      clientPort,
    );
    this.#sequence = [shop.random.bits() >>> 0, shop.random.bits() >>> 0];
    this.nowUs = startUs;
    this.#packet(0, SYN);
    this.#packet(1, SYN | ACK);
    this.#packet(0, ACK);
  }

  /** One call; the server takes `ms` milliseconds. */
  call(method: string, target: string, status: string, ms: number, answer: unknown, sent?: unknown): void {
    const { random } = this.#shop;
    const request = sent === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(sent));
    const plain = answer === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(answer));
    const gzip = plain.length > 1000;
    const response = gzip ? gzipSync(plain) : plain;
    const asked = `${method} ${target} HTTP/1.1\r\nHost: ${this.#place.host}\r\n${this.#fields}${bodyFields(request)}\r\n`;
    const coding = gzip ? 'Content-Encoding: gzip\r\n' : '';
    const answered = `HTTP/1.1 ${status}\r\nServer: envoy\r\nDate: ${new Date(this.nowUs / 1000).toUTCString()}\r\n${coding}`;
    this.send(0, Buffer.concat([Buffer.from(asked), request]));
    this.nowUs += Math.round(ms * 1000 * (0.7 + 0.6 * random.unit()));
    this.send(1, Buffer.concat([Buffer.from(`${answered}${bodyFields(response)}\r\n`), response]));
    this.#packet(0, ACK);
    this.nowUs += random.integer(150_000, 900_000);
    this.#shop.calls.push({
      method,
      target,
      status: Number.parseInt(status, 10),
      client: `${this.#client.join('.')}:${this.#clientPort}`,
      server: `${this.#place.server.join('.')}:${this.#place.port}`,
    });
  }

  /** Bytes from the client (0) or the server (1), in full segments. */
  send(from: 0 | 1, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += this.#frames.payloadBytesMax) {
      const end = Math.min(bytes.length, at + this.#frames.payloadBytesMax);
      this.#packet(from, end === bytes.length ? PSH | ACK : ACK, bytes.subarray(at, end));
    }
  }

  close(): void {
    this.#packet(0, FIN | ACK);
    this.#packet(1, FIN | ACK);
    this.#packet(0, ACK);
  }

  #packet(from: 0 | 1, flags: number, payload: Buffer = Buffer.alloc(0)): void {
    const frame = Buffer.alloc(VXLAN_BYTES + FRAME_BYTES_MAX);
    this.nowUs += this.#shop.random.integer(40, 220);
    const end = this.#frames.write(frame, VXLAN_BYTES, {
      fromServer: from === 1,
      flags,
      sequence: this.#sequence[from],
      acknowledgement: this.#sequence[1 - from],
      timestamp: Math.floor(this.nowUs / 1000) >>> 0,
      payload,
    });
    writeVxlan(frame, 0, this.#place.vni, 49152 + (this.#clientPort & 0x3fff), end - VXLAN_BYTES);
    this.#sequence[from] = (this.#sequence[from] + payload.length + (flags & (SYN | FIN) ? 1 : 0)) >>> 0;
    this.#shop.packets.push({ timeUs: this.nowUs, frame: frame.subarray(0, end) });
  }
}

class Shop {
  readonly random = new Random(314);
  readonly packets: { readonly timeUs: number; readonly frame: Buffer }[] = [];
  readonly calls: ShopCall[] = [];

  /** The calls of one customer, with those that the shop makes to payments meanwhile. */
  customer(number: number, startUs: number): void {
    const { random } = this;
    const address = `203.0.113.${10 + number}`;
    const fields = `User-Agent: ${AGENTS[number % 2]}\r\nAccept: application/json\r\nX-Forwarded-For: ${address}\r\nX-Forwarded-Proto: https\r\n`;
    const shop = new Connection(this, SHOP, BALANCER, 41000 + 7 * number, startUs, `${fields}Cookie: sid=${random.integer(1e8, 9e8)}\r\n`);
    const rejected = number % 6 === 4;
    const mail = { email: `customer${number}@mail.example`, password: 'correct horse' };
    shop.call(
      'POST',
      '/v1/login',
      rejected ? '401 Unauthorized' : '200 OK',
      48,
      rejected ? problem(401) : { customer: 7000 + number },
      mail,
    );
    if (rejected) {
      shop.close();
      return;
    }
    shop.call('GET', '/v1/products?page=1&sort=popular', '200 OK', 21, {
      items: GOODS.flatMap((name, i) => [product(i, name), product(i + 40, name)]),
    });
    shop.call('GET', `/v1/products/search?q=${random.pick(['lamp', 'tea', 'caf%C3%A9'])}`, '200 OK', 35, {
      items: [product(number, random.pick(GOODS))],
    });
    const id = 100 + random.integer(0, 7);
    shop.call('GET', `/v1/products/${id}`, '200 OK', 9, product(id - 100, GOODS[id - 100]));
    if (number % 4 === 1) shop.call('GET', `/v1/products/${id}/reviews`, '404 Not Found', 6, problem(404));
    const cart = `/v1/carts/${5000 + number}`;
    shop.call('POST', `${cart}/items`, '201 Created', 17, { items: 1 }, { product: id, quantity: random.integer(1, 3) });
    if (number % 3 === 0) shop.call('DELETE', `${cart}/items/1`, '204 No Content', 12, undefined);
    const failed = number === 7;
    const order = { cart: 5000 + number, card: { number: '4111111111111111', expires: '12/29' } };
    const payment = new Connection(
      this,
      PAYMENTS,
      SHOP.server,
      52000 + number,
      shop.nowUs + 20_000,
      'User-Agent: shop-api/3.2\r\nAuthorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n',
    );
    payment.call(
      'POST',
      '/payments',
      failed ? '500 Internal Server Error' : '201 Created',
      60,
      failed ? problem(500) : { state: 'captured' },
      order.card,
    );
    payment.close();
    shop.call(
      'POST',
      '/v1/orders',
      failed ? '502 Bad Gateway' : '201 Created',
      140,
      failed ? problem(502) : { order: 900 + number },
      order,
    );
    if (!failed) shop.call('GET', `/v1/orders/${900 + number}`, '200 OK', 11, { order: 900 + number, state: 'paid' });
    shop.close();
  }

  healthChecks(): void {
    const connection = new Connection(this, SHOP, BALANCER, 40001, START_US, 'User-Agent: ELB-HealthChecker/2.0\r\n');
    for (let i = 0; i < 4; i++) {
      connection.call('GET', '/healthz', '200 OK', 1, { ok: true });
      connection.nowUs += 2_000_000;
    }
    connection.close();
  }

  signIn(number: number): void {
    const connection = new Connection(this, SIGN_IN, BALANCER, 45000 + number, START_US + number * 1_700_000, '');
    connection.send(0, clientHello(SIGN_IN.host));
    connection.send(1, tlsRecord(0x16, Buffer.concat([Buffer.from([2, 0, 0, 70, 3, 3]), Buffer.alloc(68)])));
    connection.send(1, tlsRecord(0x17, Buffer.alloc(1200, 0xa5)));
    connection.send(0, tlsRecord(0x17, Buffer.alloc(400, 0x5a)));
    connection.close();
  }
}

function product(number: number, name: string): object {
  return { id: 100 + number, sku: `SKU-${7919 * (number + 1)}`, name, price: 4.5 + 3 * number, currency: 'EUR', stock: (number * 37) % 50 };
}

function problem(status: number): object {
  return { type: 'about:blank', status };
}

function bodyFields(body: Buffer): string {
  return body.length === 0 ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
}

function tlsRecord(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3, content.length >> 8, content.length & 255]), content]);
}

/** A ClientHello (RFC 8446, 4.1.2) with a server name (RFC 6066, 3) and ALPN h2 (RFC 7301). */
function clientHello(host: string): Buffer {
  const name = Buffer.from(host);
  const n = name.length;
  const extensions = Buffer.concat([
    Buffer.from([0, 0, 0, n + 5, 0, n + 3, 0, 0, n]),
    name,
    Buffer.from([0, 16, 0, 5, 0, 3, 2, 0x68, 0x32]),
  ]);
  const suites = Buffer.from([0, 0, 2, 0x13, 1, 1, 0]);
  const hello = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32, 7), suites, Buffer.from([0, extensions.length]), extensions]);
  return tlsRecord(0x16, Buffer.concat([Buffer.from([1, 0, 0, hello.length]), hello]));
}

/** The capture as the content of a pcap file, and the calls in it, in no order. */
export function makeShop(): { pcap: Buffer; calls: readonly ShopCall[] } {
  const shop = new Shop();
  shop.healthChecks();
  for (let i = 0; i < CUSTOMERS; i++) {
    shop.customer(i, START_US + i * 650_000 + 300_000);
    if (i % 4 === 0) shop.signIn(i);
  }
  shop.packets.sort((a, b) => a.timeUs - b.timeUs);
  const writer = new PcapWriter();
  for (const { timeUs, frame } of shop.packets) {
    const at = writer.reserve(frame.length);
    writer.bytes.set(frame, at);
    writer.commit(frame.length, timeUs);
  }
  return { pcap: writer.close(), calls: shop.calls };
}
