import type { Settings } from '../base/settings.ts';

/** Sources as the command line names them. */
export interface NamedSources {
  readonly interface?: readonly string[];
  readonly endpoint?: readonly string[];
}

/** What to listen to: whoever names a source on the command line means that one, and none of the configuration. */
export function sourcesOf(options: NamedSources, { capture }: Settings): { interfaces: string[]; endpoints: string[] } {
  const named = options.interface !== undefined || options.endpoint !== undefined;
  return {
    interfaces: [...(options.interface ?? (named ? [] : capture.interfaces))],
    endpoints: [...(options.endpoint ?? (named ? [] : capture.endpoints))],
  };
}
