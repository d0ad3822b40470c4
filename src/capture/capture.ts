/**
 * Capture: packets out of capture files and standard input, pulled one by one, in time order over all files.
 *
 * One file has the whole packet region for itself. Several share it in equal parts and are merged by the time of
 * their next packets (of equal times, the file that was named first goes first). At most `capture.filesOpenMax` are
 * open at once: when more are named, each is opened once to see the time of its first packet and closed again, and
 * opened for good when that time comes. Should more files overlap in time than may be open, the one due longest is
 * opened as soon as another ends; its packets come late, and limit.capture.files_open says so. Pipes cannot be
 * opened twice: they are open from the start.
 */
import { packetRegion } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import { SensorError } from '../base/errors.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { raise, weird, weirdCounts } from '../base/weird.ts';
import { CaptureFile, type Slot } from './capture-file.ts';
import { InterfaceTable } from './interface-table.ts';
import type { Packet } from './packet.ts';
import type { CaptureInterface } from './parser.ts';

export type { CaptureInterface } from './parser.ts';

const C = counts;
const now = packetTimeUs;
/** Packets handed on. */
const RECEIVED = counter('packets.received');
/** Their captured bytes. */
const BYTES = counter('packets.bytes');
const OUT_OF_ORDER = weird('capture.pcap.out_of_order');
const FILE_CUT = weird('capture.file.cut');
const FILES_OPEN = weird('limit.capture.files_open');
const BACKWARDS_US = 1e6;
const SLOT_ALIGN = 64;

/** A file that waits for its time. */
interface Waiting {
  readonly path: string;
  readonly order: number;
  readonly firstTimeUs: number;
}

export class Capture {
  readonly #table = new InterfaceTable();
  readonly #slots: Slot[] = [];
  /** Set when there is only one file. */
  #only: CaptureFile | undefined;
  /** Files under way, in the order of naming. */
  #files: { readonly file: CaptureFile; readonly order: number }[] = [];
  /** In the order of their first packets. */
  #waiting: Waiting[] = [];
  /** The file whose packet was handed out last. */
  #last: CaptureFile | undefined;
  #bytesTotal = 0;
  /** Of the files that are closed. */
  #bytesRead = 0;
  readonly #lastTime = new Float64Array(1);

  /** Use openCapture. */
  constructor(paths: readonly string[], filesOpenMax: number) {
    if (paths.length === 0)
      throw new SensorError('usage', 'Cannot read', 'no file is named', 'Name a capture file, or - for standard input.');
    if (paths.indexOf('-') !== paths.lastIndexOf('-')) {
      throw new SensorError('usage', 'Cannot read standard input', 'it is named twice', 'Name - once.');
    }
    const parts = Math.min(paths.length, filesOpenMax);
    const slotBytes = Math.floor((packetRegion.end - packetRegion.at) / parts / SLOT_ALIGN) * SLOT_ALIGN;
    for (let i = parts - 1; i >= 0; i--) {
      const at = packetRegion.at + i * slotBytes;
      this.#slots.push({ at, end: at + slotBytes });
    }
    this.#lastTime[0] = Number.NEGATIVE_INFINITY;
    try {
      if (paths.length === 1) {
        this.#only = this.#open(paths[0], 0);
        this.#bytesTotal = this.#only.source.bytesTotal;
      } else {
        this.#openSeveral(paths, filesOpenMax);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Sum of the sizes of all files; 0 when one of them is a pipe. */
  get bytesTotal(): number {
    return this.#bytesTotal;
  }

  /** Bytes of the files (compressed, if they are) that were read so far. */
  get bytesRead(): number {
    let sum = this.#bytesRead;
    for (const { file } of this.#files) sum += file.source.bytesRead;
    return sum;
  }

  /** Interfaces met so far; `Packet.interfaceId` is the place in this list. */
  get interfaces(): readonly CaptureInterface[] {
    return this.#table.list;
  }

  /**
   * Fills `packet` and packet time with the next packet; false at the end. Its bytes are valid until the next call.
   * Blocks while a pipe has nothing to give. Never throws by itself.
   */
  next(packet: Packet): boolean {
    const only = this.#only;
    if (only !== undefined && !only.filled) {
      if (!only.advance(packet, now)) return false;
    } else if (!this.#nextMerged(packet)) {
      return false;
    }
    const time = now[0];
    const last = this.#lastTime;
    if (time < last[0] - BACKWARDS_US) raise(OUT_OF_ORDER);
    last[0] = time;
    C[RECEIVED]++;
    C[BYTES] += packet.end - packet.at;
    return true;
  }

  /**
   * Has `then` called before each read of a pipe, which may block for long: the moment to hand on what is ready.
   * What it throws comes out of `next`. Reads of files do not call it.
   */
  beforeWaiting(then: () => void): void {
    for (const { file } of this.#files) if (!file.source.isFile) file.beforeRead = then;
  }

  close(): void {
    for (const { file } of this.#files) this.#finish(file);
    this.#files = [];
    this.#waiting = [];
    this.#only = undefined;
    this.#last = undefined;
  }

  #finish(file: CaptureFile): void {
    this.#bytesRead += file.source.bytesRead;
    this.#slots.push(file.slot);
    file.close();
  }

  #open(path: string, order: number): CaptureFile {
    const slot = this.#slots[this.#slots.length - 1];
    const file = new CaptureFile(path, slot, this.#table);
    this.#slots.pop();
    let i = this.#files.length;
    while (i > 0 && this.#files[i - 1].order > order) i--;
    this.#files.splice(i, 0, { file, order });
    return file;
  }

  #openSeveral(paths: readonly string[], filesOpenMax: number): void {
    let known = true;
    const add = (bytesTotal: number, isFile: boolean): void => {
      this.#bytesTotal += bytesTotal;
      known &&= isFile;
    };
    if (paths.length <= filesOpenMax) {
      paths.forEach((path, order) => {
        const { source } = this.#open(path, order);
        add(source.bytesTotal, source.isFile);
      });
    } else {
      paths.forEach((path, order) => {
        if (this.#slots.length === 0) {
          throw new SensorError(
            'usage',
            `Cannot read ${path}`,
            `more than ${filesOpenMax - 1} pipes are named beside other files`,
            'Name fewer pipes.',
          );
        }
        const weirdsBefore = weirdCounts.slice();
        const file = this.#open(path, order);
        add(file.source.bytesTotal, file.source.isFile);
        if (!file.source.isFile || path === '-') return;
        if (file.fill()) this.#waiting.push({ path, order, firstTimeUs: file.headTime[0] });
        else this.#bytesRead += file.source.bytesRead;
        // It will be read again, and its oddities counted then; one without packets will not.
        if (file.filled) weirdCounts.set(weirdsBefore);
        this.#files = this.#files.filter((open) => open.file !== file);
        this.#slots.push(file.slot);
        file.close();
      });
      this.#waiting.sort((a, b) => a.firstTimeUs - b.firstTimeUs || a.order - b.order);
    }
    if (!known) this.#bytesTotal = 0;
  }

  /** The next packet of the file whose next packet is the oldest. */
  #nextMerged(packet: Packet): boolean {
    if (this.#last !== undefined) this.#last.filled = false;
    let best = this.#oldest();
    while (this.#waiting.length > 0 && this.#slots.length > 0 && (best === undefined || this.#waiting[0].firstTimeUs <= best.headTime[0])) {
      this.#openWaiting();
      best = this.#oldest();
    }
    this.#last = best;
    if (best === undefined) return false;
    const { head } = best;
    packet.at = head.at;
    packet.end = head.end;
    packet.wireBytes = head.wireBytes;
    packet.linkType = head.linkType;
    packet.interfaceId = head.interfaceId;
    now[0] = best.headTime[0];
    if (best === this.#only) best.filled = false;
    return true;
  }

  /** The file under way whose next packet is the oldest; files that have ended are closed. */
  #oldest(): CaptureFile | undefined {
    let best: CaptureFile | undefined;
    for (let i = 0; i < this.#files.length; i++) {
      const { file } = this.#files[i];
      if (!file.fill()) {
        this.#finish(file);
        this.#files.splice(i, 1);
        i--;
      } else if (best === undefined || file.headTime[0] < best.headTime[0]) best = file;
    }
    return best;
  }

  #openWaiting(): void {
    const due = this.#waiting.shift();
    if (due === undefined) return;
    // Its time is past: it had to wait for a slot.
    if (due.firstTimeUs < this.#lastTime[0]) raise(FILES_OPEN);
    try {
      this.#open(due.path, due.order);
    } catch {
      // It was there when the capture was opened, and is gone or another one now.
      raise(FILE_CUT);
    }
  }
}

/**
 * Opens captures: paths of pcap and pcapng files, plain or compressed with gzip or zstd; "-" is standard input.
 * Throws SensorError: usage, file-missing, file-unreadable, file-empty, file-foreign, link-unsupported.
 */
export function openCapture(paths: readonly string[], settings: Settings = defaultSettings): Capture {
  return new Capture(paths, settings.capture.filesOpenMax);
}
