/**
 * How a value stands in its source: what has to be undone before it is looked at, and what a replacement must look like
 * so that the document stays one.
 */
/** As it is: header fields, text, multipart. */
export const PLAIN = 0;
/** Between the quotes of a JSON string. */
export const JSON_STRING = 1;
/** A JSON number, true, false or null: a replacement becomes a string, quotes and all, unless it is a number again. */
export const JSON_BARE = 2;
/** Percent-coded, with + for a blank: query and form. */
export const URL_FORM = 3;
/** Percent-coded: path. */
export const URL_PATH = 4;
/** XML text or attribute value, with entities. */
export const XML_TEXT = 5;
