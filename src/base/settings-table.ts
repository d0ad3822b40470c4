/**
 * Every setting as a row: for the pages, the commented configuration, and the errors. Made from base/settings-schema.ts,
 * so that nothing is said twice.
 */
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
}

let schema: SchemaNode | undefined;
let table: readonly Setting[] | undefined;

/** Made when it is first asked for: a configuration without mistakes does not need it. */
function schemaOf(): SchemaNode {
  schema ??= settingsJsonSchema() as SchemaNode;
  return schema;
}

/** The unit that the name of a setting ends with. */
function unitOf(name: string, node: SchemaNode): string {
  if (name.endsWith('Ms')) return 'ms';
  if (/Bytes(Total)?(Max|Min)?$/.test(name)) return 'bytes';
  if (name.endsWith('Hours')) return 'hours';
  if (name.endsWith('PerSecondMax')) return 'a second';
  return node.type === 'integer' ? 'count' : '';
}

function allowedOf(node: SchemaNode): string {
  if (node.title !== undefined) return node.title;
  if (node.enum !== undefined) return node.enum.map(String).join(', ');
  if (node.type === 'boolean') return 'true, false';
  if (node.type === 'array') {
    const most = node.maxItems === undefined ? '' : `at most ${node.maxItems}, `;
    return `list, ${most}each ${node.items === undefined ? 'any value' : allowedOf(node.items)}`;
  }
  if (node.pattern !== undefined) return node.pattern;
  if (node.maxLength !== undefined) return `${node.minLength ?? 0} to ${node.maxLength} characters`;
  if (node.minimum !== undefined && node.maximum !== undefined) return `${node.minimum} to ${node.maximum}`;
  return node.type === 'string' ? 'text' : '';
}

function rows(prefix: string, node: SchemaNode): Setting[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]): Setting[] => {
    const name = `${prefix}${key}`;
    if (child.properties !== undefined) return rows(`${name}.`, child);
    return [
      {
        name,
        meaning: child.description ?? '',
        unit: unitOf(name, child),
        default: child.default,
        allowed: allowedOf(child),
        isNumber: child.type === 'integer',
        examples: child.examples ?? [],
        isLive: isLiveSetting(name),
      },
    ];
  });
}

/** In the order of the schema. */
export function settingsTable(): readonly Setting[] {
  table ??= rows('', schemaOf());
  return table;
}

/** What is wanted at a place in the configuration, as after "wanted:"; `path` goes through sections and lists. */
export function wantedAt(path: readonly (string | number)[]): string {
  return wantedIn(schemaOf(), path);
}

/** The innermost part of a schema that the path leads to. */
export function schemaAt(root: SchemaNode, path: readonly (string | number)[]): SchemaNode {
  let node = root;
  for (const step of path) {
    const child = typeof step === 'number' ? node.items : memberOf(node, step);
    if (child === undefined) break;
    node = child;
  }
  return node;
}

/** The member of that name: of a section, of a map, or of the first of several shapes that has it. */
function memberOf(node: SchemaNode, name: string): SchemaNode | undefined {
  const own = node.properties?.[name] ?? (typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined);
  if (own !== undefined) return own;
  for (const shape of node.oneOf ?? node.anyOf ?? []) {
    const member = memberOf(shape, name);
    if (member !== undefined) return member;
  }
  return undefined;
}

/** The same as `wantedAt` for any schema. */
export function wantedIn(root: SchemaNode, path: readonly (string | number)[]): string {
  const node = schemaAt(root, path);
  if (node.properties !== undefined) return 'a section: names of settings, each with a colon and its value';
  if (node.type === 'boolean') return 'true or false';
  if (node.enum !== undefined) return node.enum.map(String).join(' or ');
  if (node.type !== 'integer') return allowedOf(node);
  const name = path.findLast((step) => typeof step === 'string') ?? '';
  const unit = unitOf(String(name), node);
  return `a whole number${unit === 'ms' || unit === 'bytes' || unit === 'hours' ? ` (${unit})` : ''}, ${allowedOf(node)}`;
}
