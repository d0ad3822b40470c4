/**
 * Transcripts: HTTP conversations as documents (README.md beside this file has the notation). This file reads the
 * documents; play.ts puts the bytes on a wire and compares what Earshot reports.
 */
import { parse as parseYaml } from 'yaml';
import type { Settings } from '../../src/base/settings.ts';
import { settingsSchema } from '../../src/base/settings-schema.ts';

/** One thing that happens, in order. */
export type Step =
  | { readonly kind: 'send'; readonly fromServer: boolean; readonly bytes: Buffer }
  | { readonly kind: 'lose'; readonly fromServer: boolean; readonly count: number }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'midstream' | 'reset' | 'end' | 'close' | 'fin'; readonly fromServer: boolean };

/** What is wanted of one call: shorthands, and any part of the ApiCall itself. */
export interface WantedCall {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string | null;
  readonly status?: number | string | null;
  readonly requestBody?: string;
  readonly responseBody?: string;
  readonly causes?: readonly string[];
  readonly weirds?: readonly string[];
  readonly [part: string]: unknown;
}

/** What is wanted of a closing record: the number of its call, from 1, and any part of the record itself. */
export interface WantedClosing {
  readonly of: number;
  readonly causes?: readonly string[];
  readonly [part: string]: unknown;
}

export interface Wanted {
  /** Kinds of the connections, in any order: "http", or a list. */
  readonly connection: string | readonly string[];
  readonly calls: readonly WantedCall[];
  readonly closings?: readonly WantedClosing[];
  /** Weirds that no call carries. */
  readonly weirds?: readonly string[];
  /** Server names and ALPN of ClientHellos. */
  readonly tls?: readonly string[];
}

export interface Transcript {
  readonly title: string;
  readonly steps: readonly Step[];
  readonly settings: Settings;
  readonly wanted: Wanted;
}

/** All cases of a document. Throws on one that is not written as the README says. */
export function parseTranscripts(text: string): Transcript[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((part) => {
      const title = part.slice(0, part.indexOf('\n')).trim();
      const prose = part.slice(title.length).replaceAll(/^```[\s\S]*?^```$/gm, '');
      if (prose.trim().length < 20) throw new Error(`${title}: say why in a sentence`);
      if (!/RFC \d+|specification/i.test(prose)) throw new Error(`${title}: name the RFC section or the specification`);
      const settings = block(part, 'settings');
      const wire = block(part, 'wire');
      const calls = block(part, 'calls');
      if (wire === undefined || calls === undefined) throw new Error(`${title}: a wire block and a calls block are wanted`);
      return {
        title,
        steps: readWire(wire, title),
        settings: settingsSchema.parse(settings === undefined ? {} : parseYaml(settings)),
        wanted: parseYaml(calls) as Wanted,
      };
    });
}

function block(part: string, name: string): string | undefined {
  return new RegExp(`^\`\`\`${name}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(part)?.[1];
}

function readWire(text: string, title: string): Step[] {
  const steps: Step[] = [];
  let sending: { fromServer: boolean; parts: Buffer[] } | undefined;
  const flush = (): void => {
    if (sending !== undefined) steps.push({ kind: 'send', fromServer: sending.fromServer, bytes: Buffer.concat(sending.parts) });
    sending = undefined;
  };
  for (const line of text.split('\n')) {
    const side = line[0];
    if (side === '>' || side === '<') {
      const fromServer = side === '<';
      if (sending !== undefined && sending.fromServer !== fromServer) flush();
      sending ??= { fromServer, parts: [] };
      const goesOn = /(^|[^\\])(\\\\)*\\$/.test(line);
      const content = line.slice(line[1] === ' ' ? 2 : 1, goesOn ? -1 : undefined);
      sending.parts.push(fromText(content), Buffer.from(goesOn ? '' : '\r\n'));
      continue;
    }
    flush();
    if (line.trim() !== '') steps.push(readEvent(line, title));
  }
  flush();
  if (!steps.some((s) => s.kind === 'close' || s.kind === 'end' || s.kind === 'reset')) steps.push({ kind: 'close', fromServer: false });
  return steps;
}

function readEvent(line: string, title: string): Step {
  const [mark, what, ...rest] = line.split(' ');
  const fromServer = rest[0] === 'server';
  if (mark === '!') {
    switch (what) {
      case 'lose':
        return { kind: 'lose', fromServer, count: Number(rest[1]) };
      case 'wait':
        return { kind: 'wait', seconds: Number(rest[0]) };
      case 'midstream':
      case 'reset':
      case 'end':
      case 'close':
      case 'fin':
        return { kind: what, fromServer };
      default:
    }
  }
  throw new Error(`${title}: cannot read "${line}"`);
}

const simple: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' };

/** Bytes of a line's text. */
function fromText(text: string): Buffer {
  const parts: Buffer[] = [];
  const pattern = /\\(?:x([0-9a-f]{2})|\{(\d+)\*([^}]*)\}|\{base64:([^}]*)\}|\{hex:([^}]*)\}|([rnt\\]))|([^\\]+)|(\\)/gi;
  for (const [, byte, count, repeated, base64, hex, letter, plain, odd] of text.matchAll(pattern)) {
    if (odd !== undefined) throw new Error(`unknown escape in "${text}"`);
    if (byte !== undefined) parts.push(Buffer.from(byte, 'hex'));
    else if (count !== undefined) parts.push(Buffer.alloc(Number(count), fromText(repeated)));
    else if (base64 !== undefined) parts.push(Buffer.from(base64, 'base64'));
    else if (hex !== undefined) parts.push(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    else parts.push(Buffer.from(letter === undefined ? plain : simple[letter]));
  }
  return Buffer.concat(parts);
}
