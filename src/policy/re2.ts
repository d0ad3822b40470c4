/**
 * The package for regular expressions of linear time, read when the first expression is compiled: with 2.5 MiB a thread it
 * is the largest part of a policy, and the shipped rules and filters have no expression.
 */
import { createRequire } from 'node:module';
import type * as re2js from 're2js';

export type { RE2JS } from 're2js';

const require = createRequire(import.meta.url);
let loaded: typeof re2js | undefined;

/** The package; the first call takes some milliseconds. */
export function re2(): typeof re2js {
  loaded ??= require('re2js') as typeof re2js;
  return loaded;
}
