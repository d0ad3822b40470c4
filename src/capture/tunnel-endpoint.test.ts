import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { SensorError } from '../base/errors.ts';
import { calls, freePort, hasIpv6, OpenedEndpoint, Sender } from './endpoint-testing.ts';
import { findPortHolder } from './port-holder.ts';
import { writeSockaddr } from './sockaddr.ts';
import { closeEndpoint, endpointDrops, openEndpoint, parseEndpoint, receiveBufferWarning } from './tunnel-endpoint.ts';

const RECEIVE_BUFFER_BYTES = 1 << 18;

/** The error of opening. */
function refusal(url: string): SensorError {
  try {
    closeEndpoint(openEndpoint(parseEndpoint(url), 2, RECEIVE_BUFFER_BYTES).fds);
  } catch (error) {
    assert.ok(error instanceof SensorError);
    return error;
  }
  throw new Error(`${url} was opened`);
}

test('end-points are read from their URLs; the port tells the encapsulation when nothing else does', () => {
  const read = (url: string): unknown[] => {
    const { address, port, encapsulation, url: own } = parseEndpoint(url);
    assert.equal(own, url);
    return [address, port, encapsulation];
  };
  assert.deepEqual(read('udp://0.0.0.0:4789?encap=vxlan'), ['0.0.0.0', 4789, 'vxlan']);
  assert.deepEqual(read('udp://10.0.0.7:4789'), ['10.0.0.7', 4789, 'vxlan']);
  assert.deepEqual(read('udp://0.0.0.0:6081'), ['0.0.0.0', 6081, 'geneve']);
  assert.deepEqual(read('udp://0.0.0.0:5000'), ['0.0.0.0', 5000, 'vxlan']);
  assert.deepEqual(read('UDP://0.0.0.0:6081/?encap=geneve+vxlan'), ['0.0.0.0', 6081, 'geneve+vxlan']);
  assert.deepEqual(read('udp://[::]:4789?encap=geneve%2Bvxlan'), ['::', 4789, 'geneve+vxlan']);
  assert.deepEqual(read('udp://[2001:DB8:0::1]:65535?encap=geneve'), ['2001:db8::1', 65535, 'geneve']);
});

test('a wrong URL is refused with what is wrong and what is wanted', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /does not begin with udp/],
    ['tcp://0.0.0.0:4789', /does not begin with udp/],
    ['udp://', /no ADDRESS:PORT/],
    ['udp://0.0.0.0', /no ADDRESS:PORT/],
    ['udp://::1:4789', /no ADDRESS:PORT/],
    ['udp://0.0.0.0:4789/path', /no ADDRESS:PORT/],
    ['udp://:4789', /the address is missing/],
    ['udp://localhost:4789', /"localhost" is no address of IPv4/],
    ['udp://10.0.0.256:4789', /"10.0.0.256" is no address/],
    ['udp://[10.0.0.1]:4789', /"10.0.0.1" is no address of IPv6/],
    ['udp://[fe80::1%eth0]:4789', /is no address of IPv6 .*zones/],
    ['udp://[::ffff:10.0.0.1]:4789', /write 10\.0\.0\.1/],
    ['udp://239.1.1.1:4789', /multicast/],
    ['udp://[ff02::1]:4789', /multicast/],
    ['udp://0.0.0.0:0', /port "0" is not from 1 to 65535/],
    ['udp://0.0.0.0:65536', /port "65536"/],
    ['udp://0.0.0.0:http', /port "http"/],
    ['udp://0.0.0.0:4789?encap=gre', /"gre" is no encapsulation/],
    ['udp://0.0.0.0:4789?encap=', /"" is no encapsulation/],
    ['udp://0.0.0.0:4789?encap=vxlan&encap=geneve', /not understood/],
    ['udp://0.0.0.0:4789?vni=7', /"\?vni=7" is not understood/],
  ];
  for (const [url, why] of cases) {
    assert.throws(
      () => parseEndpoint(url),
      (error) => {
        assert.ok(error instanceof SensorError, url);
        assert.equal(error.code, 'endpoint-invalid', url);
        assert.match(error.why, why, url);
        assert.match(error.next, /udp:\/\/ADDRESS:PORT\?encap=vxlan, geneve or geneve\+vxlan/);
        return true;
      },
    );
  }
});

test('sockets are opened, one a worker, and closed again', () => {
  const port = freePort();
  const endpoint = parseEndpoint(`udp://127.0.0.1:${port}`);
  for (let round = 0; round < 2; round++) {
    const { fds, receiveBufferBytes } = openEndpoint(endpoint, 3, RECEIVE_BUFFER_BYTES);
    assert.equal(new Set(fds).size, 3);
    assert.ok(receiveBufferBytes > 0 && receiveBufferBytes <= RECEIVE_BUFFER_BYTES);
    assert.deepEqual(fds.map(endpointDrops), [0, 0, 0]);
    closeEndpoint(fds);
    for (const fd of fds) assert.ok(calls().close(fd) < 0, 'it was still open');
  }
});

test('IPv4 and IPv6 on one port are two end-points', { skip: hasIpv6() ? false : 'this machine has no IPv6 on loopback' }, () => {
  const port = freePort();
  const six = new OpenedEndpoint(`udp://[::]:${port}`);
  const four = new OpenedEndpoint(`udp://0.0.0.0:${port}`);
  const sender = new Sender('127.0.0.1');
  sender.send(Buffer.from('x'), '127.0.0.1', port);
  four.drain(() => {});
  six.drain(() => {}, 0);
  assert.deepEqual([four.readers[0].packets, six.readers[0].packets], [1, 0]);
  sender.close();
  four.close();
  six.close();
});

test('a port that this process holds already', () => {
  const port = freePort();
  const first = new OpenedEndpoint(`udp://0.0.0.0:${port}`);
  const error = refusal(`udp://127.0.0.1:${port}`);
  assert.deepEqual([error.code, error.why], ['port-held', `port ${port} is held by this Earshot itself`]);
  assert.match(error.next, /once/);
  first.close();
  new OpenedEndpoint(`udp://127.0.0.1:${port}`).close();
});

test('a port that another process holds, even one that would share it', async () => {
  const program = `
    const socket = require('node:dgram').createSocket({ type: 'udp4', reusePort: true });
    socket.bind(0, '0.0.0.0', () => console.log(socket.address().port));`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [printed] = await once(child.stdout, 'data');
    const port = Number(printed);
    const error = refusal(`udp://0.0.0.0:${port}`);
    const name = 'node';
    assert.deepEqual([error.code, error.why], ['port-held', `port ${port} is held by the process ${name} (pid ${child.pid})`]);
    assert.match(error.next, /Stop it, or send the mirror to another port/);
    assert.deepEqual(findPortHolder({ address: '127.0.0.2', port }), { kind: 'process', pid: child.pid, name });
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

test('a holder on another address is none', () => {
  const port = freePort();
  const fd = calls().socket(2, 2, 0);
  assert.ok(calls().bind(fd, writeSockaddr({ address: '127.0.0.1', port }) as Buffer) >= 0);
  assert.equal(findPortHolder({ address: '127.0.0.2', port }), null);
  assert.equal(findPortHolder({ address: '127.0.0.1', port })?.kind, 'process');
  assert.equal(findPortHolder({ address: '0.0.0.0', port })?.kind, 'process');
  new OpenedEndpoint(`udp://127.0.0.2:${port}`).close();
  assert.equal(refusal(`udp://0.0.0.0:${port}`).code, 'port-held');
  calls().close(fd);
});

test('an address that this machine does not have', () => {
  const error = refusal('udp://192.0.2.1:4789');
  assert.deepEqual([error.code, error.why], ['endpoint-refused', '192.0.2.1 is no address of this machine']);
  assert.match(error.next, /^Take 0\.0\.0\.0 \(every address\), or 127\.0\.0\.1/);
});

test('less receive buffer than was wanted gives a warning with the sysctl', () => {
  const endpoint = parseEndpoint('udp://0.0.0.0:4789');
  assert.equal(receiveBufferWarning(endpoint, 4096, 4096), null);
  assert.equal(receiveBufferWarning(endpoint, 8192, 4096), null);
  const warning = receiveBufferWarning(endpoint, 212_992, 33_554_432);
  assert.match(warning?.what ?? '', /udp:\/\/0\.0\.0\.0:4789 is 212992 bytes instead of 33554432/);
  assert.match(warning?.next ?? '', /sysctl -w net\.core\.rmem_max=33554432/);
});

const WITHOUT_ARENA = `
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
  await import(process.argv[1]);
  const after = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
  console.log(after - before);`;

test('opening does not reserve the arena', () => {
  const path = new URL('./tunnel-endpoint.ts', import.meta.url).href;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', WITHOUT_ARENA, path], { encoding: 'utf8' });
  assert.ok(stdout !== '' && Number(stdout) < 64 << 20, stdout);
});
