/**
 * Every setting as a row: for the pages, the commented configuration, and the errors. Made from base/settings-schema.ts,
 * so that nothing is said twice.
 */
import { SECRET_TITLE } from './secret-schema.ts';
import { isLiveSetting } from './settings-change.ts';
import { settingsJsonSchema } from './settings-schema.ts';

/** The part of a JSON Schema that says what a setting may be. */
export interface SchemaNode {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  /** Of a map: what its names may be. */
  readonly propertyNames?: SchemaNode;
  /** Of a map: what each of its values is. */
  readonly additionalProperties?: SchemaNode | boolean;
  readonly const?: unknown;
  /** It is one of these, told apart by the constant of one of their members. */
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
}

export interface Setting {
  /** As "capture.only.ports" */
  readonly name: string;
  readonly meaning: string;
  /** "ms", "bytes", "hours" ...; "" where there is none. */
  readonly unit: string;
  readonly default: unknown;
  /** What it may be, in words. */
  readonly allowed: string;
  /** A whole number. */
  readonly isNumber: boolean;
  readonly examples: readonly unknown[];
  /** A running sensor takes a change over. */
  readonly isLive: boolean;
  /** It has no default. */
  readonly isRequired: boolean;
  /** Which other setting it goes with, as "type oauth2"; "" when it may always stand. */
  readonly condition: string;
}

/** What stands under each name of a map. */
export interface MemberSettings {
  /** "sinks.NAME" */
  readonly name: string;
  /** Of sinks: their type; "" where there is only one kind. */
  readonly type: string;
  readonly settings: readonly Setting[];
}

let schema: SchemaNode | undefined;
let table: readonly Setting[] | undefined;
let members: readonly MemberSettings[] | undefined;

/** Made when it is first asked for: a configuration without mistakes does not need it. */
function schemaOf(): SchemaNode {
  schema ??= settingsJsonSchema() as SchemaNode;
  return schema;
}

/** The unit that the name of a setting ends with. */
function unitOf(name: string, node: SchemaNode): string {
  if (/Ms(Max)?$/.test(name)) return 'ms';
  if (/[Bb]ytes(Total)?(Max|Min)?$/.test(name)) return 'bytes';
  if (/Hours(Max)?$/.test(name)) return 'hours';
  if (name.endsWith('PerSecondMax')) return 'a second';
  return node.type === 'integer' ? 'count' : '';
}

function allowedOf(node: SchemaNode): string {
  if (node.title !== undefined) return node.title;
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) return node.enum.map(String).join(', ');
  if (node.type === 'boolean') return 'true, false';
  if (node.type === 'array') {
    const most = node.maxItems === undefined ? '' : `at most ${node.maxItems}, `;
    return `list, ${most}each ${node.items === undefined ? 'any value' : allowedOf(node.items)}`;
  }
  if (node.pattern !== undefined) return node.pattern;
  if (node.maxLength !== undefined) return `${node.minLength ?? 0} to ${node.maxLength} characters`;
  if (node.minimum !== undefined && node.maximum !== undefined) return `${node.minimum} to ${node.maximum}`;
  const shapes = shapesOf(node).filter((shape) => shape.type !== 'null');
  if (shapes.length > 0) return [...new Set(shapes.map(allowedOf))].join(' or ');
  return node.type === 'string' ? 'text' : '';
}

function shapesOf(node: SchemaNode): readonly SchemaNode[] {
  return node.oneOf ?? node.anyOf ?? [];
}

function valuesOf(node: SchemaNode | undefined): readonly unknown[] {
  return node?.const === undefined ? (node?.enum ?? []) : [node.const];
}

/** The member by which several shapes are told apart; "" when they are no sections. */
function discriminatorOf(shapes: readonly SchemaNode[]): string {
  const [first, ...others] = shapes;
  const isOne = (name: string, shape: SchemaNode): boolean =>
    shape.required?.includes(name) === true && valuesOf(shape.properties?.[name]).length > 0;
  return Object.keys(first?.properties ?? {}).find((name) => [first, ...others].every((shape) => isOne(name, shape))) ?? '';
}

function rows(prefix: string, node: SchemaNode, condition = '', except = ''): Setting[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]): Setting[] => {
    const name = `${prefix}${key}`;
    if (key === except) return [];
    if (child.properties !== undefined) return rows(`${name}.`, child, condition);
    const isRequired = node.required?.includes(key) === true;
    const shapes = shapesOf(child);
    const discriminator = discriminatorOf(shapes);
    if (discriminator !== '') return shapeRows(`${name}.`, child, discriminator, condition, isRequired);
    return [row(name, child, child.default, condition, isRequired)];
  });
}

/** One of several shapes: what tells them apart, then what each has of its own. */
function shapeRows(prefix: string, node: SchemaNode, key: string, condition: string, isRequired: boolean): Setting[] {
  const shapes = shapesOf(node);
  const values = shapes.flatMap((shape) => valuesOf(shape.properties?.[key]));
  const which = { type: 'string', description: node.description ?? '', enum: values };
  const given = (node.default as Readonly<Record<string, unknown>> | undefined)?.[key];
  return [
    row(`${prefix}${key}`, which, given, condition, isRequired),
    ...shapes.flatMap((shape) => rows(prefix, shape, `${key} ${valuesOf(shape.properties?.[key]).join(', ')}`, key)),
  ];
}

function row(name: string, node: SchemaNode, standard: unknown, condition: string, isRequired: boolean): Setting {
  return {
    name,
    meaning: node.description ?? '',
    unit: unitOf(name, node),
    default: standard,
    allowed: allowedOf(node),
    isNumber: node.type === 'integer',
    examples: node.examples ?? [],
    isLive: isLiveSetting(name),
    isRequired,
    condition,
  };
}

/** In the order of the schema; a map (pipelines, sinks) is one row. */
export function settingsTable(): readonly Setting[] {
  table ??= rows('', schemaOf());
  return table;
}

/** The settings of what stands in maps: of a pipeline, and of each type of sink. */
export function memberSettings(): readonly MemberSettings[] {
  members ??= Object.entries(schemaOf().properties ?? {}).flatMap(([map, { additionalProperties: member }]): MemberSettings[] => {
    if (typeof member !== 'object') return [];
    const name = `${map}.NAME`;
    if (member.properties !== undefined) return [{ name, type: '', settings: rows(`${name}.`, member) }];
    return shapesOf(member).map((shape) => ({
      name,
      type: String(shape.properties?.type?.const ?? ''),
      settings: rows(`${name}.`, shape),
    }));
  });
  return members;
}

/**
 * What is wanted at a place in the configuration, as after "wanted:"; `path` goes through sections, maps and lists of
 * what is `given`.
 */
export function wantedAt(path: Path, given?: unknown): string {
  return wantedIn(schemaOf(), path, given);
}

/** What the names of the map at that place may be. */
export function namesWantedAt(path: Path, given: unknown): string {
  return schemaAt(schemaOf(), path, given).propertyNames?.title ?? 'the name of a header field';
}

/** Whether a reference to a secret belongs there (`is`), or somewhere below (`holds`): what stands there is not to be shown. */
export function secretAt(path: Path, given: unknown): { readonly is: boolean; readonly holds: boolean } {
  let is = false;
  for (let n = 0; n <= path.length && !is; n++) is = isSecret(schemaAt(schemaOf(), path.slice(0, n), given));
  return { is, holds: is || holdsSecret(schemaAt(schemaOf(), path, given)) };
}

function isSecret(node: SchemaNode): boolean {
  return node.title === SECRET_TITLE || shapesOf(node).some(isSecret);
}

const secretsBelow = new WeakMap<SchemaNode, boolean>();

function holdsSecret(node: SchemaNode): boolean {
  const known = secretsBelow.get(node);
  if (known !== undefined) return known;
  const below = [...Object.values(node.properties ?? {}), ...shapesOf(node)];
  if (node.items !== undefined) below.push(node.items);
  if (typeof node.additionalProperties === 'object') below.push(node.additionalProperties);
  const holds = isSecret(node) || below.some(holdsSecret);
  secretsBelow.set(node, holds);
  return holds;
}

export type Path = readonly (string | number)[];

/** The innermost part of a schema that the path leads to; of several shapes, the one that fits what is given. */
export function schemaAt(root: SchemaNode, path: Path, given?: unknown): SchemaNode {
  let node = root;
  let value = given;
  for (const step of path) {
    const child = typeof step === 'number' ? node.items : memberOf(node, step, value);
    if (child === undefined) break;
    node = child;
    value = typeof value === 'object' && value !== null ? (value as Readonly<Record<string | number, unknown>>)[step] : undefined;
  }
  return node;
}

/** The member of that name: of a section, of a map, or of the first of several shapes that has it. */
function memberOf(node: SchemaNode, name: string, given: unknown): SchemaNode | undefined {
  const own = node.properties?.[name] ?? (typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined);
  if (own !== undefined) return own;
  const shapes = shapesOf(node);
  const key = discriminatorOf(shapes);
  const which: unknown = typeof given === 'object' && given !== null ? (given as Readonly<Record<string, unknown>>)[key] : undefined;
  const fitting = shapes.filter((shape) => key !== '' && valuesOf(shape.properties?.[key]).includes(which));
  for (const shape of [...fitting, ...shapes]) {
    const member = memberOf(shape, name, given);
    if (member !== undefined) return member;
  }
  return undefined;
}

/** The same as `wantedAt` for any schema. */
export function wantedIn(root: SchemaNode, path: Path, given?: unknown): string {
  const node = schemaAt(root, path, given);
  if (node.properties !== undefined || discriminatorOf(shapesOf(node)) !== '') {
    return 'a section: names of settings, each with a colon and its value';
  }
  if (node.type === 'boolean') return 'true or false';
  if (node.enum !== undefined) return node.enum.map(String).join(' or ');
  if (node.type !== 'integer') return allowedOf(node);
  const name = path.findLast((step) => typeof step === 'string') ?? '';
  const unit = unitOf(String(name), node);
  return `a whole number${unit === 'ms' || unit === 'bytes' || unit === 'hours' ? ` (${unit})` : ''}, ${allowedOf(node)}`;
}
