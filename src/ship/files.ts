/**
 * The filesystem as the spool needs it. `nodeFiles` (node-files.ts) is the real one; tests put one in its place that
 * loses what was not synced, tears writes and runs full. Errors are those of Node: an Error with `code`.
 */
export interface OpenFile {
  /** Writes at an offset; returns how many bytes were written, which may be fewer than given, as on a full disk. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  /** Returns how many bytes were read: fewer than asked for only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** fdatasync(2) */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** A lock that is held. */
export interface FileLock {
  /** Whether its file still has its name: else somebody has removed it, or moved its directory away. */
  isThere(): Promise<boolean>;
  release(): Promise<void>;
}

export interface Files {
  /**
   * `create`: to read and write, made when it is not there, mode 0600. Else only to read: ENOENT when it is not there, and one of
   * the codes of `isNoFile` (unreadable.ts) when it is no regular file.
   */
  open(path: string, create: boolean): Promise<OpenFile>;
  /** Whole small file; null when it is not there. Throws as `open` does for what is no regular file. */
  readAll(path: string): Promise<Uint8Array | null>;
  /** Names in a directory. */
  list(directory: string): Promise<string[]>;
  /** With its parents, mode 0700. */
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Nothing when it is not there. */
  remove(path: string): Promise<void>;
  /** fsync of a directory. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes that this user may still write, and the size of the filesystem. */
  space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /** An exclusive lock that ends with the process; `heldBy`: another one has it, with its pid, or 0 when it does not say. */
  lock(path: string): Promise<FileLock | { readonly heldBy: number }>;
}
