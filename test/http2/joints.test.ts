/**
 * Law: a connection of HTTP/2 that is joined anywhere. Recordings of peers that are not ours begin at every frame boundary of both
 * directions in turn, and at places inside of frames. Calls that begin behind the joint are found; what a record says is so, and
 * what is not known is said to be unknown.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begunAfter, frameBoundaries, insideFrames } from '../support/http2-joints.ts';
import { type Joint, judge, Segments } from '../support/http2-judge.ts';
import type { Recording } from '../support/http2-node-peers.ts';
import { groups } from '../support/http2-recordings.ts';
import { type Http2Truth, truthOf } from '../support/http2-truth.ts';
import { lawSeed, runPipeline } from '../support/run-pipeline.ts';

const SEGMENT_BYTES = 1400;
/** Of calls that begin behind a joint inside of a frame: in a head that is cut too early, nothing tells where the next frame begins. */
const FOUND_INSIDE_MIN = 0.98;

interface Figures {
  joints: number;
  calls: number;
  found: number;
  cut: number;
  fields: number;
  known: number;
}

const none = (): Figures => ({ joints: 0, calls: 0, found: 0, cut: 0, fields: 0, known: 0 });

/** Begins the connection at the joint; gives what is missing. */
function join(truth: Http2Truth, segments: Segments, joint: Joint, figures: Figures, name: string): string[] {
  const { must, cut } = begunAfter(truth, segments, joint);
  const { records } = runPipeline(segments.from(joint.fromServer, joint.offset));
  const { faults, reported, fieldsKnownOf } = judge(records, truth, segments, { joint });
  const where = `${name}: joined at byte ${joint.offset} of the ${joint.fromServer ? 'server' : 'client'}`;
  assert.deepEqual(faults, [], where);
  const missed = must.filter((s) => (reported.get(s)?.request ?? null) === null);
  figures.joints++;
  figures.calls += must.length;
  figures.found += must.length - missed.length;
  figures.cut += cut.length;
  const { fields, known } = fieldsKnownOf(must);
  figures.fields += fields;
  figures.known += known;
  return missed.map(({ stream, request }) => `${where}: stream ${stream} at ${request?.at}`);
}

const said = ({ joints, calls, found, cut, fields, known }: Figures): string =>
  `${joints} joints, ${found} of ${calls} calls found, ${cut} more cut too early to tell, ${((100 * known) / fields).toFixed(1)} % of their ${fields} fields known`;

const connectionsOf = (recordings: readonly Recording[]): { name: string; truth: Http2Truth; segments: Segments }[] =>
  recordings.flatMap(({ name, connections }) =>
    connections.map((turns) => ({ name, truth: truthOf(turns), segments: new Segments(turns, SEGMENT_BYTES, 'client-fin') })),
  );

for (const { name: group, skip, record } of groups) {
  test(`${group}: joined at every frame boundary, and inside of frames`, { skip }, async (t) => {
    const all = connectionsOf(await record(lawSeed()));
    const figures = none();
    const missed = all.flatMap(({ name, truth, segments }) =>
      frameBoundaries(truth).flatMap((joint) => join(truth, segments, joint, figures, name)),
    );
    t.diagnostic(`frame boundaries: ${said(figures)}`);
    assert.deepEqual(missed, []);
    assert.ok(figures.calls > 0);

    const inside = none();
    for (const { name, truth, segments } of all) {
      if (truth.streams.length > 30) continue;
      for (const joint of insideFrames(truth)) join(truth, segments, joint, inside, name);
    }
    t.diagnostic(`inside of frames: ${said(inside)}`);
    assert.ok(inside.found >= FOUND_INSIDE_MIN * inside.calls, said(inside));
  });
}
