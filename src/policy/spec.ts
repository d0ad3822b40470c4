/**
 * What a policy says, as plain data: read and checked once on the main thread (policy/load.ts), sent to the workers,
 * compiled there. Field by field it is what stands in the files (docs/filters.md, docs/masking.md), with defaults
 * filled in.
 */
export interface PolicySpec {
  /** In order: the place is the number of the pipeline, and the bit of its route. */
  readonly pipelines: readonly PipelineSpec[];
  readonly masking: MaskingSpec;
  /** For the actions `hash` and `format-preserving`: 32 bytes. */
  readonly maskingKey: Uint8Array;
  /** FileDescriptorSets, as they stand in their files. */
  readonly descriptors?: readonly Uint8Array[];
}

export interface PipelineSpec {
  readonly name: string;
  readonly simple: SimpleFilters;
  readonly advanced: AdvancedFilters;
  readonly sampling: { readonly share: number; readonly key: 'call' | 'client' | 'connection' | 'session' };
}

/**
 * Rules are tried in order; the first that fits decides. A call that none fits: `otherwise`.
 * All conditions of a rule must hold; of a list one must.
 */
export interface SimpleFilters {
  readonly otherwise: 'include' | 'exclude';
  readonly rules: readonly SimpleRule[];
}

export interface SimpleRule {
  readonly name: string;
  readonly action: 'include' | 'exclude';
  /** One of policy/filter/presets.ts; "" for none. */
  readonly preset: string;
  /** Host names without port; `*` stands for anything, also for dots. */
  readonly hosts: readonly string[];
  /** Path globs: `*` within a segment, `**` over segments. */
  readonly paths: readonly string[];
  readonly methods: readonly string[];
  /** Names of operations: `*` stands for anything. */
  readonly operation: readonly string[];
  /** "5", "1-16", "none" (of a gRPC call, not seen) */
  readonly grpcStatuses: readonly string[];
  /** "404", "5xx", "400-499", "none" (no response) */
  readonly statuses: readonly string[];
  /** Media types of the response, "image/*"; "none". */
  readonly contentTypes: readonly string[];
  /** Request header fields: "x-debug", or "user-agent: kube-probe/*". */
  readonly headers: readonly string[];
  /** CIDRs. */
  readonly clients: readonly string[];
  readonly servers: readonly string[];
  readonly ports: readonly number[];
  readonly vnis: readonly number[];
}

/** Tried after the simple rules, on what they let through: the first whose expression is true decides. */
export interface AdvancedFilters {
  readonly otherwise: 'include' | 'exclude';
  readonly rules: readonly AdvancedRule[];
}

export interface AdvancedRule {
  readonly name: string;
  readonly action: 'include' | 'exclude';
  /** In the language of docs/filters.md. */
  readonly when: string;
}

export const detectorNames = [
  'payment-card',
  'iban',
  'jwt',
  'bearer-token',
  'basic-credentials',
  'api-key',
  'private-key',
  'email',
  'phone',
  'national-id',
  'ip-address',
  'secret-in-text',
] as const;
export type DetectorName = (typeof detectorNames)[number];

export const actionNames = ['replace', 'remove', 'hash', 'keep-last-4', 'format-preserving', 'jwt-claims', 'report'] as const;
export type ActionName = (typeof actionNames)[number];

export const placeNames = ['method', 'host', 'path', 'query', 'header', 'cookie', 'body', 'trailer', 'reason'] as const;
export type PlaceName = (typeof placeNames)[number];

export interface MaskingSpec {
  readonly rules: readonly MaskingRule[];
  /** Bodies that are neither text nor of a known structure. */
  readonly binaryBodies: 'remove' | 'pass';
  /** Texts of Protocol Buffers whose field no descriptor names; left out: `remove`. */
  readonly unnamedTexts?: 'remove' | 'inspect';
}

/** What is sensitive: by its content (`detector` or `pattern`) wherever it stands, by the name that it stands under (`fields`), or both. */
export interface MaskingRule {
  /** Stands in the report and in the replacement: letters, digits and hyphens. */
  readonly name: string;
  readonly detector: DetectorName | '';
  /** Regular expression of RE2; "" for none. */
  readonly pattern: string;
  /** What a match must also fulfil. */
  readonly validator: 'luhn' | 'mod97' | '';
  /**
   * Names of headers, cookies, query and form parameters, JSON and XML members, as words joined by hyphens:
   * `card-number` fits cardNumber, card_number, CARD-NUMBER and billingCardNumber; `=pin` fits only the whole name.
   */
  readonly fields: readonly string[];
  /** Names under which it is never looked for, in the same way. */
  readonly notFields: readonly string[];
  /** Empty: everywhere. */
  readonly places: readonly PlaceName[];
  readonly action: ActionName;
  /** What `replace` writes; "" for the name between asterisks. */
  readonly replacement: string;
}
