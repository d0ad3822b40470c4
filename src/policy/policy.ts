/**
 * The policy at work in one worker: which pipelines a finished call goes to, and its masked record.
 *
 *   call -> filters of each pipeline -> sampling -> routes (a bit for each) -> masking -> record
 *
 * Masking is the same for all pipelines. A new policy takes the place of the old one between two calls, all of it at once.
 */
import { counter, counts } from '../base/counters.ts';
import { Descriptors } from '../grpc/descriptor.ts';
import { useDescriptors } from '../grpc/rendering.ts';
import { type Literal, literal } from '../normalise/json.ts';
import { CallView } from './call-view.ts';
import { compileFilters, type Filters, ruleName } from './filter/filters.ts';
import { resetActions } from './mask/actions.ts';
import { resetDocuments } from './mask/document.ts';
import { encodeMasked, resetMaskCall, SHED_BODIES, SHED_NOTHING } from './mask/mask-call.ts';
import { encodeMaskedMessage } from './mask/mask-message.ts';
import { resetRules } from './mask/rules.ts';
import { compileSampling } from './sampling.ts';
import type { PolicySpec } from './spec.ts';

const C = counts;
const T_FILTERED = counter('calls.filtered{filters}');
const T_SAMPLED = counter('calls.filtered{sampling}');
const T_SHED_BODIES = counter('calls.shed{bodies}');
const T_SHED_HEADERS = counter('calls.shed{headers}');
const NOBODY = -1;
/** Combinations of rules whose JSON is kept. */
const TEXTS_MAX = 4096;

interface Pipeline {
  readonly name: string;
  readonly filters: Filters;
  readonly isTaken: (view: CallView) => boolean;
}

function resetMasking({ masking, maskingKey, descriptors = [] }: PolicySpec): void {
  useDescriptors(descriptors.length === 0 ? null : new Descriptors(descriptors));
  resetRules(masking);
  resetDocuments(masking);
  resetActions(masking, maskingKey);
  resetMaskCall();
}

export class Policy {
  #pipelines: readonly Pipeline[] = [];
  readonly #view = new CallView();
  /** Decisions about the call routed last, by pipeline: number of the rule, or NOBODY. */
  #decisions = new Int32Array(0);
  /** JSON of the member `filters` by decisions. */
  #texts = new Map<string, Literal>();
  /** The same for one pipeline, by rule. */
  #textOfRule: Literal[] = [];
  /** The policy that holds; null before the first one. */
  #spec: PolicySpec | null = null;
  /** What the record leaves out because the worker is overloaded (mask/mask-call.ts). */
  shed = SHED_NOTHING;

  /** Throws what a wrong pattern or expression throws; then nothing has changed. */
  constructor(spec: PolicySpec) {
    this.replace(spec);
  }

  /** From the next call on. Throws what the constructor throws; then the policy before holds on, all of it. */
  replace(spec: PolicySpec): void {
    const pipelines = spec.pipelines.map((pipeline) => ({
      name: pipeline.name,
      filters: compileFilters(pipeline),
      isTaken: compileSampling(pipeline, spec.maskingKey),
    }));
    try {
      resetMasking(spec);
    } catch (error) {
      // A part of it may stand already.
      if (this.#spec !== null) resetMasking(this.#spec);
      throw error;
    }
    this.#spec = spec;
    this.#pipelines = pipelines;
    this.#decisions = new Int32Array(pipelines.length);
    this.#texts = new Map();
    this.#textOfRule = [];
  }

  /** Where a finished call goes, as bits by pipeline; 0 when no pipeline takes it, which is counted. */
  route(call: number): number {
    const view = this.#view;
    const decisions = this.#decisions;
    view.set(call);
    let routes = 0;
    let isLetThrough = false;
    for (let i = 0; i < this.#pipelines.length; i++) {
      const { filters, isTaken } = this.#pipelines[i];
      const decision = filters.decide(view);
      decisions[i] = NOBODY;
      if (decision < 0) continue;
      isLetThrough = true;
      if (!isTaken(view)) continue;
      decisions[i] = decision;
      routes |= 1 << i;
    }
    if (routes === 0) C[isLetThrough ? T_SAMPLED : T_FILTERED]++;
    return routes;
  }

  /** Writes the masked record of the call that was routed last; as encodeCall. */
  encode(call: number, to: number): number {
    if (this.shed !== SHED_NOTHING) C[this.shed === SHED_BODIES ? T_SHED_BODIES : T_SHED_HEADERS]++;
    return encodeMasked(call, to, this.#filters(), this.shed);
  }

  /** Writes the masked record of the message at hand; as encodeMessage. Gives `to` when it is left out because of overload. */
  encodeMessage(to: number, prefix: Literal, n: number, context: Literal): number {
    return encodeMaskedMessage(to, prefix, n, context, this.shed);
  }

  #filters(): Literal {
    const decisions = this.#decisions;
    if (decisions.length === 1) {
      const rule = decisions[0];
      this.#textOfRule[rule] ??= this.#text();
      return this.#textOfRule[rule];
    }
    const key = decisions.join();
    let text = this.#texts.get(key);
    if (text === undefined) {
      text = this.#text();
      if (this.#texts.size >= TEXTS_MAX) this.#texts.clear();
      this.#texts.set(key, text);
    }
    return text;
  }

  #text(): Literal {
    const all = this.#pipelines.flatMap(({ name, filters }, i) =>
      this.#decisions[i] === NOBODY ? [] : [{ pipeline: name, rule: ruleName(filters, this.#decisions[i]) }],
    );
    return literal(JSON.stringify(all));
  }
}
