/** `earshot policy test --live` on an interface: with its right it hears the mirror, without it says what is missing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cannotUseNamespaces, Network } from '../support/netns.ts';
import { send } from '../support/sender.ts';
import { makeCalls, wrapAll, wraps } from './calls.ts';

const skip = cannotUseNamespaces('setpriv');
const launcher = join(import.meta.dirname, '../../earshot');
const powerless = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
/** Each a little later than the one before: the first ones may come before anybody listens. */
const BATCHES = 8;

test('rules are tried on what a mirror brings to an interface', { skip, timeout: 60_000 }, async (t) => {
  const network = new Network();
  t.after(() => network.remove());
  const { sensor, wire } = network.listener();
  const child = sensor.spawn(launcher, ['policy', 'test', '--live', '10m', '-i', 'eni0', '--json']);
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const closed = once(child, 'close');
  for (let net = 1; net <= BATCHES; net++) {
    const made = makeCalls({ connections: 10, callsEach: 3, net });
    await send(wire, network.folder, wrapAll(made, wraps.VXLAN.wrap), { device: 'wire' });
  }
  child.kill('SIGINT');
  assert.deepEqual(await closed, [0, null]);
  const result = JSON.parse(out) as { readonly calls: number; readonly letThrough: number; readonly live: { readonly packets: number } };
  assert.ok(result.calls > 0 && result.calls <= BATCHES * 30, `${result.calls} calls`);
  assert.equal(result.letThrough, result.calls);
  assert.ok(result.live.packets > result.calls);
});

test('without the right to listen it says which one is missing', { skip, timeout: 60_000 }, async (t) => {
  const network = new Network();
  t.after(() => network.remove());
  chmodSync(network.folder, 0o777);
  const { sensor } = network.listener();
  const child = sensor.spawn('setpriv', [...powerless, launcher, 'policy', 'test', '--live', '1s', '-i', 'eni0']);
  let err = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  assert.deepEqual(await once(child, 'close'), [2, null]);
  assert.match(err, /^earshot: Cannot listen on an interface: the process lacks CAP_NET_RAW[.] Run it as root/);
});
