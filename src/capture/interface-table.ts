/**
 * Interfaces of all files of a capture, numbered from 0: `Packet.interfaceId` is the place in the list.
 * A later section of a file that describes the same interface again (same place, name and link type) gets the
 * number that it had.
 *
 * Limit: INTERFACES_MAX. Behaviour: refuse-new; packets of refused interfaces are skipped.
 */
import { raise, weird } from '../base/weird.ts';
import type { CaptureInterface } from './parser.ts';

/** Interfaces that are told apart. */
export const INTERFACES_MAX = 65536;
const LIMIT_REACHED = weird('limit.capture.interfaces');

export class InterfaceTable {
  readonly list: CaptureInterface[] = [];
  readonly #ids = new Map<string, number>();

  /** The number of an interface, `place` being its place in its section; -1 when the table is full. */
  add(file: string, place: number, name: string, linkType: number): number {
    const key = `${place} ${linkType} ${file}\0${name}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.list.length;
      if (id === INTERFACES_MAX) {
        raise(LIMIT_REACHED);
        return -1;
      }
      this.list.push({ name, linkType, file });
      this.#ids.set(key, id);
    }
    return id;
  }
}
