/**
 * The files filters-simple and filters-advanced (docs/filters.md): what they may say, and what they mean. Where a list is
 * wanted, a single value stands for a list of one. A file replaces the shipped rules as a whole.
 *
 * Bounds: RULES_MAX rules a file, VALUES_MAX values of a condition, and those of policy/rule-file.ts.
 */
import { z } from 'zod';
import { parseCidr } from '../base/cidr.ts';
import { simpleRule } from './default-filters.ts';
import { compileExpression } from './filter/expression/compile.ts';
import { EXPRESSION_CHARACTERS_MAX, ExpressionError } from './filter/expression/syntax.ts';
import { OTHERWISE } from './filter/filters.ts';
import { GLOB_BYTES_MAX } from './filter/glob.ts';
import { presetNames } from './filter/presets.ts';
import { grpcStatusRange, headerParts, statusRange } from './filter/simple.ts';
import { mistakeAt, parseRuleFile, type RuleFileKind, readRuleFile } from './rule-file.ts';
import type { AdvancedFilters, SimpleFilters } from './spec.ts';

export const RULES_MAX = 200;
export const VALUES_MAX = 200;

const NAME_WANTED = 'up to 48 letters and digits, and hyphens between them; not "otherwise"';
const name = z
  .string()
  .max(48)
  .regex(/^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/)
  .refine((given) => given !== OTHERWISE, `wanted: ${NAME_WANTED}`)
  .meta({ title: NAME_WANTED, description: 'Stands in records, counters and metrics.' });

const action = z
  .enum(['include', 'exclude'])
  .describe('include: the call is let through to the advanced rules, and by these to the sinks. exclude: it is left out.');
const otherwise = z.enum(['include', 'exclude']).optional().describe('What happens to calls that no rule fits. Left out: include.');

/** A text that `test` likes; `wanted` says which that is. */
function text(wanted: string, test: (given: string) => boolean, max = GLOB_BYTES_MAX): z.ZodString {
  return z
    .string()
    .refine((given) => given !== '' && Buffer.byteLength(given) <= max && test(given), `wanted: ${wanted}`)
    .meta({ title: wanted });
}

/** One value, or a list of them. The union is made before the check, so that a mistake is told of the value that has it. */
function some<T extends z.ZodType>(
  item: T,
  description: string,
): z.ZodOptional<z.ZodPipe<z.ZodTransform<unknown, unknown>, z.ZodArray<T>>> {
  const list = z.array(item).min(1).max(VALUES_MAX);
  return z
    .preprocess((given) => (given === undefined || Array.isArray(given) ? given : [given]), list)
    .optional()
    .describe(description) as never;
}

const host = text('a host without port, as api.example.com or *.example.com', (given) => !/[\s/]/.test(given));
const path = text('a path without query, as /api/** or /users/*/orders', (given) => /^[/*]/.test(given) && !/[?#\s]/.test(given));
const method = text('a method, as GET', (given) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(given), 64);
const operation = text('the name of an operation, as GetUser or *Delete*', () => true);
const status = z
  .union([z.string(), z.number()])
  .refine((given) => statusRange(String(given)) !== null, 'wanted: a status as 404, 5xx, 400-499 or none')
  .transform(String)
  .meta({ title: 'a status as 404, 5xx, 400-499 or none' });
const grpcStatus = z
  .union([z.string(), z.number()])
  .refine((given) => grpcStatusRange(String(given)) !== null, 'wanted: a status of gRPC as 5, 1-16 or none')
  .transform(String)
  .meta({ title: 'a status of gRPC as 5, 1-16 or none' });
const contentType = text(
  'a media type, as application/json or image/*; or none',
  (given) => given === 'none' || /^[^\s/;]+\/[^\s/;]+$/.test(given),
);
const header = text('a request header, as x-debug, or with its value, as user-agent: probe/*', (given) => {
  const [own, value] = headerParts(given);
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(own) && value !== '';
});
const cidr = text('an address or CIDR block, as 10.0.0.0/8', (given) => parseCidr(given) !== null, 64);
const port = z.number().int().min(1).max(65535).meta({ title: 'a port from 1 to 65535' });
const vni = z.number().int().min(0).max(0xffffff).meta({ title: 'a network identifier from 0 to 16777215' });

const condition = {
  preset: z
    .enum(presetNames as [string, ...string[]])
    .optional()
    .describe('A kind of call that is known by several signs.'),
  hosts: some(host, 'Host without port; * stands for anything; case does not count.'),
  paths: some(path, 'Path as on the wire, without query; * stands for anything within a segment, ** also for slashes; case counts.'),
  methods: some(method, 'Method; case does not count.'),
  operation: some(
    operation,
    'Name of an operation: of GraphQL, method of JSON-RPC, action of SOAP; * stands for anything; case does not count. Of a batch, one of the first eight.',
  ),
  grpcStatuses: some(grpcStatus, 'Status of a gRPC call: 0 (good), 5, 1-16, or none where it was not seen. Other calls fit none.'),
  statuses: some(status, 'Status: 404, 5xx, 400-499, or none where there was no response.'),
  contentTypes: some(contentType, 'Media type of the response, without parameters; * stands for anything; or none.'),
  headers: some(header, 'A field that the request has, or has with such a value; * stands for anything; case does not count.'),
  clients: some(cidr, 'Addresses that requests come from: of the connection, not what headers say.'),
  servers: some(cidr, 'Addresses that requests go to.'),
  ports: some(port, 'Port of the server.'),
  vnis: some(vni, 'Network identifier (VNI) of VXLAN or GENEVE that the call came in.'),
};
const conditionNames = Object.keys(condition);

const simpleRules = z
  .strictObject({ name, action, ...condition })
  .refine((rule) => conditionNames.some((key) => Object.hasOwn(rule, key)), {
    message: `wanted: at least one condition: ${conditionNames.join(', ')}`,
    // A rule of the other file lacks nothing: it is told where it belongs.
    when: ({ value, issues }) =>
      typeof value === 'object' &&
      value !== null &&
      !issues.some((issue) => issue.code === 'unrecognized_keys' && issue.keys.includes('when')),
  });

const simpleSchema = z.strictObject({
  otherwise,
  rules: distinct(simpleRules).optional().describe('Tried in their order: the first whose conditions all hold decides.'),
});

const when = z
  .string()
  .max(EXPRESSION_CHARACTERS_MAX)
  .superRefine((given, context) => {
    try {
      compileExpression(given);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      mistakeAt(context, error.message, error.at);
    }
  })
  .meta({ title: 'an expression', description: 'A condition in the language of docs/filters.md.' });

const advancedSchema = z.strictObject({
  otherwise,
  rules: distinct(z.strictObject({ name, action, when })).optional().describe('Tried in their order: the first that is true decides.'),
});

/** Rules, no two of one name. */
function distinct<T extends z.ZodType>(rule: T): z.ZodArray<T> {
  return z
    .array(rule)
    .max(RULES_MAX)
    .superRefine(
      (list, context) => {
        const names = new Set<unknown>();
        list.forEach((own, i) => {
          const given = typeof own === 'object' && own !== null && 'name' in own ? own.name : undefined;
          if (given !== undefined && names.has(given)) {
            context.addIssue({ code: 'custom', path: [i, 'name'], message: 'another rule of this file has this name already' });
          }
          names.add(given);
        });
      },
      { when: ({ value }) => Array.isArray(value) },
    );
}

const simpleSpec: z.ZodType<SimpleFilters, unknown> = simpleSchema.transform((file) => ({
  otherwise: file.otherwise ?? 'include',
  rules: (file.rules ?? []).map((rule) => simpleRule(withoutUndefined(rule))),
}));

const advancedSpec: z.ZodType<AdvancedFilters, unknown> = advancedSchema.transform((file) => ({
  otherwise: file.otherwise ?? 'include',
  rules: file.rules ?? [],
}));

function withoutUndefined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}

const kind: RuleFileKind = {
  code: 'filters-invalid',
  noun: 'filter file',
  next: 'See docs/filters.md for what a filter file may say.',
};

const simpleKind: RuleFileKind = {
  ...kind,
  elsewhere: { when: 'expressions stand in the file of advanced filters (filtersAdvancedFile; --advanced of earshot policy test)' },
};
const advancedKind: RuleFileKind = {
  ...kind,
  elsewhere: Object.fromEntries(
    conditionNames.map((key) => [key, 'such conditions stand in the file of simple filters (filtersSimpleFile); here an expression: when']),
  ),
};

/** The rules in the file at `path`. Throws a SensorError that lists every mistake. */
export function readSimpleFilters(path: string): SimpleFilters {
  return readRuleFile(path, simpleSpec, simpleKind);
}

export function readAdvancedFilters(path: string): AdvancedFilters {
  return readRuleFile(path, advancedSpec, advancedKind);
}

/** The same for a text; `path` is what errors call it. */
export function parseSimpleFilters(given: string, path: string): SimpleFilters {
  return parseRuleFile(given, path, simpleSpec, simpleKind);
}

export function parseAdvancedFilters(given: string, path: string): AdvancedFilters {
  return parseRuleFile(given, path, advancedSpec, advancedKind);
}

/** For editors. */
export function simpleFiltersJsonSchema(): object {
  return z.toJSONSchema(simpleSchema, {
    io: 'input',
    override: ({ jsonSchema: node }) => {
      // A single value stands for a list of one.
      if (node.type !== 'array' || node.minItems !== 1 || typeof node.items !== 'object') return;
      const { items, maxItems = VALUES_MAX } = node;
      for (const member of ['type', 'items', 'minItems', 'maxItems'] as const) delete node[member];
      node.anyOf = [items as z.core.JSONSchema.BaseSchema, { type: 'array', items, minItems: 1, maxItems } as z.core.JSONSchema.BaseSchema];
    },
  });
}

export function advancedFiltersJsonSchema(): object {
  return z.toJSONSchema(advancedSchema, { io: 'input' });
}
