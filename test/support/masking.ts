/** Runs one walker of policy/mask/ over bytes, and gives what a reader of the record would see. */
import { bytes, packetRegion } from '../../src/base/arena.ts';
import { resetActions } from '../../src/policy/mask/actions.ts';
import { resetDocuments } from '../../src/policy/mask/document.ts';
import { applyEdits, beginEdits, hasEdits, notesOf, PLACE_ROW, resetEdits } from '../../src/policy/mask/edits.ts';
import { resetField } from '../../src/policy/mask/field.ts';
import { maskedPart } from '../../src/policy/mask/layout.ts';
import { BODY, place } from '../../src/policy/mask/place.ts';
import { resetRules, ruleName } from '../../src/policy/mask/rules.ts';
import { BINARY, BINARY_NAME, UNREADABLE, UNREADABLE_NAME } from '../../src/policy/mask/unreadable.ts';
import type { MaskingRule, MaskingSpec } from '../../src/policy/spec.ts';

/** Bytes beside the source that no walker may look at as if they were of it. */
const FENCE = Buffer.from('"4111111111111111"password=fence\\');
const AT = packetRegion.at + 4096;

export type Walk = (at: number, end: number, isCut: boolean) => void;

export function rule(given: Partial<MaskingRule>): MaskingRule {
  return {
    name: '',
    detector: '',
    pattern: '',
    validator: '',
    fields: [],
    notFields: [],
    places: [],
    action: 'replace',
    replacement: '',
    ...given,
  };
}

export function setRules(rules: readonly MaskingRule[], binaryBodies: MaskingSpec['binaryBodies'] = 'remove'): void {
  const spec = { rules, binaryBodies };
  resetRules(spec);
  resetActions(spec, Buffer.alloc(32, 7));
  resetDocuments(spec);
}

export interface Masked {
  readonly text: string;
  readonly bytes: Buffer;
  /** "rule field" of everything that was found, in order. */
  readonly found: readonly string[];
  readonly isChanged: boolean;
}

/** Puts the source and what is written with it (a media type, the name of a field) into the arena and walks it. */
export function masked(source: string | Uint8Array, walk: Walk, isCut = false, where = BODY): Masked {
  const data = typeof source === 'string' ? Buffer.from(source) : source;
  bytes.set(FENCE, AT - FENCE.length);
  bytes.set(data, AT);
  bytes.set(FENCE, AT + data.length);
  resetEdits();
  resetField();
  beginEdits();
  place[0] = where;
  walk(AT, AT + data.length, isCut);
  const isChanged = hasEdits();
  const end = applyEdits(AT, AT + data.length, maskedPart.at, maskedPart.end);
  const { rows, count } = notesOf();
  const found: string[] = [];
  for (let i = 0; i < count; i++) {
    const r = PLACE_ROW * i;
    found.push(`${nameOf(rows[r])} ${bytes.toString('latin1', rows[r + 2], rows[r + 3])}`.trimEnd());
  }
  const result = Buffer.from(bytes.subarray(maskedPart.at, end));
  return { text: result.toString(), bytes: result, found, isChanged };
}

function nameOf(n: number): string {
  if (n === BINARY) return BINARY_NAME;
  return n === UNREADABLE ? UNREADABLE_NAME : ruleName(n);
}

const TYPE_AT = packetRegion.at + 64;

/** A text beside the source: [at, end). */
export function beside(text: string): readonly [number, number] {
  return [TYPE_AT, TYPE_AT + bytes.write(text, TYPE_AT, 'latin1')];
}
