/** JSON that may be printed on a terminal. */

/**
 * The JSON of a value in one line, in which every character that could steer a terminal is escaped: also those that
 * JSON itself permits (DEL, C1, bidirectional controls, line separators). It means the same.
 */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    let escaped = '';
    for (let i = 0; i < character.length; i++) escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
    return escaped;
  });
}
