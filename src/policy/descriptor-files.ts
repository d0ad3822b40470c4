/**
 * Files with descriptors of Protocol Buffers (`policy.descriptorFiles`), as `protoc --include_imports --descriptor_set_out=FILE`
 * writes them. Checked here, on the main thread; workers get the bytes and read them again.
 *
 * Bound: DESCRIPTOR_BYTES_MAX of all files together.
 */
import { readFileSync, statSync } from 'node:fs';
import { codeOf, reasonOf, SensorError } from '../base/errors.ts';
import { Descriptors, WrongDescriptor } from '../grpc/descriptor.ts';

export const DESCRIPTOR_BYTES_MAX: number = 32 << 20;
const NEXT = 'Make it with: protoc --include_imports --descriptor_set_out=FILE your.proto (or: buf build -o FILE).';

/** The files as they are. Throws a SensorError for the first that is none. */
export function readDescriptors(paths: readonly string[]): Uint8Array[] {
  const files: Uint8Array[] = [];
  let total = 0;
  for (const path of paths) {
    const bytes = readWhole(path, DESCRIPTOR_BYTES_MAX - total);
    try {
      new Descriptors([bytes]);
    } catch (error) {
      if (!(error instanceof WrongDescriptor)) throw error;
      throw new SensorError('descriptor-invalid', `Cannot use the descriptor file ${path}`, error.message, NEXT, error);
    }
    total += bytes.length;
    files.push(bytes);
  }
  return files;
}

function readWhole(path: string, bytesMax: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    if (statSync(path).size > bytesMax) {
      const why = `descriptor files have more than ${DESCRIPTOR_BYTES_MAX >> 20} MiB`;
      throw new SensorError(
        'descriptor-invalid',
        `Cannot use the descriptor file ${path}`,
        why,
        'Leave out what the traffic does not use.',
      );
    }
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof SensorError) throw error;
    const isMissing = codeOf(error) === 'ENOENT';
    throw new SensorError(
      isMissing ? 'file-missing' : 'file-unreadable',
      `Cannot read the descriptor file ${path}`,
      isMissing ? 'there is no such file' : reasonOf(error),
      'Name a file that the sensor may read, or take it out of policy.descriptorFiles.',
      error,
    );
  }
  return bytes;
}
