/** The filters that are shipped: what nobody calls an API stays out, everything else is let through. config/ has them with comments. */
import type { AdvancedFilters, SimpleFilters, SimpleRule } from './spec.ts';

const empty: SimpleRule = {
  name: '',
  action: 'exclude',
  preset: '',
  hosts: [],
  paths: [],
  methods: [],
  operation: [],
  grpcStatuses: [],
  statuses: [],
  contentTypes: [],
  headers: [],
  clients: [],
  servers: [],
  ports: [],
  vnis: [],
};

/** A rule with what is given, and no other condition. */
export function simpleRule(given: Partial<SimpleRule>): SimpleRule {
  return { ...empty, ...given };
}

export const defaultSimpleFilters: SimpleFilters = {
  otherwise: 'include',
  rules: ['static-assets', 'health-checks'].map((name) => simpleRule({ name, preset: name })),
};

export const defaultAdvancedFilters: AdvancedFilters = { otherwise: 'include', rules: [] };
