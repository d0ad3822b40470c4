/**
 * The policy of a configuration: the filter files of each pipeline, the masking file and the key, as one plain value.
 * All mistakes of all files come at once; what is wrong leaves the policy before in force.
 */
import { SensorError } from '../base/errors.ts';
import type { Settings } from '../base/settings.ts';
import { defaultAdvancedFilters, defaultSimpleFilters } from '../policy/default-filters.ts';
import { defaultMasking } from '../policy/default-masking.ts';
import { maskingKey } from '../policy/masking-key.ts';
import type { AdvancedFilters, MaskingSpec, PipelineSpec, PolicySpec, SimpleFilters } from '../policy/spec.ts';
import { pipelinesOf } from './pipelines.ts';

/** `keyDirectory`: where a key that the sensor makes is kept; "" for a key of this process only. Throws SensorError. */
export async function loadPolicy(settings: Settings, keyDirectory: string): Promise<PolicySpec> {
  const errors: SensorError[] = [];
  const tried = async <T>(read: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof SensorError)) throw error;
      errors.push(error);
      return undefined;
    }
  };
  const pipelines: { [K in keyof PipelineSpec]: PipelineSpec[K] | undefined }[] = [];
  for (const { name, filtersSimpleFile, filtersAdvancedFile, sampling } of pipelinesOf(settings)) {
    const simple = await tried(() => simpleFilters(filtersSimpleFile));
    const advanced = await tried(() => advancedFilters(filtersAdvancedFile));
    pipelines.push({ name, simple, advanced, sampling });
  }
  const masking = await tried(() => maskingRules(settings.policy.maskingFile));
  const descriptors = await tried(() => descriptorFiles(settings.policy.descriptorFiles));
  const key = await tried(() => maskingKey(settings.policy.maskingKey, keyDirectory === '' ? null : keyDirectory));
  const [first, ...others] = errors;
  if (first !== undefined) {
    if (others.length === 0) throw first;
    const details = errors.flatMap((error) => [error.message, ...error.details]);
    throw new SensorError(first.code, 'Cannot use the rules', `${errors.length} of their files cannot be used`, first.next, first, details);
  }
  return { pipelines, masking, maskingKey: key, descriptors } as PolicySpec;
}

// What reads files is loaded only when a file is named: it costs more than a short read.

async function simpleFilters(file: string): Promise<SimpleFilters> {
  return file === '' ? defaultSimpleFilters : (await import('../policy/filter-files.ts')).readSimpleFilters(file);
}

async function advancedFilters(file: string): Promise<AdvancedFilters> {
  return file === '' ? defaultAdvancedFilters : (await import('../policy/filter-files.ts')).readAdvancedFilters(file);
}

async function descriptorFiles(files: readonly string[]): Promise<Uint8Array[]> {
  return files.length === 0 ? [] : (await import('../policy/descriptor-files.ts')).readDescriptors(files);
}

async function maskingRules(file: string): Promise<MaskingSpec> {
  return file === '' ? defaultMasking : (await import('../policy/masking-file.ts')).loadMasking(file);
}
