/**
 * The masking file (docs/masking.md): what of the shipped rules (default-masking.ts) is changed, and what is added. The rules
 * of the file that are new stand before the shipped ones, in their order; one with the name of a shipped rule changes that
 * rule, which stays in its place.
 *
 * Bounds: MASKING_RULES_MAX rules of a file, and those of policy/rule-file.ts and policy/pattern.ts.
 */
import { z } from 'zod';
import { nearest } from '../base/nearest.ts';
import { defaultMasking, maskingRule, shippedRules } from './default-masking.ts';
import { PATTERN_CHARACTERS_MAX, patternFault } from './pattern.ts';
import { mistakeAt, parseRuleFile, type RuleFileKind, readRuleFile } from './rule-file.ts';
import { actionNames, detectorNames, type MaskingRule, type MaskingSpec, placeNames } from './spec.ts';

/** With the shipped rules they are at most as many as masking takes (policy/mask/unreadable.ts). */
export const MASKING_RULES_MAX = 200;

const WORDS_WANTED = 'a name as words in small letters joined by hyphens, as card-number; with = before it, only as the whole name';
const words = z
  .string()
  .max(64)
  .regex(/^=?[a-z0-9]+(-[a-z0-9]+)*$/)
  .meta({ title: WORDS_WANTED });

const rule = z.strictObject({
  name: z
    .string()
    .max(48)
    .regex(/^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/)
    .meta({
      title: 'up to 48 letters and digits, and hyphens between them',
      description: 'Stands in the report and in place of the value. That of a shipped rule changes that rule.',
    }),
  enabled: z.boolean().optional().describe('false: the rule is not used.'),
  detector: z.enum(detectorNames).optional().describe('Finds values by their content, wherever they stand.'),
  pattern: z
    .string()
    .min(1)
    .superRefine((given, context) => {
      const fault = patternFault(given);
      if (fault !== null) mistakeAt(context, fault.what, fault.at);
    })
    .optional()
    .meta({
      title: `a regular expression in the syntax of RE2, at most ${PATTERN_CHARACTERS_MAX} characters`,
      description: 'The same, by a regular expression of your own.',
    }),
  validator: z.enum(['luhn', 'mod97']).optional().describe('What a match of the pattern must fulfil besides.'),
  fields: z.array(words).max(500).optional().describe('Names of headers, cookies, parameters and members whose values are sensitive.'),
  notFields: z.array(words).max(500).optional().describe('Names under which nothing is looked for by this rule.'),
  places: z.array(z.enum(placeNames)).optional().describe('Only there. Left out or empty: everywhere.'),
  action: z.enum(actionNames).optional().describe('What is done with a value. Left out: replace.'),
  replacement: z
    .string()
    .regex(/^[A-Za-z0-9._~*-]{1,64}$/)
    .optional()
    .meta({
      title: '1 to 64 letters, digits and . _ ~ * -',
      description: 'What replace writes, and other actions for a value that they cannot do. Left out: the name between asterisks.',
    }),
});

type GivenRule = z.infer<typeof rule>;

const shipped = new Map(shippedRules.map((own) => [own.rule.name, own]));
const shippedNames = [...shipped.keys()];

const rules = z.array(rule).max(MASKING_RULES_MAX);

const shape = z.strictObject({
  extends: z
    .enum(['default', 'none'])
    .optional()
    .describe('default: the shipped rules hold, but for what is said here. none: only the rules of this file hold. Left out: default.'),
  binaryBodies: z
    .enum(['remove', 'pass'])
    .optional()
    .describe('Bodies that are neither text nor of a known structure: they are left out of the record, or passed. Left out: remove.'),
  unnamedTexts: z
    .enum(['remove', 'inspect'])
    .optional()
    .describe(
      'Texts in messages of gRPC and Protocol Buffers whose field has no name, because no descriptor was given: masked whole, or looked at like free text. Left out: remove.',
    ),
  rules: rules.optional().describe('Tried in their order, before the shipped ones: the first that fits decides.'),
});

type MaskingFile = z.infer<typeof shape>;

const schema = shape.superRefine(checkRules, { when: ({ value }) => hasRules(value) });

/** For editors, and for the page. */
export function maskingJsonSchema(): object {
  return z.toJSONSchema(schema, { io: 'input' });
}

const specSchema: z.ZodType<MaskingSpec, unknown> = schema.transform(({ extends: base, binaryBodies, unnamedTexts, rules: given }) => ({
  rules: merged(given ?? [], base !== 'none'),
  binaryBodies: binaryBodies ?? defaultMasking.binaryBodies,
  ...(unnamedTexts === 'inspect' && { unnamedTexts }),
}));

const kind: RuleFileKind = {
  code: 'masking-invalid',
  noun: 'masking file',
  next: 'See docs/masking.md for what a masking file may say.',
};

/** The masking that the file at `path` asks for; the shipped one where `path` is "". Throws a SensorError with every mistake. */
export function loadMasking(path: string): MaskingSpec {
  return readRuleFile(path, specSchema, kind, defaultMasking);
}

/** The same for a text; `path` is what errors call it. */
export function parseMasking(text: string, path: string): MaskingSpec {
  return parseRuleFile(text, path, specSchema, kind);
}

function merged(given: readonly GivenRule[], withShipped: boolean): MaskingSpec['rules'] {
  const changes = new Map(given.map((own) => [own.name, own]));
  const added = given.filter(({ name, enabled }) => enabled !== false && !(withShipped && shipped.has(name)));
  const kept = shippedRules.flatMap((own) => {
    const change = changes.get(own.rule.name);
    // Who names a rule wants it.
    const enabled = change === undefined ? own.enabled : change.enabled !== false;
    return enabled ? [maskingRule({ ...own.rule, ...partOf(change) })] : [];
  });
  return [...added.map((own) => maskingRule(partOf(own))), ...(withShipped ? kept : [])];
}

/** What the rule says of what masking needs. */
function partOf(given: GivenRule | undefined): Partial<MaskingRule> {
  return Object.fromEntries(Object.entries(given ?? {}).filter(([name, value]) => name !== 'enabled' && value !== undefined));
}

/** Whether the rules can be looked at together, also when one of them has a mistake of its own. */
function hasRules(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('rules' in value)) return false;
  return Array.isArray(value.rules) && value.rules.every((own) => typeof own === 'object' && own !== null);
}

function checkRules(file: MaskingFile, context: z.core.$RefinementCtx): void {
  const names = new Set<unknown>();
  (file.rules ?? []).forEach((given, i) => {
    const say = (message: string, member: string): void => {
      context.addIssue({ code: 'custom', message, path: ['rules', i, ...(member in given ? [member] : [])] });
    };
    if (names.has(given.name)) say('another rule has this name already', 'name');
    names.add(given.name);
    const base = file.extends === 'none' ? undefined : shipped.get(given.name)?.rule;
    const own = { ...base, ...given };
    if (own.detector && own.pattern) say('wanted: detector or pattern, not both', 'pattern');
    if (own.validator && !own.pattern) say('wanted only together with pattern', 'validator');
    if (base !== undefined || typeof given.name !== 'string') return;
    if (given.detector === undefined && given.pattern === undefined && (given.fields ?? []).length === 0) {
      const near = file.extends === 'none' ? null : nearest(given.name, shippedNames);
      say(
        `wanted: the name of a shipped rule, or what it finds: detector, pattern or fields${near === null ? '' : `. Did you mean ${near}?`}`,
        'name',
      );
    }
  });
}
