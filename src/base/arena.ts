/**
 * The arena: one ArrayBuffer in which every packet, cut head, held segment, body and output byte lies.
 *
 * Offsets into it (`at`, exclusive `end`) are what the stages hand on; nobody makes a subarray or a
 * string in the hot path, and every copy is a `copyWithin`. The buffer is reserved once and its pages
 * become resident only when touched, so its size is address space, not memory.
 *
 *   0          kernels       packets          blocks                      headers     policy     output      rings           end
 *   +----------+-------------+----------------+---------------------------+-----------+----------+-----------+---------------+
 *   | 64 B     | simd.ts     | capture/ owns  | base/blocks.ts owns: size | http2/    | policy/  | encoders  | the kernel's  |
 *   |          |             |                | classes                   |           |          |           |               |
 *   +----------+-------------+----------------+---------------------------+-----------+----------+-----------+---------------+
 *
 * Offset 0 is never handed out: 0 means "none" everywhere.
 * The buffer is a WebAssembly memory because the SIMD kernels (base/simd.ts) work on it in place.
 */

const MIB = 1 << 20;

export interface Region {
  readonly name: string;
  /** First byte of the region. */
  readonly at: number;
  /** One past its last byte. */
  readonly end: number;
}

const GUARD_BYTES = 64;
const KERNEL_BYTES = 128 << 10;
const PACKETS_BYTES = 16 * MIB;
const BLOCKS_BYTES = 768 * MIB;
const HEADERS_BYTES = 512 << 10;
const POLICY_BYTES = 32 * MIB;
const OUTPUT_BYTES = 32 * MIB;
const RINGS_BYTES = 256 * MIB;
const PAGE_BYTES = 4096;

const TOTAL_BYTES =
  GUARD_BYTES +
  KERNEL_BYTES +
  PACKETS_BYTES +
  BLOCKS_BYTES +
  HEADERS_BYTES +
  POLICY_BYTES +
  OUTPUT_BYTES +
  PAGE_BYTES +
  RINGS_BYTES +
  GUARD_BYTES;
export const PAGES: number = Math.ceil(TOTAL_BYTES / 65536);

export const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });

/** The whole arena as bytes. Bodies of hot functions index it; `latin1Slice` and friends serve the rare paths. */
export const bytes: Buffer = Buffer.from(memory.buffer);
/** The same bytes as a DataView, for multi-byte fields in either byte order. */
export const view: DataView = new DataView(memory.buffer);
/** The same bytes as int32 words in host order, for links and tables that are four-byte aligned. */
export const words: Int32Array = new Int32Array(memory.buffer);

let top = GUARD_BYTES;
const regions: Region[] = [];

function layOut(name: string, length: number): Region {
  const region = { name, at: top, end: top + length };
  regions.push(region);
  top += length;
  return region;
}

/** Tables and results of the kernels in base/simd.ts. */
export const kernelRegion: Region = layOut('kernels', KERNEL_BYTES);
/** Where capture sources put the bytes of packets. */
export const packetRegion: Region = layOut('packets', PACKETS_BYTES);
/** Where base/blocks.ts keeps what must outlive its packet. */
export const blockRegion: Region = layOut('blocks', BLOCKS_BYTES);
/** Header fields of HTTP/2: the static table, and the strings of the header block at hand. */
export const headerRegion: Region = layOut('headers', HEADERS_BYTES);
/** Decoded bodies, replacements and masked copies of the call at hand. */
export const policyRegion: Region = layOut('policy', POLICY_BYTES);
/** Where encoders write records before they are flushed. */
export const outputRegion: Region = layOut('output', OUTPUT_BYTES);

top = Math.ceil(top / PAGE_BYTES) * PAGE_BYTES;
/** Where live capture lays the rings that the kernel fills (capture/ring.ts). Begins at a page. */
export const ringRegion: Region = layOut('rings', RINGS_BYTES);
