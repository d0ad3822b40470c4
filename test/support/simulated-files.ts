/**
 * A filesystem in memory under the spool that does what disks do: what was not synced may be gone after a power cut, whole
 * or torn at any byte, and in any order; names are there for good only when their directory was synced; a full disk takes
 * a part of a write; a sync that failed leaves nobody knowing what of the file is on the disk.
 *
 * Everything happens in microtasks. `files()` is what one process sees; after `cut` or `kill` nothing that it asked for is
 * ever answered.
 */
import { dirname } from 'node:path';
import type { Files, OpenFile } from '../../src/ship/files.ts';
import type { Random } from './random.ts';

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly length: number };

class Inode {
  /** As processes see it. */
  seen: Buffer = Buffer.alloc(0);
  /** As it is on the disk. */
  stored: Buffer = Buffer.alloc(0);
  changes: Change[] = [];
}

type Rename = { readonly path: string; readonly inode: Inode | null };

export interface Faults {
  /** Probabilities: a write takes only a part; a write, a sync, or any other change is refused. */
  shortWrite: number;
  write: number;
  sync: number;
  other: number;
  /** A read, or opening a file that is there, is refused: by one of these codes. */
  read: number;
  readCodes: readonly string[];
  /** Why a directory that somebody has removed cannot be made again; "" when it can. */
  makeDirectory: string;
}

export class SimulatedDisk {
  readonly faults: Faults = { shortWrite: 0, write: 0, sync: 0, other: 0, read: 0, readCodes: ['EIO'], makeDirectory: '' };
  /** Of each file, blocks of 4096 bytes that the disk does not give back any more. */
  readonly badBlocks: Map<string, Set<number>> = new Map();
  capacityBytes: number = Number.POSITIVE_INFINITY;
  /** Steps until the power is cut, or the process killed; -1: it is not. */
  stepsLeft = -1;
  onStop: (() => void) | null = null;
  steps = 0;
  refusedReads = 0;
  openFiles = 0;
  readonly #random: Random;
  #seen = new Map<string, Inode>();
  #stored = new Map<string, Inode>();
  /** Names that changed since the last sync of their directory. */
  #renames: Rename[] = [];
  #process = 0;
  /** Directories that somebody has removed. */
  readonly #gone = new Set<string>();
  #locks = new Map<string, { readonly holder: number }>();

  constructor(random: Random) {
    this.#random = random;
  }

  names(): string[] {
    return [...this.#seen.keys()].sort();
  }

  bytesOf(path: string): Buffer | null {
    return this.#seen.get(path)?.seen ?? null;
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const { seen } of this.#seen.values()) bytes += seen.length;
    return bytes;
  }

  /** Damage, for good: what was not synced is on the disk with it. */
  flip(path: string, at: number, bit: number): void {
    const inode = this.#seen.get(path);
    if (inode === undefined) return;
    inode.seen = Buffer.from(inode.seen);
    inode.seen[at] ^= 1 << bit;
    inode.stored = inode.seen;
    inode.changes = [];
  }

  put(path: string, bytes: Buffer): void {
    const inode = new Inode();
    inode.seen = Buffer.from(bytes);
    inode.stored = Buffer.from(bytes);
    this.#seen.set(path, inode);
    this.#stored.set(path, inode);
  }

  /** Somebody removes a file. */
  delete(path: string): void {
    this.#seen.delete(path);
    this.#stored.delete(path);
  }

  /** Somebody removes a directory with all that is in it, for good. */
  deleteDirectory(directory: string): void {
    for (const path of [...this.#seen.keys()].filter((each) => each.startsWith(`${directory}/`))) this.delete(path);
    this.#renames = this.#renames.filter(({ path }) => !path.startsWith(`${directory}/`));
    for (const path of this.#locks.keys()) if (path.startsWith(`${directory}/`)) this.#locks.delete(path);
    this.#gone.add(directory);
  }

  /** The process ends; what it wrote stays. */
  kill(): void {
    this.#process++;
    this.#locks.clear();
    this.stepsLeft = -1;
  }

  /** The power goes: of what was not synced some is there, some in part, some not. */
  cut(): void {
    this.kill();
    const random = this.#random;
    for (const { path, inode } of this.#someOf(this.#renames)) {
      if (inode === null) this.#stored.delete(path);
      else this.#stored.set(path, inode);
    }
    this.#renames = [];
    this.#seen = new Map(this.#stored);
    for (const inode of new Set(this.#seen.values())) {
      for (const change of this.#someOf(inode.changes)) {
        if ('length' in change) apply(inode, change);
        else {
          const from = random.chance(0.2) ? random.integer(0, change.bytes.length) : 0;
          const to = random.chance(0.4) ? random.integer(from, change.bytes.length) : change.bytes.length;
          apply(inode, { at: change.at + from, bytes: change.bytes.subarray(from, to) });
        }
      }
      inode.changes = [];
      inode.seen = Buffer.from(inode.stored);
    }
  }

  /** A part of them, mostly in their order. */
  #someOf<T>(changes: readonly T[]): T[] {
    const random = this.#random;
    const share = random.pick([0, 0.5, 0.9, 1]);
    const some = changes.filter(() => random.chance(share));
    if (random.chance(0.3)) some.sort(() => random.pick([-1, 1]));
    return some;
  }

  files(): Files {
    const process = this.#process;
    const step = (): Promise<void> => this.#step(process);
    const fail = (code: string): never => {
      throw Object.assign(new Error(code), { code });
    };
    const findDirectory = (path: string): void => {
      if (this.#gone.has(path)) fail('ENOENT');
    };
    const refuse = (probability: number): void => {
      if (this.#random.chance(probability)) fail(this.#random.pick(['ENOSPC', 'EDQUOT', 'EIO']));
    };
    const refuseRead = (): void => {
      if (this.faults.read === 0 || !this.#random.chance(this.faults.read)) return;
      this.refusedReads++;
      fail(this.#random.pick(this.faults.readCodes));
    };
    return {
      open: async (path, create): Promise<OpenFile> => {
        await step();
        if (!create) refuseRead();
        let inode = this.#seen.get(path);
        if (inode === undefined) {
          if (!create) return fail('ENOENT');
          findDirectory(dirname(path));
          refuse(this.faults.other);
          inode = new Inode();
          this.#name(path, inode);
        }
        this.openFiles++;
        return this.#openFile(inode, step, fail, refuse, { refuse: refuseRead, path });
      },
      readAll: async (path) => {
        await step();
        refuseRead();
        const inode = this.#seen.get(path);
        return inode === undefined ? null : Buffer.from(inode.seen);
      },
      list: async (directory) => {
        await step();
        refuseRead();
        findDirectory(directory);
        return [...this.#seen.keys()].filter((path) => dirname(path) === directory).map((path) => path.slice(directory.length + 1));
      },
      makeDirectory: async (path) => {
        await step();
        if (this.faults.makeDirectory !== '' && this.#gone.has(path)) fail(this.faults.makeDirectory);
        this.#gone.delete(path);
      },
      rename: async (from, to) => {
        await step();
        refuse(this.faults.other);
        const inode = this.#seen.get(from);
        if (inode === undefined) return fail('ENOENT');
        this.#name(to, inode);
        this.#name(from, null);
      },
      remove: async (path) => {
        await step();
        if (this.#seen.has(path)) this.#name(path, null);
      },
      syncDirectory: async (path) => {
        await step();
        findDirectory(path);
        refuse(this.faults.sync);
        for (const renamed of this.#renames.filter((rename) => dirname(rename.path) === path)) {
          if (renamed.inode === null) this.#stored.delete(renamed.path);
          else this.#stored.set(renamed.path, renamed.inode);
        }
        this.#renames = this.#renames.filter((rename) => dirname(rename.path) !== path);
      },
      space: async () => {
        await step();
        const freeBytes = Math.max(0, this.capacityBytes - this.usedBytes);
        return { freeBytes, totalBytes: this.capacityBytes };
      },
      lock: async (path) => {
        await step();
        findDirectory(dirname(path));
        const held = this.#locks.get(path);
        if (held !== undefined) return { heldBy: held.holder };
        const lock = { holder: process + 1000 };
        this.#locks.set(path, lock);
        if (!this.#seen.has(path)) this.put(path, Buffer.alloc(0));
        return {
          isThere: async (): Promise<boolean> => {
            await step();
            return this.#locks.get(path) === lock;
          },
          release: (): Promise<void> => {
            if (this.#locks.get(path) === lock) this.#locks.delete(path);
            return Promise.resolve();
          },
        };
      },
    };
  }

  #openFile(
    inode: Inode,
    step: () => Promise<void>,
    fail: (code: string) => never,
    refuse: (probability: number) => void,
    reading: { readonly refuse: () => void; readonly path: string },
  ): OpenFile {
    return {
      write: async (bytes, position) => {
        await step();
        refuse(this.faults.write);
        const grown = Math.max(0, position + bytes.length - inode.seen.length);
        const room = Math.max(0, bytes.length - Math.max(0, grown - (this.capacityBytes - this.usedBytes)));
        let count = Math.min(bytes.length, room);
        if (this.#random.chance(this.faults.shortWrite)) count = this.#random.integer(1, Math.max(1, count));
        if (count === 0 && bytes.length > 0) return fail('ENOSPC');
        const change = { at: position, bytes: Buffer.from(bytes.subarray(0, count)) };
        inode.changes.push(change);
        inode.seen = changed(inode.seen, change);
        return count;
      },
      read: async (into, position) => {
        await step();
        reading.refuse();
        for (const block of this.badBlocks.get(reading.path) ?? []) {
          if ((block + 1) * 4096 > position && block * 4096 < position + into.length) fail('EIO');
        }
        into.set(inode.seen.subarray(position, position + into.length));
        return Math.max(0, Math.min(into.length, inode.seen.length - position));
      },
      sync: async () => {
        const before = inode.changes.length;
        await step();
        if (this.#random.chance(this.faults.sync)) {
          // The system forgets that it is dirty: what was written is on the disk or not, and no later sync brings it there.
          for (const change of inode.changes.splice(0)) if (this.#random.chance(0.5)) apply(inode, change);
          fail('EIO');
        }
        for (const change of inode.changes.splice(0, before)) apply(inode, change);
      },
      truncate: async (length) => {
        await step();
        if (length === inode.seen.length) return;
        refuse(this.faults.other);
        inode.changes.push({ length });
        inode.seen = changed(inode.seen, { length });
      },
      size: async () => {
        await step();
        reading.refuse();
        return inode.seen.length;
      },
      close: async () => {
        await step();
        this.openFiles--;
      },
    };
  }

  #name(path: string, inode: Inode | null): void {
    if (inode === null) this.#seen.delete(path);
    else this.#seen.set(path, inode);
    this.#renames.push({ path, inode });
  }

  async #step(process: number): Promise<void> {
    this.steps++;
    if (process === this.#process && this.stepsLeft > 0 && --this.stepsLeft === 0) this.onStop?.();
    await null;
    // A process that has ended gets no answers.
    if (process !== this.#process) await new Promise(() => {});
  }
}

function apply(inode: Inode, change: Change): void {
  inode.stored = changed(inode.stored, change);
}

function changed(content: Buffer, change: Change): Buffer {
  if ('length' in change && change.length <= content.length) return content.subarray(0, change.length);
  const end = 'length' in change ? change.length : Math.max(content.length, change.at + change.bytes.length);
  if ('bytes' in change && change.at === content.length) return Buffer.concat([content, change.bytes]);
  const next = Buffer.alloc(end);
  content.copy(next);
  if ('bytes' in change) change.bytes.copy(next, change.at);
  return next;
}
