/** Sinks by their type. */
import type { SinkSettings } from '../base/settings.ts';
import type { FormatName } from './formats/encoder.ts';
import type { Framing } from './framing.ts';
import type { Sink } from './sink.ts';
import { FileSink } from './sinks/file.ts';
import type { SinkContext } from './sinks/sink-context.ts';

/** Format of a sink's records. */
export function formatOf(settings: SinkSettings): FormatName {
  return settings.format as FormatName;
}

/** Opens nothing yet but what it needs to know of its files. Throws SensorError for settings that cannot be used. */
export async function createSink(name: string, settings: SinkSettings, framing: Framing, context: SinkContext): Promise<Sink> {
  // Each brings packages of its own, which only those load who use them.
  switch (settings.type) {
    case 'http':
    case 'uap-edge':
      return (await import('./sinks/http.ts')).createHttpSink(name, settings, context, framing);
    case 'kafka':
      return (await import('./sinks/kafka.ts')).createKafkaSink(name, settings, context);
    case 'file':
      return new FileSink(settings, framing);
    case 'stdout':
      return new (await import('./sinks/stdout.ts')).StdoutSink(framing);
  }
}
