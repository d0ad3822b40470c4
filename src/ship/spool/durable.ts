/** Those who wait until a record is durable. */
interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class DurableWaiters {
  #waiters: Waiter[] = [];

  add(sequence: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ sequence, resolve, reject }));
  }

  /** Everything up to there is durable now; whether somebody still waits. */
  settle(durableSequence: number): boolean {
    if (this.#waiters.length === 0) return false;
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.sequence <= durableSequence) waiter.resolve();
      else waiting.push(waiter);
    }
    this.#waiters = waiting;
    return waiting.length > 0;
  }

  close(): void {
    for (const { reject } of this.#waiters.splice(0)) reject(new Error('the spool was closed before the record was durable'));
  }
}
