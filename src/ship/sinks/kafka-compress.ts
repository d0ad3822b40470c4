/** Records in the compressions of Kafka. What Node can do happens on its threads; lz4 and snappy are WebAssembly, and fast. */
import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import { loadKafka } from './kafka-client.ts';
import type { compressionBits } from './kafka-records.ts';

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);
const GZIP = { level: 1 };
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export async function compressRecords(records: Buffer, compression: keyof typeof compressionBits): Promise<Buffer> {
  switch (compression) {
    case 'none':
      return records;
    case 'gzip':
      return await gzipAsync(records, GZIP);
    case 'zstd':
      return await zstdAsync(records, ZSTD);
    case 'lz4':
    case 'snappy':
      return (await loadKafka()).compressionsAlgorithms[compression].compressSync(records);
  }
}
