/**
 * Simple filters: rules of conditions, compiled to checks over a call where it lies. Rules are tried in order, and the
 * first whose conditions all hold decides; of a condition with several values one is enough. A call that no rule fits is
 * the matter of `otherwise`, whose number is that of the rules.
 */
import { bytes } from '../../base/arena.ts';
import { isInAny, parseCidr } from '../../base/cidr.ts';
import { REQUEST, RESPONSE } from '../../http/transaction.ts';
import { type CallView, type FieldName, fieldName } from '../call-view.ts';
import type { SimpleFilters, SimpleRule } from '../spec.ts';
import { TextSet } from './byte-text.ts';
import { Glob } from './glob.ts';
import { presetOf } from './presets.ts';

const B = bytes;
const STATUSES = 1000;

type Check = (view: CallView) => boolean;

/** Number of the rule that decides over a call. The rules have been checked: what is none throws. */
export function compileSimple({ rules }: Pick<SimpleFilters, 'rules'>): (view: CallView) => number {
  const compiled = rules.map(checksOf);
  return (view) => {
    for (let rule = 0; rule < compiled.length; rule++) {
      const checks = compiled[rule];
      let i = 0;
      while (i < checks.length && checks[i](view)) i++;
      if (i === checks.length) return rule;
    }
    return compiled.length;
  };
}

/** The cheapest first. */
function checksOf(rule: SimpleRule): Check[] {
  const checks: Check[] = [];
  if (rule.statuses.length > 0) checks.push(statusCheck(rule.statuses));
  if (rule.ports.length > 0) {
    const ports = new Uint8Array(65536);
    for (const port of rule.ports) ports[port] = 1;
    checks.push((view) => ports[view.port(false)] === 1);
  }
  if (rule.methods.length > 0) {
    const methods = new TextSet(rule.methods, true);
    checks.push((view) => {
      view.findMethod();
      return methods.has(view.at, view.end);
    });
  }
  if (rule.clients.length > 0) checks.push(addressCheck(rule.clients, true));
  if (rule.servers.length > 0) checks.push(addressCheck(rule.servers, false));
  if (rule.vnis.length > 0) checks.push(vniCheck(rule.vnis));
  if (rule.hosts.length > 0) {
    const hosts = rule.hosts.map((host) => new Glob(host, 'name'));
    checks.push((view) => {
      view.findHost();
      return view.end > view.at && fitsAny(hosts, view.at, view.end);
    });
  }
  if (rule.paths.length > 0) {
    const paths = rule.paths.map((path) => new Glob(path, 'path'));
    checks.push((view) => {
      view.findPath();
      return view.end > view.at && fitsAny(paths, view.at, view.end);
    });
  }
  if (rule.operation.length > 0) checks.push(operationCheck(rule.operation));
  if (rule.grpcStatuses.length > 0) checks.push(grpcStatusCheck(rule.grpcStatuses));
  if (rule.contentTypes.length > 0) checks.push(contentTypeCheck(rule.contentTypes));
  if (rule.headers.length > 0) checks.push(headerCheck(rule.headers));
  if (rule.preset !== '') checks.push(presetOf(rule.preset));
  return checks;
}

function fitsAny(globs: readonly Glob[], at: number, end: number): boolean {
  for (let i = 0; i < globs.length; i++) if (globs[i].fits(B, at, end)) return true;
  return false;
}

/** First and last status that a text means, 0 for "none"; null when it is none. */
export function statusRange(text: string): readonly [first: number, last: number] | null {
  if (text === 'none') return [0, 0];
  const group = /^([1-9])xx$/i.exec(text);
  if (group !== null) return [Number(group[1]) * 100, Number(group[1]) * 100 + 99];
  const parts = /^([1-9]\d\d)(?:-([1-9]\d\d))?$/.exec(text);
  if (parts === null) return null;
  const first = Number(parts[1]);
  const last = Number(parts[2] ?? parts[1]);
  return first <= last ? [first, last] : null;
}

function statusCheck(texts: readonly string[]): Check {
  const wanted = new Uint8Array(STATUSES);
  for (const text of texts) {
    const range = statusRange(text);
    if (range === null) throw new Error(`no status ${text}`);
    wanted.fill(1, range[0], range[1] + 1);
  }
  return (view) => wanted[view.status()] === 1;
}

const GRPC_STATUSES = 100;

/** First and last status of gRPC that a text means, -1 for "none"; null when it is none. */
export function grpcStatusRange(text: string): readonly [first: number, last: number] | null {
  if (text === 'none') return [-1, -1];
  const parts = /^(\d\d?)(?:-(\d\d?))?$/.exec(text);
  if (parts === null) return null;
  const first = Number(parts[1]);
  const last = Number(parts[2] ?? parts[1]);
  return first <= last ? [first, last] : null;
}

function grpcStatusCheck(texts: readonly string[]): Check {
  const wanted = new Uint8Array(GRPC_STATUSES + 1);
  for (const text of texts) {
    const range = grpcStatusRange(text);
    if (range === null) throw new Error(`no status of gRPC ${text}`);
    wanted.fill(1, range[0] + 1, range[1] + 2);
  }
  return (view) => view.isGrpc() && wanted[view.grpcStatus() + 1] === 1;
}

function addressCheck(texts: readonly string[], isClient: boolean): Check {
  const blocks = texts.map((text) => {
    const block = parseCidr(text);
    if (block === null) throw new Error(`no CIDR ${text}`);
    return block;
  });
  return (view) => {
    view.loadAddress(isClient);
    return isInAny(blocks);
  };
}

function vniCheck(wanted: readonly number[]): Check {
  const numbers = new Set(wanted);
  return (view) => {
    const own = view.vnis();
    for (let i = 0; i < own.length; i++) if (numbers.has(own[i])) return true;
    return false;
  };
}

function contentTypeCheck(texts: readonly string[]): Check {
  const orNone = texts.includes('none');
  const types = texts.filter((text) => text !== 'none').map((text) => new Glob(text, 'name'));
  return (view) => {
    view.findContentType(RESPONSE);
    return view.end === view.at ? orNone : fitsAny(types, view.at, view.end);
  };
}

/** Of a batch, one of the operations that are kept. */
function operationCheck(texts: readonly string[]): Check {
  const names = texts.map((text) => new Glob(text, 'name'));
  return (view) => {
    for (let i = 0; i < view.operations(); i++) {
      view.findOperationName(i);
      if (view.end > view.at && fitsAny(names, view.at, view.end)) return true;
    }
    return false;
  };
}

interface HeaderWanted {
  readonly name: FieldName;
  /** Null: any value. */
  readonly value: Glob | null;
}

/** "name", or "name: value" with asterisks. */
export function headerParts(text: string): readonly [name: string, value: string | null] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text.trim(), null] : [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

function headerCheck(texts: readonly string[]): Check {
  const wanted = texts.map((text): HeaderWanted => {
    const [name, value] = headerParts(text);
    return { name: fieldName(name), value: value === null ? null : new Glob(value, 'name') };
  });
  return (view) => {
    for (let i = 0; i < wanted.length; i++) {
      const { name, value } = wanted[i];
      for (let field = view.findField(REQUEST, name); field >= 0; field = view.findField(REQUEST, name, field + 1)) {
        if (value === null || value.fits(B, view.at, view.end)) return true;
      }
    }
    return false;
  };
}
