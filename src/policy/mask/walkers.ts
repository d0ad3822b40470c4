/**
 * The walkers as a value or a part may need them: documents hold values, and values hold documents, so an import of each by
 * the other would be a circle. document.ts fills this when it is loaded, and every caller of walkers begins there.
 *
 * A walker returns whether all of [at, end) was a whole document of its kind: a text that only looks like one is a text.
 */
export type Walker = (at: number, end: number, isCut: boolean) => boolean;

const none: Walker = () => false;

interface Walkers {
  json: Walker;
  graphql: Walker;
  xml: Walker;
  form: Walker;
  url: Walker;
  text: Walker;
  /** By its media type [typeAt, typeEnd). */
  document: (at: number, end: number, isCut: boolean, typeAt: number, typeEnd: number) => void;
}

export const walkers: Walkers = { json: none, graphql: none, xml: none, form: none, url: none, text: none, document: () => {} };
