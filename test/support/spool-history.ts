/**
 * One random history of a spool, beside a naive model of what it promises: lives that end by a power cut, a kill or in
 * order, with full disks, refused syncs, damaged and removed files, clocks that jump. Everything follows from the seed.
 */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { SensorError } from '../../src/base/errors.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { maskedBatch } from '../../src/policy/masked-call.ts';
import type { Frame } from '../../src/ship/record-source.ts';
import { spoolKeys } from '../../src/ship/spool/keys.ts';
import { Spool } from '../../src/ship/spool/spool.ts';
import { Random } from './random.ts';
import { SimulatedDisk } from './simulated-files.ts';
import { SimulatedTimers, settled } from './simulated-timers.ts';

const DIRECTORY = '/spool';
const HOUR_MS = 3_600_000;
const BATCH_RECORDS_MAX = 5;
const LATE_MS = 100_000_000_000_000;
/** What keeps files from being read passes before a disk would count as broken. */
const READ_FAULTS_MS_MAX = 15_000;
/** Longer than any pause between two tries to read. */
const READ_AGAIN_MS = 31_000;
/** Above it are numbers that were taken from the clock, because none could be reserved. */
const CLOCK_SEQUENCES = 1e12;
const PIPELINES = ['all', 'api', 'web'];
const READERS = [
  { name: 'kafka', pipelines: ['all'] },
  { name: 'platform', pipelines: ['api', 'web'] },
  { name: 'file', pipelines: ['web'] },
];

interface Written {
  readonly text: string;
  readonly pipelines: readonly string[];
}

/** What the model knows of a reader. */
class Expected {
  /** Durable, for this reader, and not acked. */
  readonly owed = new Set<number>();
  /** What may be missing: the spool has said so. */
  expired = 0;
  corrupt = 0;
  /** In this life. */
  received: Frame[] = [];
  lastSequence = -1;
  isWaiting = false;
  isConfigured = false;
}

export interface HistorySums {
  crashes: number;
  records: number;
  delivered: number;
  expired: number;
  corrupt: number;
  lost: number;
  readsRefused: number;
}

export class History {
  /** What was done, for people who look for what went wrong. */
  readonly events: string[] = [];
  readonly #random: Random;
  readonly #disk: SimulatedDisk;
  readonly #timers = new SimulatedTimers();
  readonly #written = new Map<number, Written>();
  readonly #expected = new Map(READERS.map(({ name }) => [name, new Expected()]));
  readonly #settings: Settings['spool'];
  readonly #keys = [spoolKeys(null)];
  readonly #sums: HistorySums;
  #spool: Spool | null = null;
  #pipelines: readonly string[] = PIPELINES;
  #durableSequence = 0;
  /** Appended in this life, and not durable yet. */
  #pending: number[] = [];
  /** Of what came to a reader. */
  #failure: unknown = null;
  #isDamaged = false;
  #isUncounted = false;
  #flipped = 0;
  #isNumbersLost = false;
  #readFaultsUntilMs = 0;
  #crash: 'cut' | 'kill' | null = null;
  #life = 0;

  constructor(seed: number, sums: HistorySums) {
    const random = new Random(seed);
    this.#random = random;
    this.#sums = sums;
    this.#disk = new SimulatedDisk(random);
    const key = randomFillSync(Buffer.alloc(32));
    if (random.chance(0.1)) this.#keys[0] = spoolKeys(key);
    this.#settings = {
      ...defaultSettings.spool,
      directory: DIRECTORY,
      level: random.pick(['disk', 'disk', 'disk', 'disk', 'disk', 'disk', 'os', 'memory'] as const),
      bytesMax: random.pick([1, 3000, 30_000, 1e6, 1e6, 1e6]),
      segmentBytes: random.pick([1, 4096, 4096, 8192]),
      syncBytes: random.pick([1, 1000, 100_000]),
      syncIntervalMs: random.pick([1, 50]),
      memoryBytesMax: random.pick([300, 2000, 100_000, 100_000]),
      ageHoursMax: random.pick([1, 72]),
      freeBytesMin: random.pick([0, 2000]),
      compression: random.pick(['none', 'none', 'none', 'zstd'] as const),
    };
  }

  async run(): Promise<void> {
    this.events.push(JSON.stringify(this.#settings));
    await this.#start();
    for (let i = this.#random.integer(5, 45); i > 0; i--) {
      await this.#act();
      await settled();
      await this.#check();
    }
    await this.#end();
  }

  async #act(): Promise<void> {
    const random = this.#random;
    const disk = this.#disk;
    const what = random.integer(0, 99);
    if (what < 38) this.#append();
    else if (what < 56) this.#ack();
    else if (what < 74) await this.#pass(random.pick([1, 60, 60, 1100, 1100, 5000]));
    else if (what < 80) this.#crashSoon();
    else if (what < 83) await this.#restart();
    else if (what < 86) disk.capacityBytes = random.chance(0.6) ? Number.POSITIVE_INFINITY : disk.usedBytes + random.integer(0, 3000);
    else if (what < 89) this.#makeFaults();
    else if (what < 90) this.#timers.jump(random.pick([-1, 1]) * random.pick([1000, HOUR_MS, 100 * HOUR_MS]));
    else if (what < 92) await this.#pass(random.chance(0.2) ? 70_000 : 1000);
    else if (what < 94) this.#seek();
    else if (what < 97) {
      if (random.chance(0.25)) this.#damage();
    } else disk.stepsLeft = random.integer(1, 40);
  }

  #append(): void {
    const spool = this.#spool;
    if (spool === null) return;
    const random = this.#random;
    const before = spool.state();
    const records: Written[] = [];
    const lines: Buffer[] = [];
    const index: number[] = [];
    for (let i = random.integer(1, BATCH_RECORDS_MAX); i > 0; i--) {
      const pipelines = PIPELINES.filter(() => random.chance(0.5));
      const text = `{"n":${random.bits()},"x":"${'y'.repeat(random.integer(0, random.chance(0.05) ? 3000 : 200))}"}\n`;
      records.push({ text, pipelines });
      lines.push(Buffer.from(text));
      index.push(text.length, this.#routesOf(pipelines));
    }
    spool.append(maskedBatch(Buffer.concat(lines), Int32Array.from(index)));
    const after = spool.state();
    assert.equal(after.offered - before.offered, records.length);
    if (after.lost > before.lost) {
      assert.equal(after.lost - before.lost, records.length);
      this.#sums.lost += records.length;
      this.events.push(`append ${records.length}: lost`);
      return;
    }
    assert.ok(after.lastSequence - records.length >= before.lastSequence, 'numbers only ever grow');
    this.events.push(
      `append ${after.lastSequence - records.length + 1}-${after.lastSequence} ${records.map(({ pipelines }) => pipelines.join('+'))}`,
    );
    records.forEach((record, i) => {
      const sequence = after.lastSequence - records.length + 1 + i;
      if (!this.#isNumbersLost && sequence < CLOCK_SEQUENCES) assert.ok(!this.#written.has(sequence), `number ${sequence} is given twice`);
      this.#written.set(sequence, record);
      this.#pending.push(sequence);
      this.#sums.records++;
    });
  }

  #routesOf(pipelines: readonly string[]): number {
    return pipelines.reduce((routes, name) => routes | (1 << this.#pipelines.indexOf(name)), 0);
  }

  #ack(): void {
    const [name, expected] = this.#random.pick([...this.#expected]);
    if (this.#spool === null || !expected.isConfigured) return;
    this.#ask(name, expected);
    const frame = expected.received[this.#random.integer(0, Math.min(3, expected.received.length - 1))];
    if (frame === undefined) return;
    const last = frame.firstSequence + frame.count - 1;
    const upTo = this.#random.chance(0.7) ? last : this.#random.integer(frame.firstSequence, last);
    this.#spool.reader(name).ack(upTo);
    this.events.push(`${name} acks ${upTo}`);
    for (const sequence of expected.owed) if (sequence <= upTo) expected.owed.delete(sequence);
    expected.received = expected.received.filter(({ firstSequence, count }) => firstSequence + count - 1 > upTo);
  }

  /** Asks for the next frame, unless that is being waited for. */
  #ask(name: string, expected: Expected): void {
    const spool = this.#spool;
    if (spool === null || expected.isWaiting) return;
    expected.isWaiting = true;
    const life = this.#life;
    void spool
      .reader(name)
      .next()
      .then((frame) => {
        if (life !== this.#life) return;
        expected.isWaiting = false;
        if (frame !== null) this.#receive(name, expected, frame);
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      });
  }

  #receive(name: string, expected: Expected, frame: Frame): void {
    const own = READERS.find((reader) => reader.name === name)?.pipelines ?? [];
    assert.ok(frame.firstSequence > expected.lastSequence, `${name}: ${frame.firstSequence} comes after ${expected.lastSequence}`);
    assert.equal(frame.index.length, frame.count * 2);
    let at = 0;
    let isFor = false;
    for (let i = 0; i < frame.count; i++) {
      const sequence = frame.firstSequence + i;
      const written = this.#written.get(sequence);
      assert.ok(written !== undefined, `${name}: ${sequence} was never appended`);
      const end = at + frame.index[2 * i];
      assert.equal(Buffer.from(frame.bytes.subarray(at, end)).toString(), written.text, `${name}: bytes of ${sequence}`);
      assert.equal(frame.index[2 * i + 1], this.#routesOf(written.pipelines), `${name}: routes of ${sequence}`);
      isFor ||= written.pipelines.some((pipeline) => own.includes(pipeline));
      at = end;
    }
    assert.equal(at, frame.bytes.length);
    assert.ok(isFor, `${name}: nothing in ${frame.firstSequence} is for it`);
    expected.lastSequence = frame.firstSequence + frame.count - 1;
    expected.received.push(frame);
    this.events.push(`${name} gets ${frame.firstSequence}-${expected.lastSequence}`);
    this.#sums.delivered += frame.count;
  }

  #seek(): void {
    const [name, expected] = this.#random.pick([...this.#expected]);
    const frame = this.#random.pick([...expected.received, undefined]);
    if (this.#spool === null || frame === undefined || expected.isWaiting) return;
    this.#spool.reader(name).seek(frame.firstSequence);
    this.events.push(`${name} seeks ${frame.firstSequence}`);
    expected.lastSequence = frame.firstSequence - 1;
    expected.received = expected.received.filter(({ firstSequence }) => firstSequence < frame.firstSequence);
  }

  #crashSoon(): void {
    this.#stop();
    if (this.#random.chance(0.5)) this.#disk.cut();
    else {
      this.#crash = 'kill';
      this.#disk.kill();
    }
  }

  #stop(): void {
    this.#crash ??= 'cut';
    this.events.push(`crash, durable ${this.#spool?.state().durableSequence}`);
    this.#timers.forget();
  }

  #makeFaults(): void {
    const { faults } = this.#disk;
    const random = this.#random;
    const isOn = random.chance(0.5);
    faults.shortWrite = isOn && random.chance(0.5) ? 0.3 : 0;
    faults.write = isOn && random.chance(0.5) ? 0.3 : 0;
    faults.sync = isOn && random.chance(0.5) ? 0.3 : 0;
    faults.other = isOn && random.chance(0.5) ? 0.2 : 0;
    faults.read = isOn && random.chance(0.5) ? random.pick([0.1, 0.5, 1]) : 0;
    faults.readCodes = random.pick([['EMFILE'], ['EIO'], ['EIO', 'ENOMEM', 'ENFILE', 'ESTALE', 'EACCES']]);
    this.#readFaultsUntilMs = this.#timers.nowMs() + READ_FAULTS_MS_MAX;
    this.events.push(`faults ${JSON.stringify(faults)}`);
  }

  async #pass(ms: number): Promise<void> {
    const { faults } = this.#disk;
    const leftMs = Math.max(0, this.#readFaultsUntilMs - this.#timers.nowMs());
    if (faults.read === 0 || ms < leftMs) return await this.#timers.pass(ms);
    await this.#timers.pass(leftMs);
    faults.read = 0;
    await this.#timers.pass(ms - leftMs);
  }

  #damage(): void {
    const random = this.#random;
    const names = this.#disk.names().filter((name) => !name.endsWith('/lock'));
    if (names.length === 0) return;
    const path = random.pick(names);
    this.#isDamaged = true;
    if (path.endsWith('/state')) this.#isNumbersLost = true;
    if (random.chance(0.3)) {
      this.#disk.delete(path);
      this.events.push(`delete ${path}`);
      this.#forgive(path, names);
      return;
    }
    const bytes = this.#disk.bytesOf(path)?.length ?? 0;
    const at = random.integer(0, Math.max(0, bytes - 1));
    this.#disk.flip(path, at, random.integer(0, 7));
    // At the end of the newest segment it looks as if a crash had cut it off, which is not counted.
    if (path === names.filter((name) => name.endsWith('.segment')).at(-1)) this.#flipped += BATCH_RECORDS_MAX;
    this.events.push(`flip ${path} at ${at}`);
  }

  /** What was in a file that is removed can not come back, and whether the spool knew of it depends on when. */
  #forgive(path: string, names: readonly string[]): void {
    const segments = names.filter((name) => name.endsWith('.segment'));
    const at = segments.indexOf(path);
    if (at < 0) return;
    // What is still written into it is gone as well.
    if (at === segments.length - 1) this.#isUncounted = true;
    const firstOf = (name: string | undefined): number =>
      name === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(name.slice(DIRECTORY.length + 1), 10);
    for (const { owed } of this.#expected.values()) {
      for (const sequence of owed) if (sequence >= firstOf(path) && sequence < firstOf(segments[at + 1])) owed.delete(sequence);
    }
  }

  /** In order, by the same process or another one. */
  async #restart(): Promise<void> {
    const spool = this.#spool;
    if (spool === null) return;
    const closing = spool.close(this.#timers.dateMs() + 5000);
    await settled();
    await this.#pass(6000);
    if (this.#crash !== null) return;
    await closing;
    this.events.push('closed in order');
    this.#note(spool);
    this.#timers.forget();
    this.#disk.kill();
    this.#spool = null;
    if (this.#settings.level === 'memory') for (const expected of this.#expected.values()) expected.owed.clear();
    await this.#start();
  }

  async #start(): Promise<void> {
    for (;;) {
      const random = this.#random;
      this.#life++;
      this.#pending = [];
      this.#crash = null;
      this.#spool = null;
      this.#disk.onStop = (): void => {
        this.#stop();
        this.#disk.cut();
      };
      if (random.chance(0.1)) this.#disk.stepsLeft = random.integer(1, 60);
      this.#pipelines = random.chance(0.8)
        ? this.#pipelines
        : random.pick([PIPELINES, ['web', 'api', 'all'], ['more', 'all', 'web', 'api']]);
      const readers = random.chance(0.9) ? READERS : READERS.filter(() => random.chance(0.6));
      for (const { name } of READERS) {
        const expected = this.#expected.get(name) as Expected;
        expected.isConfigured = readers.some((reader) => reader.name === name);
        expected.received = [];
        expected.lastSequence = -1;
        expected.isWaiting = false;
        // Nothing is kept for it while it is not there.
        if (!expected.isConfigured) expected.owed.clear();
      }
      const opened: { spool: Spool | null; refused: unknown } = { spool: null, refused: null };
      const say = (message: string, fields: object = {}): void => {
        this.events.push(`says: ${message} ${JSON.stringify(fields)}`);
      };
      this.events.push(`files: ${this.#disk.names().map((name) => `${name} ${this.#disk.bytesOf(name)?.length}`)}`);
      const opening = Spool.open({
        directory: DIRECTORY,
        settings: this.#settings,
        pipelines: this.#pipelines,
        readers,
        keys: this.#keys[0],
        files: this.#disk.files(),
        timers: this.#timers,
        log: { info: say, warn: say, error: say },
      }).then(
        (spool) => {
          opened.spool = spool;
        },
        (error: unknown) => {
          opened.refused = error;
        },
      );
      await settled();
      // It waits where it cannot read.
      const untilMs = this.#timers.nowMs() + 2 * READ_AGAIN_MS;
      while (this.#crash === null && opened.spool === null && opened.refused === null && this.#timers.nowMs() < untilMs)
        await this.#pass(500);
      if (this.#crash === null && opened.refused !== null) {
        this.#noteRefusal(opened.refused);
        continue;
      }
      if (this.#crash === null) {
        await opening;
        this.#spool = opened.spool;
        this.events.push(`started: ${this.#about()}`);
        this.#durableSequence = this.#spool?.state().durableSequence ?? 0;
        return;
      }
      this.#sums.crashes++;
      this.#forgetUnsynced();
      // What that start counted nobody has seen.
      if (this.#isDamaged) this.#isUncounted = true;
    }
  }

  /** A start that could not read for long says so, and the next one finds everything. */
  #noteRefusal(error: unknown): void {
    this.events.push(`refused: ${error}`);
    if (this.#disk.refusedReads === 0 || !(error instanceof SensorError)) throw error;
    this.#disk.faults.read = 0;
    this.#timers.forget();
    this.#disk.kill();
    this.#crash = 'kill';
    this.#forgetUnsynced();
    if (this.#isDamaged) this.#isUncounted = true;
  }

  /** What a crash may take back at the lower levels. */
  #forgetUnsynced(): void {
    const { level } = this.#settings;
    if (level === 'disk' || (level === 'os' && this.#crash === 'kill')) return;
    for (const expected of this.#expected.values()) expected.owed.clear();
  }

  #about(): string {
    const state = this.#spool?.state();
    const readers = state?.readers.map(
      (r) => `${r.name} acked ${r.ackedSequence} queued ${r.queued} corrupt ${r.corrupt} expired ${r.expiredByAge + r.expiredByQuota}`,
    );
    return `last ${state?.lastSequence} durable ${state?.durableSequence} ${readers?.join(', ')} ${state?.fault}`;
  }

  /** What the spool says of itself, before it is gone. */
  #note(spool: Spool): void {
    for (const reader of spool.state().readers) {
      const expected = this.#expected.get(reader.name) as Expected;
      expected.expired += reader.expiredByQuota + reader.expiredByAge;
      expected.corrupt += reader.corrupt;
    }
  }

  /** What holds after every step; and a new life where the last one has ended. */
  async #check(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const spool = this.#spool;
    if (spool === null) return;
    this.#checkBooks(spool);
    this.#noteDurable(spool);
    if (this.#crash === null) return;
    this.events.push(`before: ${this.#about()}`);
    this.#sums.crashes++;
    this.#note(spool);
    this.#forgetUnsynced();
    await this.#start();
  }

  #checkBooks(spool: Spool): void {
    const state = spool.state();
    assert.ok(state.accepted + state.lost <= state.offered);
    assert.ok(state.durableSequence <= state.lastSequence);
    for (const reader of state.readers) {
      const { name, queuedAtStart, accepted, acked, expiredByQuota, expiredByAge, corrupt, queued, queuedBytes } = reader;
      assert.equal(queuedAtStart + accepted, acked + expiredByQuota + expiredByAge + corrupt + queued, `the books of ${name}`);
      for (const count of [queued, queuedBytes, acked, corrupt]) assert.ok(count >= 0, `${name}: ${JSON.stringify(reader)}`);
      assert.ok(corrupt <= this.#written.size, `${name}: ${corrupt} corrupt of ${this.#written.size}`);
      if (queued === 0) assert.equal(queuedBytes, 0, `${name}: bytes without records`);
    }
  }

  /** From the moment when it is published, what is up to the mark is owed. */
  #noteDurable(spool: Spool): void {
    const { durableSequence, readers } = spool.state();
    assert.ok(durableSequence >= this.#durableSequence, 'the durable mark only ever grows');
    if (durableSequence === this.#durableSequence) return;
    while (this.#pending.length > 0 && this.#pending[0] <= durableSequence) {
      const sequence = this.#pending.shift() ?? 0;
      const pipelines = this.#written.get(sequence)?.pipelines ?? [];
      for (const { name, pipelines: own } of READERS) {
        const expected = this.#expected.get(name) as Expected;
        const acked = readers.find((reader) => reader.name === name)?.ackedSequence ?? Number.POSITIVE_INFINITY;
        if (sequence > acked && pipelines.some((pipeline) => own.includes(pipeline))) expected.owed.add(sequence);
      }
    }
    this.#durableSequence = durableSequence;
  }

  /** All faults are over: a last life, in which everybody reads everything. */
  async #end(): Promise<void> {
    Object.assign(this.#disk.faults, { shortWrite: 0, write: 0, sync: 0, other: 0, read: 0 });
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    this.#disk.stepsLeft = -1;
    await this.#pass(READ_AGAIN_MS);
    await this.#check();
    this.#disk.stepsLeft = -1;
    if (this.#random.chance(0.7)) {
      if (this.#random.chance(0.5)) this.#crashSoon();
      else await this.#restart();
      await this.#check();
      while (this.#disk.stepsLeft >= 0) {
        this.#disk.stepsLeft = -1;
        await settled();
      }
    }
    this.#disk.stepsLeft = -1;
    await this.#pass(3000);
    const spool = this.#spool;
    if (spool === null) return;
    const { offered, accepted, lost, fault } = spool.state();
    assert.equal(offered, accepted + lost, `all is accepted or lost: ${fault}`);
    for (const { name } of READERS) {
      const expected = this.#expected.get(name) as Expected;
      if (expected.isConfigured) await this.#drain(spool, name, expected);
    }
    this.#checkBooks(spool);
    await Promise.all([spool.close(LATE_MS), this.#pass(3000)]);
    this.#sums.readsRefused += this.#disk.refusedReads;
  }

  async #drain(spool: Spool, name: string, expected: Expected): Promise<void> {
    const seen = new Set<number>();
    const take = (): void => {
      for (const { firstSequence, count } of expected.received) for (let i = 0; i < count; i++) seen.add(firstSequence + i);
      const last = expected.received.at(-1);
      if (last !== undefined) spool.reader(name).ack(last.firstSequence + last.count - 1);
      expected.received = [];
    };
    for (;;) {
      this.#ask(name, expected);
      await settled();
      take();
      if (expected.isWaiting) await this.#pass(10_000);
      take();
      if (expected.isWaiting) break;
    }
    if (this.#failure !== null) throw this.#failure;
    const [reader] = spool.state().readers.filter((state) => state.name === name);
    assert.equal(reader.queued, 0, `${name}: all that is queued can be read: ${JSON.stringify(reader)}`);
    const missing = [...expected.owed].filter((sequence) => !seen.has(sequence));
    const expired = expected.expired + reader.expiredByQuota + reader.expiredByAge;
    const corrupt = this.#isDamaged ? expected.corrupt + reader.corrupt : 0;
    this.#sums.expired += expired;
    this.#sums.corrupt += corrupt;
    assert.ok(
      missing.length <= expired + corrupt + this.#flipped || this.#isUncounted,
      `${name}: ${missing.length} records are missing (${missing.slice(0, 5).join(', ')} ...), ${expired} expired, ${corrupt} corrupt`,
    );
  }
}
