/**
 * The Prometheus text format, version 0.0.4:
 *
 *   # HELP earshot_weird_total Oddities of the traffic, by name (docs/weirds.md).
 *   # TYPE earshot_weird_total counter
 *   earshot_weird_total{weird="flow.tcp.gap"} 3
 *
 * In HELP backslash and line feed are escaped, in values of labels the double quote too. Left out: timestamps.
 */
import type { Family } from './table.ts';

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function prometheusText(prefix: string, families: readonly Family[]): string {
  let text = '';
  for (const { metric, samples } of families) {
    const name = `${prefix}_${metric.name}`;
    text += `# HELP ${name} ${metric.meaning.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${metric.kind}\n`;
    for (const [value, ...labels] of samples) {
      const pairs = labels.map((label, i) => `${metric.labels[i]}="${escaped(label)}"`);
      text += `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number(value)}\n`;
    }
  }
  return text;
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
