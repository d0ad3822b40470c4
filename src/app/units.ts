/** Numbers for people: with their unit, in few columns. */

const WIDE = ['', ' k', ' M', ' G', ' T', ' P'] as const;

/** "1,234,567" */
export function count(n: number): string {
  return Math.round(n).toLocaleString('en');
}

/** The same in at most `columns` (six at least): "1,234,567", where that is too long "1.23 M". */
export function countIn(n: number, columns: number): string {
  const whole = count(n);
  return whole.length <= columns ? whole : scaled(n);
}

/** Three digits that count and the power of a thousand: "12.3 k", "1.23 M". */
function scaled(n: number): string {
  let power = 0;
  let rest = n;
  while (Math.abs(rest) >= 999.5 && power < WIDE.length - 1) {
    rest /= 1000;
    power++;
  }
  const digits = power === 0 ? 0 : Math.abs(rest) >= 99.95 ? 0 : Math.abs(rest) >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits)}${WIDE[power]}`;
}

/** "830 B", "1.23 kB", "45.6 GB" */
export function byteAmount(n: number): string {
  return n < 1000 ? `${Math.round(n)} B` : `${scaled(n)}B`;
}

/** "285 Mbit/s" of bytes a second. */
export function bitRate(bytesPerS: number): string {
  return bytesPerS * 8 < 999.5 ? `${Math.round(bytesPerS * 8)} bit/s` : `${scaled(bytesPerS * 8)}bit/s`;
}

/** A rate: "0", "0.4", "12.3", "1,234". */
export function perSecond(n: number): string {
  return n === 0 || n >= 99.95 ? count(n) : n.toFixed(1);
}

/** A part of one as "12 %", "0.3 %", "< 0.1 %"; "0 %" only when it is nothing. */
export function share(part: number): string {
  const percent = part * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.1) return '< 0.1 %';
  return `${percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

/** A time that something took: "830 us", "12.3 ms", "4.56 s", "2.1 min". */
export function shortTime(us: number): string {
  if (us < 999.5) return `${Math.round(us)} us`;
  const [value, unit] =
    us < 999_500 ? [us / 1e3, 'ms'] : us < 120e6 ? [us / 1e6, 's'] : us < 7200e6 ? [us / 60e6, 'min'] : [us / 3600e6, 'h'];
  return `${value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)} ${unit}`;
}

/** How long something has lasted: "42 s", "12 min 5 s", "3 h 20 min", "2 d 3 h". */
export function longTime(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const pair = (large: number, unit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return pair(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86_400) return pair(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
  return pair(Math.floor(s / 86_400), 'd', Math.floor((s % 86_400) / 3600), 'h');
}

/** "2026-03-01 10:00:00 UTC" of milliseconds since 1970. */
export function date(atMs: number): string {
  return Number.isFinite(atMs) && Math.abs(atMs) < 8.64e15 ? `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC` : '?';
}
