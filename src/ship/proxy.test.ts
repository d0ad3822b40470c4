import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { afterEach, test } from 'node:test';
import { ConnectProxy, type ConnectProxyOptions } from '../../test/support/connect-proxy.ts';
import { Edge, type EdgeOptions } from '../../test/support/edge.ts';
import type { HttpSinkSettings } from '../base/settings.ts';
import { NO_PROXY, proxyFor } from './proxy.ts';
import type { Outcome } from './sink.ts';
import { createHttpSink } from './sinks/http.ts';
import { makeBatch, never, problemOf, shortly, sinkContext, sinkSettings } from './sinks/http-testing.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function openBoth(edgeOptions: EdgeOptions, proxyOptions: ConnectProxyOptions): Promise<readonly [Edge, ConnectProxy]> {
  const edge = await Edge.open({ authorization: 'none', ...edgeOptions });
  const proxy = await ConnectProxy.open(proxyOptions);
  open.push(edge, proxy);
  return [edge, proxy];
}

async function sendTo(edge: Edge, changes: Partial<HttpSinkSettings>): Promise<Outcome> {
  const sink = createHttpSink('platform', sinkSettings(edge.url, edge.caFile, changes), sinkContext());
  open.push(sink);
  return await sink.send(makeBatch('a'), never);
}

for (const http2 of [false, true]) {
  test(`through a proxy with authentication, TLS to the edge inside: HTTP/${http2 ? 2 : 1}`, async () => {
    const [edge, proxy] = await openBoth({}, { user: 'me', password: 'p:w' });
    const proxyPassword = { file: edge.file('pw', 'p:w\n') };
    const outcome = await sendTo(edge, { http2, proxy: proxy.url, proxyUser: 'me', proxyPassword });
    assert.equal(shortly(outcome), 'delivered');
    assert.deepEqual(proxy.asked, [`CONNECT ${new URL(edge.url).host}`]);
    assert.equal(edge.deliveries[0].headers['proxy-authorization'], undefined);
    assert.equal(edge.deliveries[0].httpVersion, http2 ? '2.0' : '1.1');
  });
}

test('plain HTTP goes through the proxy by its whole URL', async () => {
  const [edge, proxy] = await openBoth({ certificate: 'none' }, { user: 'me', password: 'pw' });
  const proxyPassword = { file: edge.file('pw', 'pw') };
  const changes = { type: 'http', format: 'jsonl', proxy: proxy.url } as const;
  assert.equal(shortly(await sendTo(edge, { ...changes, proxyUser: 'me', proxyPassword })), 'delivered');
  assert.deepEqual(proxy.asked, [`POST ${edge.url}`]);
  const refused = await sendTo(edge, changes);
  assert.equal(shortly(refused), 'blocked proxy-authentication');
  assert.match(problemOf(refused).what, /^The proxy 127\.0\.0\.1:\d+ /);
});

test('a token is fetched through the proxy too', async () => {
  const [edge, proxy] = await openBoth({ authorization: 'oauth2' }, {});
  const auth = {
    type: 'oauth2',
    tokenUrl: edge.tokenUrl,
    clientId: edge.clientId,
    clientSecret: { file: edge.secretFile },
    scope: '',
    audience: '',
    clientAuthentication: 'post',
  } as const;
  assert.equal(shortly(await sendTo(edge, { proxy: proxy.url, auth })), 'delivered');
  assert.equal(proxy.asked.length, 2);
});

test('what a proxy refuses is told apart', async () => {
  const cases = [
    [{ user: 'me', password: 'pw' }, 'blocked proxy-authentication'],
    [{ refuse: 403 }, 'blocked proxy-forbids'],
    [{ refuse: 503 }, 'retry proxy-cannot-reach'],
  ] as const;
  for (const [options, expected] of cases) {
    const [edge, proxy] = await openBoth({}, options);
    const proxyPassword = { file: edge.file('pw', 'wrong-password') };
    const outcome = await sendTo(edge, { proxy: proxy.url, proxyUser: 'me', proxyPassword });
    assert.equal(shortly(outcome), expected);
    assert.match(problemOf(outcome).what, /^The proxy 127\.0\.0\.1:\d+ /);
    assert.doesNotMatch(JSON.stringify(outcome), /wrong-password/);
    assert.equal(edge.deliveries.length, 0);
  }
});

test('an edge that the proxy cannot reach, a proxy that is not there, one that is no proxy', async () => {
  const [edge, proxy] = await openBoth({}, {});
  await edge.stop();
  assert.equal(shortly(await sendTo(edge, { proxy: proxy.url })), 'retry proxy-cannot-reach');
  await edge.start();
  await proxy.close();
  const gone = await sendTo(edge, { proxy: proxy.url });
  assert.equal(shortly(gone), 'retry connection-refused');
  assert.match(problemOf(gone).what, /the proxy 127/);
  const server = createServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end('220 mail ready\r\n\r\n'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: async () => void (await new Promise((resolve) => server.close(resolve))) });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  assert.equal(shortly(await sendTo(edge, { proxy: `http://127.0.0.1:${port}` })), 'blocked proxy-not-http');
  assert.equal(shortly(await sendTo(edge, { proxy: 'socks5://127.0.0.1:1080' })), 'blocked proxy-url-invalid');
});

test("the edge's certificate is judged behind the proxy as well", async () => {
  const [edge, proxy] = await openBoth({ certificate: 'unknown-ca' }, {});
  const outcome = await sendTo(edge, { proxy: proxy.url });
  assert.equal(shortly(outcome), 'blocked certificate-untrusted');
  assert.match(problemOf(outcome).what, /^The certificate of localhost:/);
});

test('the environment names the proxy, and what goes without', () => {
  const environment = {
    HTTPS_PROXY: 'http://me:p%40ss@proxy.example:3128',
    NO_PROXY: 'localhost, .internal.example,10.0.0.0/8 192.168.1.7,edge.example:8443,fd00::/8',
  };
  const chosen = (url: string, others: NodeJS.ProcessEnv = {}): string => {
    return proxyFor(new URL(url), { ...NO_PROXY, url: 'environment' }, { ...environment, ...others })?.url.href ?? 'straight';
  };
  const through = 'http://proxy.example:3128/';
  assert.equal(chosen('https://edge.example/'), through);
  assert.equal(chosen('https://edge.example:8443/'), 'straight');
  assert.equal(chosen('https://a.b.internal.example/'), 'straight');
  assert.equal(chosen('https://notinternal.example/'), through);
  assert.equal(chosen('https://10.9.8.7/'), 'straight');
  assert.equal(chosen('https://11.9.8.7/'), through);
  assert.equal(chosen('https://192.168.1.7:9999/'), 'straight');
  assert.equal(chosen('https://[fd12::1]/'), 'straight');
  assert.equal(chosen('https://localhost/'), 'straight');
  assert.equal(chosen('http://edge.example/'), 'straight');
  assert.equal(chosen('https://edge.example/', { https_proxy: 'other.example:8080' }), 'http://other.example:8080/');
  assert.equal(chosen('https://edge.example/', { no_proxy: '*' }), 'straight');
  const proxy = proxyFor(new URL('https://edge.example/'), { ...NO_PROXY, url: 'environment' }, environment);
  assert.equal(proxy?.authorization(), `Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  assert.equal(proxy?.whom.name, 'the proxy proxy.example:3128');
});
