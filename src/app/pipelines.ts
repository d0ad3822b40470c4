/** The pipelines that a configuration means: those that it names, or one that takes everything to all sinks. */
import type { PipelineSettings, Settings } from '../base/settings.ts';

export interface NamedPipeline extends PipelineSettings {
  readonly name: string;
}

export const DEFAULT_PIPELINE = 'default';

/** In the order of the configuration: the place is the bit of the route. */
export function pipelinesOf({ pipelines, sinks }: Pick<Settings, 'pipelines' | 'sinks'>): readonly NamedPipeline[] {
  const all = Object.keys(sinks);
  const named = Object.entries(pipelines).map(([name, pipeline]) => ({
    name,
    ...pipeline,
    sinks: pipeline.sinks.length > 0 ? pipeline.sinks : all,
  }));
  if (named.length > 0) return named;
  const sampling = { share: 1, key: 'call' } as const;
  return [{ name: DEFAULT_PIPELINE, filtersSimpleFile: '', filtersAdvancedFile: '', sampling, sinks: all }];
}
