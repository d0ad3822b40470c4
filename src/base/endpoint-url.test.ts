import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpointUrl } from './endpoint-url.ts';

test('end-points', () => {
  for (const [text, address, port, encapsulation] of [
    ['udp://0.0.0.0:4789?encap=vxlan', '0.0.0.0', 4789, 'vxlan'],
    ['udp://0.0.0.0:4789/?encap=vxlan', '0.0.0.0', 4789, 'vxlan'],
    ['UDP://192.0.2.1:6081?encap=geneve', '192.0.2.1', 6081, 'geneve'],
    ['udp://[::]:6081?encap=geneve+vxlan', '::', 6081, 'geneve+vxlan'],
    ['udp://[2001:DB8:0::1]:1?encap=geneve%2Bvxlan', '2001:db8::1', 1, 'geneve+vxlan'],
    ['udp://127.0.0.1:6081', '127.0.0.1', 6081, 'geneve'],
    ['udp://127.0.0.1:8472', '127.0.0.1', 8472, 'vxlan'],
  ] as const) {
    assert.deepEqual(parseEndpointUrl(text), { address, port, encapsulation }, text);
  }
});

test('what is wrong with one is said', () => {
  for (const [text, wanted] of [
    ['', /udp:\/\//],
    ['tcp://0.0.0.0:4789', /udp:\/\//],
    ['udp://', /ADDRESS:PORT/],
    ['udp://0.0.0.0', /ADDRESS:PORT/],
    ['udp://::1:4789', /ADDRESS:PORT/],
    ['udp://:4789', /address is missing/],
    ['udp://eth0:4789', /no address of IPv4/],
    ['udp://[0.0.0.0]:4789', /no address of IPv6/],
    ['udp://[fe80::1%eth0]:4789', /no address of IPv6/],
    ['udp://[::ffff:10.0.0.1]:4789', /write 10\.0\.0\.1/],
    ['udp://239.1.1.1:4789', /multicast/],
    ['udp://[ff02::1]:4789', /multicast/],
    ['udp://0.0.0.0:0', /from 1 to 65535/],
    ['udp://0.0.0.0:65536', /from 1 to 65535/],
    ['udp://0.0.0.0:x', /from 1 to 65535/],
    ['udp://0.0.0.0:4789?encap=gre', /"gre" is no encapsulation/],
    ['udp://0.0.0.0:4789?encap=', /"" is no encapsulation/],
    ['udp://0.0.0.0:4789?vni=5', /only encap/],
    ['udp://0.0.0.0:4789?encap=vxlan&vni=5', /only encap/],
    ['udp://0.0.0.0:4789/x?encap=vxlan', /ADDRESS:PORT/],
  ] as const) {
    const fault = parseEndpointUrl(text);
    assert.ok(typeof fault === 'string', text);
    assert.match(fault, wanted, text);
  }
});
