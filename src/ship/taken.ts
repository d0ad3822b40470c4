/**
 * Records that were taken from the spool and are not acked yet, in their order. They end out of order; the spool is told
 * only how far all of them are done with.
 *
 *            head                                    tail        read: all up to it was looked at
 *   acked ->  | waits | done | done | waits | done |  ->  records of other sinks -> |
 *
 * A ring of sequences with a mark each, which grows by doubling. It also keeps the books straight when the spool lets go
 * the oldest data, for quota or age, while some of it is here: the spool has counted these records as expired, but they
 * are in memory and will be delivered all the same. No ack depends on them any more, so they leave the ring.
 */
const CAPACITY_MIN = 1024;

export class Taken {
  #sequences = new Float64Array(CAPACITY_MIN);
  #isDone = new Uint8Array(CAPACITY_MIN);
  /** Places: they only ever grow; the ring has them modulo its size. */
  #head = 0;
  #tail = 0;
  #readSequence: number;
  #acked: number;
  /** Records that the spool counted as expired while they were here. */
  expired = 0;

  /** `ackedSequence`: of the reader at the start. */
  constructor(ackedSequence: number) {
    this.#acked = ackedSequence;
    this.#readSequence = ackedSequence;
  }

  /** Taken, not acked and not expired: the spool counts them as queued. */
  get count(): number {
    return this.#tail - this.#head;
  }

  /** Whether all others wait for this one to be acked. */
  isFirst(place: number): boolean {
    return place === this.#head;
  }

  /** Whether the spool counts it as done with, or as expired. */
  isPast(sequence: number): boolean {
    return sequence <= this.#acked;
  }

  /** Takes one over; the answer is its place. */
  add(sequence: number): number {
    if (this.count === this.#sequences.length) this.#grow();
    const at = this.#tail & (this.#sequences.length - 1);
    this.#sequences[at] = sequence;
    this.#isDone[at] = 0;
    this.#readSequence = sequence;
    return this.#tail++;
  }

  /** All up to that sequence was looked at, and what is for this sink was added. */
  read(sequence: number): void {
    if (sequence > this.#readSequence) this.#readSequence = sequence;
  }

  /** It is delivered or a dead letter. */
  done(place: number): void {
    if (place < this.#head) return;
    this.#isDone[place & (this.#sequences.length - 1)] = 1;
    this.#passDone();
  }

  /** The sequence up to which all is done with, when it has grown since it was last asked for; else -1. */
  toAck(): number {
    // What is done with behind what expired counts as queued until the spool is told.
    this.#passDone();
    const sequence = this.#head === this.#tail ? this.#readSequence : this.#sequences[this.#head & (this.#sequences.length - 1)] - 1;
    if (sequence <= this.#acked) return -1;
    this.#acked = sequence;
    return sequence;
  }

  /** The cursor of the spool's reader: it is beyond what was acked when the spool let data go. To be told before records are done. */
  note(cursorSequence: number): void {
    if (cursorSequence <= this.#acked) return;
    const mask = this.#sequences.length - 1;
    const from = this.#head;
    while (this.#head < this.#tail && this.#sequences[this.#head & mask] <= cursorSequence) this.#head++;
    this.expired += this.#head - from;
    this.#acked = cursorSequence;
    this.read(cursorSequence);
  }

  #passDone(): void {
    const mask = this.#sequences.length - 1;
    while (this.#head < this.#tail && this.#isDone[this.#head & mask] === 1) this.#head++;
  }

  #grow(): void {
    const { length } = this.#sequences;
    const sequences = new Float64Array(length * 2);
    const isDone = new Uint8Array(length * 2);
    for (let place = this.#head; place < this.#tail; place++) {
      sequences[place & (length * 2 - 1)] = this.#sequences[place & (length - 1)];
      isDone[place & (length * 2 - 1)] = this.#isDone[place & (length - 1)];
    }
    this.#sequences = sequences;
    this.#isDone = isDone;
  }
}
