import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { brief, decoded, decodeSettings, segment } from '../../test/support/decoded.ts';
import {
  erspan,
  ethernet,
  geneve,
  gre,
  gtp,
  ipv4,
  ipv6,
  l2tp,
  mpls,
  nsh,
  pppoe,
  pptp,
  tcp,
  teredo,
  udp,
  vlan,
  vxlan,
} from '../../test/support/packets.ts';
import { defaultSettings } from '../base/settings.ts';
import { resetDecode } from './decode.ts';
import { describePath, type Layer } from './encapsulation.ts';

const inner = ipv4(tcp(Buffer.from('hello')));
const frame = ethernet(inner);
afterEach(() => resetDecode(defaultSettings));

/** Path, scope and group of a packet that has to be TCP. */
function ids(data: Buffer): { path: number; scope: number; group: number } {
  assert.equal(decoded(data).verdict, 'tcp');
  return { path: segment.pathId, scope: segment.scopeId, group: segment.scopeGroup };
}

test('a described layer is what the record wants', () => {
  const layers: Layer[] = decoded(ethernet(vlan(inner))).layers;
  const recorded: readonly Layer[] = layers;
  assert.deepEqual(recorded, [{ type: 'vlan', vlan: 100 }]);
});

test('no layers: path, scope and group are 0', () => {
  assert.deepEqual(ids(frame), { path: 0, scope: 0, group: 0 });
  assert.deepEqual(describePath(0), []);
});

test('outer addresses make another path, not another scope', () => {
  const a = ids(ethernet(ipv4(udp(vxlan(frame)), { source: '10.9.9.1' })));
  const b = ids(ethernet(ipv4(udp(vxlan(frame), { sourcePort: 61000 }), { source: '10.9.9.2' })));
  const c = ids(ethernet(ipv6(udp(vxlan(frame)))));
  assert.equal(new Set([a.path, b.path, c.path]).size, 3);
  assert.equal(new Set([a.scope, b.scope, c.scope]).size, 1);
  assert.deepEqual(ids(ethernet(ipv4(udp(vxlan(frame), { sourcePort: 7777 }), { source: '10.9.9.1' }))), a);
  assert.equal(a.scope, a.group);
});

test('isolating ids make another scope and another group', () => {
  const wraps: ((id: number) => Buffer)[] = [
    (id) => ethernet(ipv4(udp(vxlan(frame, { vni: id })))),
    (id) => ethernet(ipv4(udp(geneve(frame, { vni: id })))),
    (id) => ethernet(ipv4(gre(inner, { key: id }))),
    (id) => ethernet(ipv4(erspan(frame, { session: id }))),
    (id) => ethernet(pppoe(inner, { session: id })),
  ];
  const seen = new Set<number>();
  for (const wrap of wraps) {
    for (const id of [1, 2]) {
      const { scope, group } = ids(wrap(id));
      assert.ok(scope > 0 && group > 0 && !seen.has(scope) && !seen.has(group));
      seen.add(scope).add(group);
    }
  }
});

test('ids that may differ by direction make another scope, not another group', () => {
  const wraps: ((id: number) => Buffer)[] = [
    (id) => ethernet(vlan(inner, { id })),
    (id) => ethernet(mpls(inner, { labels: [id + 15] })),
    (id) => ethernet(ipv4(udp(gtp(inner, { teid: id })))),
    (id) => ethernet(ipv4(udp(l2tp(inner, { session: id })))),
    (id) => ethernet(ipv4(pptp(inner, { callId: id }))),
  ];
  for (const wrap of wraps) {
    const [one, two] = [ids(wrap(1)), ids(wrap(2))];
    assert.notEqual(one.scope, two.scope);
    assert.deepEqual([one.group, two.group], [0, 0]);
  }
  const [one, two] = [1, 2].map((id) => ids(ethernet(ipv4(udp(vxlan(ethernet(vlan(inner, { id }))))))));
  assert.notEqual(one.scope, two.scope);
  assert.equal(one.group, two.group);
  assert.equal(one.group, ids(ethernet(ipv4(udp(vxlan(frame))))).group);
});

test('tunnels without ids have a scope and no group', () => {
  for (const data of [
    ethernet(ipv4(inner)),
    ethernet(ipv4(gre(inner))),
    ethernet(nsh(inner)),
    ethernet(ipv4(udp(teredo(ipv6(tcp(Buffer.alloc(0))))))),
  ]) {
    const { scope, group } = ids(data);
    assert.ok(scope > 0);
    assert.equal(group, 0);
  }
});

test('a priority tag counts like no tag, but is in the path', () => {
  assert.deepEqual([ids(ethernet(vlan(inner, { id: 0 }))).scope, brief(describePath(segment.pathId))], [0, 'vlan 0']);
  const tagged = ids(ethernet(vlan(vlan(inner, { id: 7 }), { id: 0 })));
  assert.equal(tagged.scope, ids(ethernet(vlan(inner, { id: 7 }))).scope);
});

test('merge: no tunnel separates flows, VLANs inside the innermost one do', () => {
  resetDecode(decodeSettings({ vni: 'merge' }));
  for (const data of [
    ethernet(ipv4(udp(vxlan(frame, { vni: 1 })))),
    ethernet(ipv4(udp(vxlan(frame, { vni: 2 })))),
    ethernet(vlan(ipv4(gre(frame, { key: 2 })), { id: 9 })),
    ethernet(ipv4(udp(geneve(ipv4(udp(vxlan(frame))))))),
    ethernet(pppoe(inner)),
  ]) {
    const { path, scope, group } = ids(data);
    assert.ok(path > 0);
    assert.deepEqual([scope, group], [0, 0]);
  }
  const inside = ids(ethernet(vlan(ipv4(udp(vxlan(ethernet(vlan(inner, { id: 5 }))))), { id: 6 })));
  assert.equal(inside.scope, ids(ethernet(vlan(inner, { id: 5 }))).scope);
  assert.notEqual(inside.scope, ids(ethernet(vlan(inner, { id: 6 }))).scope);
  assert.equal(inside.group, 0);
});

test('beyond the limit a path is "other", and its scope is still its own', () => {
  resetDecode(decodeSettings({ pathsMax: 3 }));
  const wrap = (vni: number, source = '10.0.0.1'): Buffer => ethernet(ipv4(udp(vxlan(frame, { vni })), { source }));
  const known = [1, 2, 3].map((vni) => ids(wrap(vni)));
  const beyond = ids(wrap(1, '10.0.0.99'));
  assert.deepEqual(decoded(wrap(1, '10.0.0.99')).weirds, ['limit.decode.paths']);
  assert.deepEqual(describePath(beyond.path), [{ type: 'other' }]);
  assert.deepEqual([beyond.scope, beyond.group], [known[0].scope, known[0].group]);
  const scopes = new Set(Array.from({ length: 100 }, (_, i) => ids(wrap(10 + i)).scope));
  assert.equal(scopes.size, 100);
  for (let i = 0; i < 100; i++) assert.ok(scopes.has(ids(wrap(10 + i)).scope));
  assert.deepEqual(ids(wrap(2)), known[1]);
});

test('many paths and deep ones keep their numbers', () => {
  const wrap = (i: number): Buffer => ethernet(vlan(ipv6(gre(ipv6(udp(vxlan(frame, { vni: i }))), { key: i })), { id: i & 4095 }));
  const first = Array.from({ length: 3000 }, (_, i) => ids(wrap(i)));
  for (let i = 0; i < 3000; i += 7) {
    assert.deepEqual(ids(wrap(i)), first[i]);
    assert.equal(brief(describePath(first[i].path)), `vlan ${i & 4095}, gre ${i}, vxlan ${i}`);
  }
  assert.equal(new Set(first.map((x) => x.path)).size, 3000);
});
