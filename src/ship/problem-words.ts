/** What the texts of problems have in common: names of places, foreign text made harmless, clocks. */

/** Who is spoken to. */
export interface Whom {
  /** "edge.example.com:443" */
  readonly place: string;
  /** Within a sentence: "edge.example.com:443", "the token end-point auth.example.com:443", "the proxy 10.0.0.1:3128". */
  readonly name: string;
  /** At its beginning. */
  readonly Name: string;
  /** It is spoken to by http://. */
  readonly isPlain?: boolean;
}

/** How far the clock of this machine is ahead of another one, by the Date field of its last answer; null: not known. */
export interface Skew {
  readonly aheadMs: number | null;
  /** Who said so: "edge.example.com:443". */
  readonly by: string;
}

export const NO_SKEW: Skew = { aheadMs: null, by: '' };
/** A clock that is off by more is spoken of. */
export const SKEW_MS_MAX = 60_000;
const SHOWN_CHARACTERS_MAX = 120;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

export function whomOf(place: string, role = ''): Whom {
  // A host keeps its spelling, also where a sentence begins with it.
  if (role === '') return { place, name: place, Name: place };
  const name = `${role} ${place}`;
  return { place, name, Name: name.charAt(0).toUpperCase() + name.slice(1) };
}

/** Host and port of a URL. */
export function placeOf(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}

/** Text from outside as part of a sentence: one line, short, nothing that steers a terminal. */
export function shown(text: string): string {
  const harmless = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return harmless.length > SHOWN_CHARACTERS_MAX ? `${harmless.slice(0, SHOWN_CHARACTERS_MAX)}...` : harmless;
}

/** A URL from outside without what may be secret in it: user, password, query, fragment. */
export function shownUrl(text: string, base: URL): string {
  try {
    const url = new URL(text, base);
    return shown(`${url.protocol}//${url.host}${url.pathname}`);
  } catch {
    return 'a place that is no URL';
  }
}

export function day(ms: number): string {
  return Number.isFinite(ms) ? `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC` : 'an unknown time';
}

/** "3 h 20 min", "90 s" */
export function duration(ms: number): string {
  const abs = Math.abs(ms);
  if (abs >= 48 * HOUR_MS) return `${Math.round(abs / (24 * HOUR_MS))} days`;
  const minutes = Math.round(abs / MINUTE_MS);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return abs >= 2 * MINUTE_MS ? `${minutes} min` : `${Math.round(abs / 1000)} s`;
}

/** Whether the clock of this machine is so wrong that it may be the cause. */
export function isSkewed(skew: Skew): boolean {
  return skew.aheadMs !== null && Math.abs(skew.aheadMs) > SKEW_MS_MAX;
}

/** "The clock of this machine is 3 min behind that of auth.example.com:443" */
export function skewClause(skew: Skew): string {
  const aheadMs = skew.aheadMs ?? 0;
  return `the clock of this machine is ${duration(aheadMs)} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${skew.by}`;
}

export const SET_CLOCK = 'Set the clock of this machine (timedatectl set-ntp true; chronyc tracking), then it goes on by itself.';

/** What to do, for a command that tries once: without the word that a running sensor tries again. */
export function onceOnly(next: string): string {
  return next.replace(/ ?It is tried again by itself[.](?= |$)/, '').trimStart();
}
