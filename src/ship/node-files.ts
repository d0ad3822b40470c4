/**
 * The filesystem of this machine (files.ts), through Node. The lock is flock(2): it ends with the process, however that
 * ends, and needs no cleaning up. Who has it is written in the file that is locked.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises';
import { constants as osConstants } from 'node:os';
import { dirname } from 'node:path';
import { codeOf, errnoReason, SensorError } from '../base/errors.ts';
import { give, makeDirectory, ownerOf } from '../base/owner.ts';
import { errnoName, systemCalls } from '../capture/syscalls.ts';
import type { Files, OpenFile } from './files.ts';

const FILE_MODE = 0o600;
const LOCK_EX_NB = 2 | 4;

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array, position: number): Promise<number> {
    return (await this.#handle.write(bytes, 0, bytes.length, position)).bytesWritten;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let read = 0;
    while (read < into.length) {
      const { bytesRead } = await this.#handle.read(into, read, into.length - read, position + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return read;
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async truncate(length: number): Promise<void> {
    await this.#handle.truncate(length);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

export const nodeFiles: Files = {
  async open(path, create) {
    return new NodeFile(create ? await openOrMake(path) : await openToRead(path));
  },
  async readAll(path) {
    let handle: FileHandle | null = null;
    try {
      handle = await openToRead(path);
      return await handle.readFile();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    } finally {
      await handle?.close();
    }
  },
  async list(directory) {
    return await readdir(directory);
  },
  makeDirectory(path) {
    return new Promise((resolve) => {
      makeDirectory(path);
      resolve();
    });
  },
  async rename(from, to) {
    await rename(from, to);
  },
  async remove(path) {
    try {
      await unlink(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  },
  async syncDirectory(path) {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async space(path) {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  },
  async lock(path) {
    await (await openOrMake(path)).close();
    return lockFile(path);
  },
};

/** Never waits for who writes into a pipe, and takes nothing but a file. Errors name the path, as those of the system do. */
async function openToRead(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (found.isFile()) return handle;
    const code = found.isDirectory() ? 'EISDIR' : 'ENXIO';
    throw Object.assign(new Error(`${code}: ${errnoReason(code)}, open '${path}'`), { code, path });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openOrMake(path: string): Promise<FileHandle> {
  const owner = ownerOf(dirname(path));
  if (owner === null) return await open(path, constants.O_RDWR | constants.O_CREAT, FILE_MODE);
  try {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, FILE_MODE);
    give(handle.fd, owner);
    return handle;
  } catch (error) {
    // Who owns the directory may have put a link there, to a file that only root may write.
    if (codeOf(error) === 'EEXIST') return await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
    throw error;
  }
}

function lockFile(path: string): Awaited<ReturnType<Files['lock']>> {
  const calls = systemCalls();
  if (calls === null) {
    const next = 'Run the sensor on 64-bit Linux with glibc, or with spool.level: memory.';
    throw new SensorError('system-unsupported', `Cannot lock ${path}`, 'system calls are not to be had here', next);
  }
  const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  const result = calls.flock(fd, LOCK_EX_NB);
  if (result < 0) {
    closeSync(fd);
    if (-result === osConstants.errno.EWOULDBLOCK) return { heldBy: holderOf(path) };
    throw Object.assign(new Error(`flock: ${errnoReason(errnoName(result))}`), { code: errnoName(result) });
  }
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch {
    // A full disk: the lock holds, it only does not say whose it is.
  }
  let isReleased = false;
  return {
    isThere: () => isFileAt(path, fd),
    release: (): Promise<void> => {
      if (!isReleased) closeSync(fd);
      isReleased = true;
      return Promise.resolve();
    },
  };
}

/** Whether the open file is the one of that name. What cannot be told for now is left as it was. */
async function isFileAt(path: string, fd: number): Promise<boolean> {
  try {
    const { dev, ino } = await stat(path);
    const held = fstatSync(fd);
    return held.dev === dev && held.ino === ino;
  } catch (error) {
    return codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR';
  }
}

function holderOf(path: string): number {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(pid) ? pid : 0;
  } catch {
    return 0;
  }
}
