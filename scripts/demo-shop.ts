/**
 * The traffic of `npm start`: a small shop API on loopback and customers that use it, with real sockets, until it is
 * told to stop. It runs in a network namespace of its own where that is possible; the port does not matter then.
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const PORT = 8080;
const CUSTOMERS = 6;
const goods = ['Desk lamp', 'Wool scarf', 'Garden hose', 'Walking boots', 'Keyboard', 'Crêpe pan'].map((name, i) => ({
  id: 100 + i,
  name,
  cents: 990 + 700 * i,
}));

function answer(req: IncomingMessage, res: ServerResponse): void {
  const path = (req.url ?? '').split('?')[0];
  const send = (status: number, body: unknown): void => {
    const text = JSON.stringify(body);
    res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
  };
  const product = /^\/products\/(\d+)$/.exec(path);
  if (path === '/products') send(200, goods);
  else if (product !== null) {
    const found = goods.find(({ id }) => id === Number(product[1]));
    if (found === undefined) send(404, { error: 'no such product' });
    else send(200, found);
  } else if (path === '/login') send(Math.random() < 0.2 ? 401 : 200, { token: Math.random().toString(36).slice(2) });
  else if (path === '/orders' && req.method === 'POST')
    setTimeout(() => send(Math.random() < 0.05 ? 503 : 201, { order: 7000 }), 20 + 60 * Math.random());
  else if (path === '/orders/7000/invoice') send(200, { lines: goods });
  else send(404, { error: 'not found' });
}

const server = createServer((req, res) => {
  req.resume().on('end', () => answer(req, res));
});

function call(agent: Agent, method: string, path: string, body = ''): Promise<void> {
  return new Promise((resolve) => {
    const headers = { host: 'api.shop.example', authorization: 'Bearer not-shown', 'content-length': Buffer.byteLength(body) };
    const sent = request({ host: '127.0.0.1', port: PORT, method, path, agent, headers }, (res) => res.resume().on('end', resolve));
    sent.on('error', () => resolve());
    sent.end(body);
  });
}

/** One customer, over a connection of his own. */
async function shop(): Promise<never> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (;;) {
    await call(agent, 'POST', '/login', JSON.stringify({ user: 'u', password: 'secret' }));
    for (let i = 0; i < 3; i++) {
      await sleep(300 + 900 * Math.random());
      if (i === 0) await call(agent, 'GET', '/products?sort=price&q=lamp');
      await call(agent, 'GET', `/products/${100 + Math.floor(7 * Math.random())}`);
    }
    await call(agent, 'POST', '/orders', JSON.stringify({ product: 101, card: '4111 1111 1111 1111' }));
    await call(agent, 'GET', '/orders/7000/invoice?format=json');
    await sleep(500 * Math.random());
  }
}

server.listen(PORT, '127.0.0.1', () => {
  for (let i = 0; i < CUSTOMERS; i++) void sleep(400 * i).then(shop);
});
process.on('SIGTERM', () => process.exit(0));
// Whoever started it is gone: nobody will stop it any more.
process.stdin.resume().on('end', () => process.exit(0));
