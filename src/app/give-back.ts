/**
 * What starting left behind: reading modules and settings grows the young part of the heap to ten times of what a sensor
 * needs that has nothing to do, and V8 shrinks it only at a full collection, for which an idle thread gives no reason.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One full collection of this thread's heap, some tens of milliseconds: for the end of a start. */
export function giveBackMemory(): void {
  // The function exists only in contexts that are made after the flag. It stays set: flags are those of all threads.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
